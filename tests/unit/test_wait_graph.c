/* Cycles of threads that wait for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/analysis/wait_graph.h"

#define NO WAIT_GRAPH_NOBODY
#define N 7

static const struct {
	uint32_t waits_for[N];
	unsigned cycles;
	uint32_t cycle[N];
} graphs[] = {
	{ { NO, NO, NO, NO, NO, NO, NO }, 0, { NO, NO, NO, NO, NO, NO, NO } },
	{ { 1, 2, 3, 4, 5, 6, NO }, 0, { NO, NO, NO, NO, NO, NO, NO } }, /* a queue */
	{ { 1, 0, NO, NO, NO, NO, NO }, 1, { 0, 0, NO, NO, NO, NO, NO } },
	{ { NO, NO, 2, NO, NO, NO, NO }, 1, { NO, NO, 0, NO, NO, NO, NO } }, /* for itself */
	{ { 1, 2, 3, 1, 0, 4, NO }, 1, { NO, 0, 0, 0, NO, NO, NO } }, /* with a queue in front of it */
	{ { 3, 2, 1, 4, 5, 3, 0 }, 2, { NO, 1, 1, 0, 0, 0, NO } }, /* two, one behind a queue */
	{ { 100, NO, NO, NO, NO, NO, NO }, 0, { NO, NO, NO, NO, NO, NO, NO } }, /* nobody we know */
};

static void test_cycles(void **state)
{
	(void)state;
	for (size_t g = 0; g < sizeof(graphs) / sizeof(graphs[0]); g++) {
		uint32_t cycle[N];
		unsigned n = wait_graph_cycles(graphs[g].waits_for, N, cycle);

		if (n != graphs[g].cycles)
			fail_msg("graph %zu: %u cycles, not %u", g, n, graphs[g].cycles);
		for (unsigned i = 0; i < N; i++)
			if (cycle[i] != graphs[g].cycle[i])
				fail_msg("graph %zu: thread %u is in cycle %d, not %d", g, i, (int)cycle[i], (int)graphs[g].cycle[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cycles) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
