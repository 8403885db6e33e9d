/* The replay of recorded holds and waits, with answers worked out by hand; the log it reads; bounds; the worst window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/replay.h"
#include "core/analysis/what_if.h"
#include "core/analysis/worst_window.h"

#define MS UINT64_C(1000000)
enum { A = 1, B, C, LINE = 7, OTHER = 8 };

static void hold(struct hold_log *log, uint32_t thread, uint64_t t0, uint64_t t1, uint32_t line, bool forced)
{
	hold_log_add(log, &(struct hold){.thread = thread, .t0_ns = t0 * MS, .t1_ns = t1 * MS, .flags = forced ? HOLD_F_FORCED : 0},
		     line);
}

static void waits(struct hold_log *log, uint32_t thread, uint64_t t0, uint64_t t1)
{
	hold_log_wait(log, &(struct wait){.thread = thread, .t0_ns = t0 * MS, .t1_ns = t1 * MS});
}

/* All waiting, in ms, without the holds of a line. */
static uint64_t replayed(const struct hold_log *log, uint32_t removed)
{
	struct replay r;
	uint64_t ns;

	replay_init(&r, log, 5 * MS);
	ns = replay_run(&r, 0, log->holds.n, removed);
	replay_done(&r);
	return ns / MS;
}

/* A holds for 20, B comes after 2 and waits for 18. */
static void two_threads_one_hold_goes(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 20, LINE, false);
	hold(&log, B, 20, 23, OTHER, false);
	hold_log_sort(&log);
	waits(&log, B, 2, 20);
	hold_log_settle(&log);
	assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 18);
	assert_int_equal(replayed(&log, LINE), 0);
	assert_int_equal(replayed(&log, OTHER), 18);
	hold_log_done(&log);
}

/* A holds 0..10, B has waited since 1 and holds 10..15, C has waited since 2 and holds 15..16: 9 + 13.  Without A's hold B starts
 * at 1 and C at 6: 0 + 4; A itself gets the lock back at 10, when nobody has it. */
static void chain_of_three(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 10, LINE, false);
	hold(&log, B, 10, 15, OTHER, false);
	hold(&log, C, 15, 16, OTHER, false);
	hold_log_sort(&log);
	waits(&log, B, 1, 10);
	waits(&log, C, 2, 15);
	hold_log_settle(&log);
	assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 22);
	assert_int_equal(replayed(&log, LINE), 4);
	assert_int_equal(replayed(&log, OTHER), 9 + 8); /* A's hold stays, B's is over at once */
	hold_log_done(&log);
}

static void hold_that_nobody_waits_for_saves_nothing(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 10, LINE, false);
	hold(&log, B, 12, 20, OTHER, false);
	hold(&log, C, 20, 21, OTHER, false);
	hold_log_sort(&log);
	waits(&log, C, 15, 20);
	hold_log_settle(&log);
	assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 5);
	assert_int_equal(replayed(&log, LINE), 5);
	hold_log_done(&log);
}

/* A's hold of 20 would end by itself; B, that waited 18 for it, then computes for 15 and is made to let go.  Without A's hold B
 * begins at 2; A wants the lock back at 20: B's hold is over at 17, so it is free. */
static void getting_it_back_is_free_when_nobody_has_it(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 20, LINE, false);
	hold(&log, B, 20, 35, OTHER, true);
	hold(&log, C, 35, 36, OTHER, false);
	hold_log_sort(&log);
	waits(&log, B, 2, 20);
	waits(&log, C, 30, 35);
	hold_log_settle(&log);
	assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 23);
	assert_int_equal(replayed(&log, LINE), 0); /* C comes at 30, when B is done */
	hold_log_done(&log);
}

/* As above, but B computes for 40.  It was demanded for 5 when it let go, so A, back at 20, makes it let go at 25: it waits 5;
 * B's rest waits for nothing (A needs the lock for no time).  Had B's hold not been ended by force, A would wait for its end. */
