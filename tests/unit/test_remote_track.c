/* One thread as a sequence of looks: what it was found in, and which stretches follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/remote/track.h"
#include "core/event/event.h"

enum { FUTEX = 202, READ = 0, WAIT = 0x189 };
#define GIL 0x1000
#define HELD (EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS)

static struct track thread(void)
{
	return (struct track){ .pid = 7, .tid = 8, .tstate = 0x5000, .gil = GIL };
}

static struct track_sight on_cpu(uint64_t t)
{
	return (struct track_sight){ .t_ns = t, .state = TRACK_CPU, .nr = -1 };
}

/* … having waited for a CPU so long in its life */
static struct track_sight queued(uint64_t t, uint64_t queued_ns, bool held)
{
	return (struct track_sight){ .t_ns = t, .state = TRACK_CPU, .nr = -1, .queued_ns = queued_ns, .queue_known = true, .held = held };
}

static struct track_sight waiting(uint64_t t)
{
	return (struct track_sight){ .t_ns = t, .state = TRACK_GIL_WAIT, .nr = FUTEX, .arg0 = GIL + 8, .arg1 = WAIT };
}

static struct track_sight in_call(uint64_t t, int nr, uint64_t arg0)
{
	return (struct track_sight){ .t_ns = t, .state = TRACK_OFF, .nr = nr, .arg0 = arg0, .arg1 = nr == FUTEX ? WAIT : 0 };
}

static void nothing(struct track *t, struct track_sight s)
{
	struct ev_off e;

	assert_false(track_look(t, &s, &e));
}

static struct ev_off something(struct track *t, struct track_sight s)
{
	struct ev_off e;

	memset(&e, 0xff, sizeof(e));
	assert_true(track_look(t, &s, &e));
	assert_int_equal(e.h.kind, EV_OFF);
	assert_int_equal(e.h.pid, 7);
	assert_int_equal(e.h.tid, 8);
	assert_true((e.h.flags & EV_F_INFERRED) && (e.h.flags & EV_F_SAMPLED) && (e.h.flags & EV_F_PYTHON));
	assert_int_equal(e.t_wake_ns, 0);
	return e;
}

static void a_change_lies_between_two_looks(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	nothing(&t, on_cpu(1000));
	nothing(&t, on_cpu(2000));
	nothing(&t, waiting(3000));
	nothing(&t, waiting(4000));
	e = something(&t, on_cpu(6000));
	assert_int_equal(e.t_out_ns, 2500);
	assert_int_equal(e.t_in_ns, 5000);
	assert_true((e.h.flags & EV_F_GIL_WAIT) && (e.h.flags & EV_F_FUTEX_WAIT) && (e.h.flags & EV_F_BLOCKED));
	assert_int_equal(e.gil, GIL);
}

static void from_one_stretch_into_the_next(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	nothing(&t, in_call(1000, READ, 3));
	nothing(&t, in_call(2000, READ, 3));
	e = something(&t, in_call(3000, READ, 4)); /* another file */
	assert_int_equal(e.t_out_ns, 1000);
	assert_int_equal(e.t_in_ns, 2500);
	assert_int_equal(e.nr, READ);
	assert_int_equal(e.arg0, 3);
	assert_false(e.h.flags & (EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | HELD));
	e = something(&t, waiting(4000));
	assert_int_equal(e.t_out_ns, 2500);
	assert_int_equal(e.t_in_ns, 3500);
	e = something(&t, in_call(5000, FUTEX, 0x99));
	assert_true(e.h.flags & EV_F_GIL_WAIT);
	e = something(&t, on_cpu(6000));
	assert_true((e.h.flags & EV_F_FUTEX_WAIT) && !(e.h.flags & EV_F_GIL_WAIT));
}

static void the_same_state_with_a_break_is_two_stretches(void **state)
{
	struct track t = thread();
	struct track_sight again = waiting(3000);
	struct ev_off e;

	(void)state;
	again.again = true; /* it ran Python code in between */
	nothing(&t, waiting(1000));
	nothing(&t, waiting(2000));
	e = something(&t, again);
	assert_int_equal(e.t_in_ns, 2500);
	e = something(&t, on_cpu(4000));
	assert_int_equal(e.t_out_ns, 2500);
	assert_int_equal(e.t_in_ns, 3500);
}

static void who_holds_meanwhile_is_told(void **state)
{
	struct track t = thread();
	struct track_sight s = in_call(1000, READ, 3);
	struct ev_off e;

	(void)state;
	s.held = true;
	nothing(&t, s);
	e = something(&t, in_call(2000, READ, 3)); /* it let go, and sleeps on */
	assert_int_equal(e.h.flags & HELD, HELD);
	e = something(&t, on_cpu(3000));
	assert_int_equal(e.h.flags & HELD, 0);
}

