/* Who waits for a GIL with musl's conditions, in a little memory laid out by hand: the GIL, and waiters on the stacks of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/event/event_parked.h"
#include "core/interp/cond_list.h"
#include "core/interp/frames.h"
#include "core/interp/layout.h"
#include "core/interp/libc.h"
#include "core/interp/runtime.h"
#include "tests/unit/small_memory.h"

#define GIL (BASE + 0x1000)
#define OTHER_GIL (BASE + 0x1800)
#define STACK(i) (BASE + 0x4000 + 0x100 * (uint64_t)(i))
#define WAITER(i) (STACK(i) + 0x50)
#define WORD(i) (WAITER(i) + COND_WORD)

static struct runtime r;

static void set_up(const char *libc)
{
	memset(memory, 0, sizeof(memory));
	memset(&r, 0, sizeof(r));
	assert_int_equal(runtime_walk_layout(layout_find(0x030b0000), &r.walk), 0);
	r.n_interps = 2;
	r.interps[0].gil = GIL;
	r.interps[1].gil = OTHER_GIL;
	for (size_t i = 0; i < n_libcs; i++)
		if (!strcmp(libcs[i].name, libc))
			runtime_set_libc(&r, &libcs[i]);
}

/* Waiters first … last, the newest first, in the list of the condition at that address. */
static void wait_in(uint64_t cond, int first, int last)
{
	put(cond + 8, WAITER(first), 8); /* _c_head */
	put(cond + 40, WAITER(last), 8); /* _c_tail */
	for (int i = first; i <= last; i++) {
		put(WAITER(i), i > first ? WAITER(i - 1) : 0, 8);
		put(WAITER(i) + 8, i < last ? WAITER(i + 1) : 0, 8);
		put(WORD(i), 2, 4);
	}
}

static uint64_t slept_on(int i)
{
	return runtime_gil_slept_on(&r, &mem, WORD(i), STACK(i));
}

static void whoever_is_in_a_list_waits_for_its_gil(void **state)
{
	(void)state;
	set_up("musl");
	wait_in(GIL + r.walk.gil_cond, 0, 3);
	wait_in(OTHER_GIL + r.walk.gil_cond, 4, 4);
	wait_in(OTHER_GIL + r.walk.gil_forced, 5, 5);
	wait_in(BASE + 0x3000, 6, 7); /* any other condition */
	for (int i = 0; i < 4; i++)
		assert_int_equal(slept_on(i), GIL);
	assert_int_equal(slept_on(4), OTHER_GIL);
	assert_int_equal(slept_on(5), OTHER_GIL);
	assert_int_equal(slept_on(6), 0);
	assert_int_equal(slept_on(7), 0);
	put(WAITER(0) + 16, 1, 4); /* signalled: it is off the list, and about to wake up */
	assert_int_equal(slept_on(0), 0);
	assert_int_equal(runtime_gil_slept_on(&r, &mem, WORD(1), STACK(1) - COND_WITHIN), 0); /* on no stack of its own */
	assert_int_equal(runtime_gil_slept_on(&r, &mem, GIL + r.walk.gil_cond + 84 - 32, STACK(1)), GIL); /* the mutex */
}

static void with_glibc_nobody_looks(void **state)
{
	(void)state;
	set_up("glibc");
	wait_in(GIL + r.walk.gil_cond, 0, 1);
	assert_int_equal(slept_on(0), 0);
	assert_int_equal(runtime_gil_slept_on(&r, &mem, GIL + r.walk.gil_wait, STACK(0)), GIL);
}

static void the_words_of_the_condition_are_no_waits(void **state)
{
	(void)state;
	set_up("glibc");
	assert_true(r.walk.gil_wait_len > 0 && r.walk.cond_list == 0);
	set_up("musl");
	assert_int_equal(r.walk.gil_wait_len, 0); /* _c_lock is there, held for a moment */
	assert_int_equal(r.walk.cond_list, 8);
}

/* Whatever a target writes there. */
static void hostile_lists_end(void **state)
{
	(void)state;
	set_up("musl");
	wait_in(BASE + 0x3000, 0, 1);
	put(WAITER(0), WAITER(1), 8); /* a ring */
	assert_int_equal(slept_on(1), 0);
	put(WAITER(0), UINT64_MAX - 4, 8);
	assert_int_equal(slept_on(1), 0);
	put(WAITER(0), 0, 8);
	assert_int_equal(runtime_gil_slept_on(&r, &mem, BASE + SMALL_MEMORY + 4, BASE + SMALL_MEMORY), 0);
	wait_in(GIL + r.walk.gil_cond, 0, COND_STEPS + 4);
	assert_int_equal(slept_on(COND_STEPS - 1), GIL);
	assert_int_equal(slept_on(COND_STEPS), 0); /* so many began to wait while it fell asleep?  None ever */
}

/* A waiter's node is no struct wait_entry of the parking lot, though the word lies on the thread's own stack as well. */
static void nobody_is_parked_on_a_waiter(void **state)
{
	struct parked p;

	(void)state;
	set_up("musl");
	wait_in(BASE + 0x3000, 0, 1);
	frames_parked(&r.walk, &mem, 0, 0, WORD(0), &p);
	assert_int_equal(p.at, 0);
	assert_int_equal(p.as, EV_PARKED_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_is_in_a_list_waits_for_its_gil),
		cmocka_unit_test(with_glibc_nobody_looks),
		cmocka_unit_test(the_words_of_the_condition_are_no_waits),
		cmocka_unit_test(hostile_lists_end),
		cmocka_unit_test(nobody_is_parked_on_a_waiter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