static void only_what_was_forced_is_forced_again(void **state)
{
	(void)state;

	for (int forced = 0; forced < 2; forced++) {
		struct hold_log log = {0};

		hold(&log, A, 0, 20, LINE, false);
		hold(&log, B, 20, 60, OTHER, forced);
		hold(&log, C, 60, 61, OTHER, false);
		hold_log_sort(&log);
		waits(&log, B, 2, 20);
		waits(&log, C, 55, 60);
		hold_log_settle(&log);
		assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 23);
		assert_int_equal(replayed(&log, LINE), forced ? 5 : 22);
		hold_log_done(&log);
	}
}

/* A and B compute in turns of 5, each made to let go: 4 turns, each waits 5 for the other, but the first.  A without the lock is
 * never stopped, so it needs not get it back in between; B never waits. */
static void forced_holds_run_on_without_the_lock(void **state)
{
	struct hold_log log = {0};
	(void)state;

	for (unsigned i = 0; i < 8; i++)
		hold(&log, i % 2 ? B : A, 5 * i, 5 * i + 5, i % 2 ? OTHER : LINE, true);
	hold_log_sort(&log);
	waits(&log, B, 0, 5);
	for (unsigned i = 2; i < 8; i++)
		waits(&log, i % 2 ? B : A, 5 * i - 5, 5 * i);
	hold_log_settle(&log);
	assert_int_equal(replayed(&log, HOLD_LOG_NO_LINE), 35);
	assert_int_equal(replayed(&log, LINE), 0);
	hold_log_done(&log);
}

/* Each GIL has a log of its own: what goes from one says nothing about the other. */
static void two_gils_do_not_mix(void **state)
{
	struct what_if_line line = {.line = LINE, .credited_ns = 18 * MS};
	struct what_if_total total = {0};
	static struct hold_log logs[2];
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		hold(&logs[i], A, 0, 20, i ? OTHER : LINE, false);
		hold(&logs[i], B, 20, 23, OTHER, false);
		hold_log_sort(&logs[i]);
		waits(&logs[i], B, 2, 20);
		hold_log_settle(&logs[i]);
		what_if_replay(&line, 1, &total, &logs[i], 5 * MS);
		hold_log_done(&logs[i]);
	}
	what_if_settle(&line, 1, &total);
	assert_int_equal(total.recorded_ns, 36 * MS);
	assert_int_equal(total.replayed_ns, 36 * MS);
	assert_int_equal(line.saved_ns, 18 * MS);
	assert_int_equal(line.holds, 1);
}

static void a_line_saves_no_more_than_its_credit(void **state)
{
	const struct what_if_total total = {.recorded_ns = 100};
	struct what_if_line half = {.credited_ns = 20, .waited_ns = 40, .replayed_ns = 60};
	struct what_if_line all = {.credited_ns = 40, .waited_ns = 40, .replayed_ns = 50};
	(void)state;

	what_if_settle(&half, 1, &total);
	assert_int_equal(half.saved_ns, 20);
	assert_int_equal(half.queue_ns, 10);
	what_if_settle(&all, 1, &total);
	assert_int_equal(all.saved_ns, 40);
	assert_int_equal(all.queue_ns, 10);
}

/* A wait whose holder was not seen leads to no hold, or to one after a gap: the total tells. */
static void what_cannot_be_replayed_is_an_error(void **state)
{
	struct what_if_total total = {0};
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 20, LINE, false);
	hold_log_sort(&log);
	waits(&log, B, 2, 20);
	hold_log_settle(&log);
	what_if_replay(NULL, 0, &total, &log, 5 * MS);
	assert_int_equal(total.recorded_ns, 18 * MS);
	assert_int_equal(total.replayed_ns, 0);
	assert_true(what_if_error(&total) > WHAT_IF_ERROR_MAX);
	hold_log_done(&log);
}