static void what_was_so_at_the_start_says_so_once(void **state)
{
	struct track t = thread();

	(void)state;
	t.at_start = true;
	nothing(&t, in_call(1000, READ, 3));
	assert_true(something(&t, waiting(2000)).h.flags & EV_F_AT_START);
	assert_false(something(&t, on_cpu(3000)).h.flags & EV_F_AT_START);
}

static void the_end_closes_what_is_open(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	assert_false(track_end(&t, 500, true, &e)); /* never looked at */
	nothing(&t, on_cpu(1000));
	assert_false(track_end(&t, 1500, true, &e));
	nothing(&t, waiting(2000));
	assert_true(track_end(&t, 3000, true, &e));
	assert_int_equal(e.t_out_ns, 1500);
	assert_int_equal(e.t_in_ns, 3000);
	assert_true(e.h.flags & EV_F_UNFINISHED);
	assert_true(track_end(&t, 3000, false, &e));
	assert_false(e.h.flags & EV_F_UNFINISHED);
}

/* --- ready to run, without a CPU --- */

static void time_without_a_cpu_ends_when_it_is_told(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	nothing(&t, queued(1000, 50, false));
	nothing(&t, queued(2000, 50, false));
	nothing(&t, queued(3000, 50, false)); /* it may wait for a CPU: not told yet */
	e = something(&t, queued(4000, 1750, false));
	assert_int_equal(e.t_in_ns, 3500);
	assert_int_equal(e.t_out_ns, 1800);
	assert_false(e.h.flags & (EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_AT_START));
	assert_int_equal(e.nr, -1);
	nothing(&t, queued(5000, 1750, false));
	e = something(&t, (struct track_sight){ .t_ns = 6000, .state = TRACK_OFF, .queued_ns = 2000, .queue_known = true });
	assert_int_equal(e.t_in_ns, 5500); /* before it went to sleep */
	assert_int_equal(e.t_out_ns, 5250);
	e = something(&t, on_cpu(7000));
	assert_true(e.h.flags & EV_F_BLOCKED);
	assert_int_equal(e.t_out_ns, 5500);
}

static void it_does_not_begin_before_the_stretch_on_the_cpu(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	nothing(&t, in_call(1000, READ, 3));
	e = something(&t, queued(2000, 300, false)); /* what it waited in its life until now is not told again */
	assert_true(e.h.flags & EV_F_BLOCKED);
	e = something(&t, queued(3000, 300 + 5000, false)); /* woken long before it was seen */
	assert_int_equal(e.t_out_ns, 1500);
	assert_int_equal(e.t_in_ns, 2500);
}

static void a_holder_without_a_cpu(void **state)
{
	struct track t = thread();
	struct ev_off e;

	(void)state;
	nothing(&t, queued(1000, 0, false));
	nothing(&t, queued(2000, 0, true));
	e = something(&t, queued(3000, 900, false)); /* stood still with the GIL, let go at once when it could */
	assert_int_equal(e.h.flags & HELD, HELD);
	nothing(&t, queued(4000, 900, true));
	e = something(&t, queued(5000, 1000, false)); /* all of it between two looks: both must have seen it hold */
	assert_int_equal(e.h.flags & HELD, 0);
	nothing(&t, queued(6000, 1000, true));
	e = something(&t, queued(7000, 1100, true));
	assert_int_equal(e.h.flags & HELD, HELD);
}

static void the_stack_is_that_of_a_sample_taken_meanwhile(void **state)
{
	struct track t = thread();

	(void)state;
	nothing(&t, queued(1000, 0, false));
	t.stack = 0x77; /* a sample at 1000 */
	t.sampled_ns = 1000;
	assert_int_equal(something(&t, queued(2000, 600, false)).own_stack, 0x77); /* since 900, clipped to 1000 */
	assert_int_equal(something(&t, queued(4000, 1600, false)).own_stack, 0); /* since 2000: it ran in between */
}

static void without_such_numbers_nothing_is_told(void **state)
{
	struct track t = thread();

	(void)state;
	nothing(&t, on_cpu(1000));
	nothing(&t, queued(2000, 5000, false));
	nothing(&t, on_cpu(3000));
	nothing(&t, queued(4000, 9000, false));
	nothing(&t, queued(5000, 8000, false)); /* runs backwards */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_lies_between_two_looks),
		cmocka_unit_test(from_one_stretch_into_the_next),
		cmocka_unit_test(the_same_state_with_a_break_is_two_stretches),
		cmocka_unit_test(who_holds_meanwhile_is_told),
		cmocka_unit_test(what_was_so_at_the_start_says_so_once),
		cmocka_unit_test(the_end_closes_what_is_open),
		cmocka_unit_test(time_without_a_cpu_ends_when_it_is_told),
		cmocka_unit_test(it_does_not_begin_before_the_stretch_on_the_cpu),
		cmocka_unit_test(a_holder_without_a_cpu),
		cmocka_unit_test(the_stack_is_that_of_a_sample_taken_meanwhile),
		cmocka_unit_test(without_such_numbers_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
