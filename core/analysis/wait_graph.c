/* See wait_graph.h.  From each thread on, along the one way there is; a way that meets itself has gone round a cycle. */
#include "core/analysis/wait_graph.h"

#include <stdlib.h>

#include "core/util/xalloc.h"

unsigned wait_graph_cycles(const uint32_t *waits_for, uint32_t n, uint32_t *cycle)
{
	uint32_t *walk = xcalloc(n ? n : 1, sizeof(*walk)); /* which walk came by, counted from 1 */
	unsigned cycles = 0;

	for (uint32_t i = 0; i < n; i++)
		cycle[i] = WAIT_GRAPH_NOBODY;
	for (uint32_t from = 0; from < n; from++) {
		uint32_t at = from;

		while (at < n && !walk[at]) {
			walk[at] = from + 1;
			at = waits_for[at];
		}
		if (at >= n || walk[at] != from + 1)
			continue; /* it ends, or goes on as an earlier walk did */
		for (uint32_t i = at; cycle[i] == WAIT_GRAPH_NOBODY; i = waits_for[i])
			cycle[i] = cycles;
		cycles++;
	}
	free(walk);
	return cycles;
}