/* Random but consistent: with nothing removed every wait is as it was recorded, whatever the order. */
static void nothing_removed_reproduces_the_recording(void **state)
{
	struct what_if_total total = {0};
	struct hold_log log = {0};
	uint64_t asks[40] = {0}, t = 0;
	uint32_t turns[3000];
	unsigned seed = 5;
	(void)state;

	for (unsigned i = 0; i < 3000; i++) { /* whoever: it came before its turn, after its last one */
		uint64_t length = (uint64_t)rand_r(&seed) % (4 * MS) + 1000;

		turns[i] = (uint32_t)rand_r(&seed) % 40;
		t += 50000;
		hold_log_add(&log, &(struct hold){.thread = turns[i], .t0_ns = t, .t1_ns = t + length}, LINE);
		t += length;
	}
	hold_log_sort(&log);
	for (unsigned i = 0; i < 3000; i++) {
		const struct logged_hold *h = &log.holds.items[i];

		hold_log_wait(&log, &(struct wait){.thread = h->thread, .t0_ns = asks[h->thread], .t1_ns = h->t0_ns});
		asks[h->thread] = h->t1_ns + 1000;
	}
	hold_log_settle(&log);
	what_if_replay(NULL, 0, &total, &log, 5 * MS);
	assert_true(total.recorded_ns > 0);
	assert_in_range(what_if_error(&total) * 1e6, 0, 1000);
	hold_log_done(&log);
}

static void a_hostile_interval_comes_to_an_end(void **state)
{
	struct hold_log log = {0};
	struct replay r;
	(void)state;

	for (uint32_t i = 0; i < 200; i++)
		hold_log_add(&log, &(struct hold){.thread = i % 3, .t0_ns = i * 4000 * MS, .t1_ns = (i + 1) * 4000 * MS,
						  .flags = HOLD_F_FORCED}, i % 5);
	hold_log_sort(&log);
	for (uint32_t i = 1; i < 200; i++)
		hold_log_wait(&log, &(struct wait){.thread = i % 3, .t0_ns = i * 4000 * MS - 2, .t1_ns = i * 4000 * MS});
	hold_log_settle(&log);
	replay_init(&r, &log, 1);
	for (uint32_t line = 0; line < 5; line++)
		(void)replay_run(&r, 0, 200, line); /* REPLAY_FAILED or not: it returns */
	replay_done(&r);
	hold_log_done(&log);
}

/* The log */

static void waiting_during_holds_is_added_up(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 10, LINE, false);
	hold(&log, B, 10, 20, LINE, false);
	hold(&log, A, 20, 30, LINE, false);
	hold(&log, C, 30, 40, LINE, false);
	hold_log_sort(&log);
	waits(&log, C, 4, 30);
	waits(&log, B, 5, 10);
	hold_log_settle(&log);
	assert_int_equal(log.holds.items[0].waited_ns, 11 * MS);
	assert_int_equal(log.holds.items[1].waited_ns, 10 * MS);
	assert_int_equal(log.holds.items[2].waited_ns, 10 * MS);
	assert_int_equal(log.holds.items[3].waited_ns, 0);
	assert_int_equal(log.holds.items[0].first_waiter_ns, 4 * MS);
	assert_int_equal(log.holds.items[1].first_waiter_ns, 0);
	assert_int_equal(log.holds.items[3].asked_ns, 4 * MS);
	assert_int_equal(log.unmatched_ns, 0);
	hold_log_done(&log);
}

static void a_hold_is_of_the_line_most_waited_at(void **state)
{
	struct hold_log log = {0};
	(void)state;

	hold(&log, A, 0, 10, OTHER, false);
	hold(&log, B, 10, 20, OTHER, false);
	hold_log_sort(&log);
	hold_log_credit(&log, 0, 10 * MS, A, LINE, 8 * MS);
	hold_log_credit(&log, 0, 10 * MS, A, OTHER, 2 * MS);
	assert_int_equal(log.holds.items[0].line, LINE);
	assert_int_equal(log.holds.items[1].line, OTHER);
	hold_log_forget_lines(&log, 10 * MS);
	assert_int_equal(log.holds.items[0].line, LINE);
	assert_int_equal(log.holds.items[1].line, HOLD_LOG_NO_LINE);
	hold_log_done(&log);
}

/* Bounds */

static struct summary_process *process(struct summary_thread *t, size_t n, struct summary_lock *gil)
{
	static struct summary_process p;

	p = (struct summary_process){.runtime = "CPython", .threads = t, .n_threads = n, .locks = gil, .n_locks = 1, .gil = gil};
	return &p;
}

static double speedup(const struct summary_process *p, const char *id)
{
	for (size_t i = 0; i < p->what_if.n_bounds; i++)
		if (!strcmp(p->what_if.bounds[i].id, id)) {
			assert_true(p->what_if.bounds[i].n_assumes > 0);
			return p->what_if.bounds[i].speedup;
		}
	return 0;
}

/* Two threads share a full GIL: at most twice as fast, or as the CPUs allow. */
static void bounds_of_a_full_gil(void **state)
{
	struct summary_thread t[2] = {{.state_ns = {[STATE_GIL] = 500, [STATE_WAIT_GIL] = 500}},
				      {.state_ns = {[STATE_GIL] = 500, [STATE_WAIT_GIL] = 500}}};
	struct summary_lock gil = {.kind = LOCK_GIL, .held_ns = 1000};
	struct summary s = {.cpus = 8, .duration_ns = 1000};
	autoarena arena = {0};
	(void)state;

	for (unsigned cpus = 1; cpus <= 8; cpus += 7) {
		struct summary_process *p = process(t, 2, &gil);

		s.cpus = cpus;
		what_if_bounds(&s, p, &arena);
		assert_int_equal(speedup(p, "without_gil") * 100, cpus == 8 ? 200 : 100);
		assert_int_equal(speedup(p, "more_threads") * 100, 100);
		assert_int_equal(speedup(p, "more_cpus") * 100, 0);
	}
}

static void bounds_of_too_few_cpus(void **state)
{
	struct summary_thread t = {.state_ns = {[STATE_NOGIL] = 600, [STATE_RUNNABLE] = 300, [STATE_GIL] = 100}};
	struct summary_lock gil = {.kind = LOCK_GIL, .held_ns = 100};
	struct summary s = {.cpus = 4, .duration_ns = 1000};
	struct summary_process *p = process(&t, 1, &gil);
	autoarena arena = {0};
	(void)state;

	what_if_bounds(&s, p, &arena);
	assert_int_equal(speedup(p, "more_cpus") * 1000, 1428);
}

static void idle_processes_have_no_bounds(void **state)
{
	struct summary_thread t = {.state_ns = {[STATE_SLEEP] = 1000}};
	struct summary s = {.cpus = 4, .duration_ns = 1000};
	struct summary_process *p = process(&t, 1, NULL);
	autoarena arena = {0};
	(void)state;

	p->n_locks = 0;
	what_if_bounds(&s, p, &arena);
	assert_int_equal(p->what_if.n_bounds, 0);
}

static void worst_window_is_the_densest(void **state)
{
	struct worst_window w;
	uint64_t t0 = 0, t1 = 0;
	(void)state;

	worst_window_init(&w, 10000 * MS);
	assert_false(worst_window_find(&w, 1000 * MS, &t0, &t1));
	worst_window_add(&w, 1000 * MS, 1400 * MS);
	worst_window_add(&w, 7000 * MS, 7300 * MS);
	worst_window_add(&w, 7000 * MS, 7300 * MS);
	worst_window_add(&w, UINT64_MAX - 1, UINT64_MAX); /* beyond the end: nothing */
	assert_true(worst_window_find(&w, 1000 * MS, &t0, &t1));
	assert_in_range(t0, 6290 * MS, 7000 * MS);
	assert_in_range(t1, 7299 * MS, 8010 * MS);
	worst_window_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_one_hold_goes),
		cmocka_unit_test(chain_of_three),
		cmocka_unit_test(hold_that_nobody_waits_for_saves_nothing),
		cmocka_unit_test(getting_it_back_is_free_when_nobody_has_it),
		cmocka_unit_test(only_what_was_forced_is_forced_again),
		cmocka_unit_test(forced_holds_run_on_without_the_lock),
		cmocka_unit_test(two_gils_do_not_mix),
		cmocka_unit_test(a_line_saves_no_more_than_its_credit),
		cmocka_unit_test(what_cannot_be_replayed_is_an_error),
		cmocka_unit_test(nothing_removed_reproduces_the_recording),
		cmocka_unit_test(a_hostile_interval_comes_to_an_end),
		cmocka_unit_test(waiting_during_holds_is_added_up),
		cmocka_unit_test(a_hold_is_of_the_line_most_waited_at),
		cmocka_unit_test(bounds_of_a_full_gil),
		cmocka_unit_test(bounds_of_too_few_cpus),
		cmocka_unit_test(idle_processes_have_no_bounds),
		cmocka_unit_test(worst_window_is_the_densest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
