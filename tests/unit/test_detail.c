/* The detail dials: numbers in, dials out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/bpf/detail.h"
#include "core/event/event.h"

#define TICK 100000000ULL

static uint64_t clock_ns;

/* Runs ticks of equal load, returns how many changed the dials. */
static int run_with_shorts(struct detail *d, struct detail_dials *dials, int ticks, uint64_t events_per_s, uint64_t shorts_per_s,
			   uint64_t frames_per_s, uint64_t lost, unsigned cpu_pct)
{
	int changes = 0;

	for (int i = 0; i < ticks; i++) {
		clock_ns += TICK;
		struct detail_load load = { .now_ns = clock_ns, .span_ns = TICK, .events = events_per_s / 10, .shorts = shorts_per_s / 10,
					    .frames = frames_per_s / 10, .lost = lost, .own_cpu_ns = TICK / 100 * cpu_pct };

		if (detail_step(d, &load, dials))
			changes++;
	}
	return changes;
}

static int run(struct detail *d, struct detail_dials *dials, int ticks, uint64_t events_per_s, uint64_t frames_per_s,
	       uint64_t lost, unsigned cpu_pct)
{
	return run_with_shorts(d, dials, ticks, events_per_s, events_per_s, frames_per_s, lost, cpu_pct);
}

/* Loads in which hardly any of the events is a short sleep on a GIL. */
static int run_long(struct detail *d, struct detail_dials *dials, int ticks, uint64_t events_per_s, unsigned cpu_pct)
{
	return run_with_shorts(d, dials, ticks, events_per_s, 500, 0, 0, cpu_pct);
}

static void calm_load_keeps_everything(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { .level = 3 };

	(void)state;
	assert_int_equal(run(&d, &dials, 100, 3000, 20000, 0, 1), 0);
}

static void many_events_raise_the_threshold_to_1ms_and_no_further(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	assert_true(run(&d, &dials, 50, 30000, 0, 0, 1) > 0);
	assert_int_equal(dials.min_wait_ns, 1000000);
	assert_int_equal(dials.min_off_ns, 1000000);
	assert_int_equal(dials.min_other_ns, 10000000);
	assert_int_equal(dials.level, 1);
	assert_int_equal(dials.reason, EV_LEVEL_EVENT_RATE);
	assert_int_equal(dials.stack_period_ns, 1000000);
}

static void a_flood_raises_it_beyond(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	run(&d, &dials, 50, 200000, 0, 0, 1);
	assert_int_equal(dials.min_off_ns, 5000000);
}

static void other_stretches_are_thinned_before_sleeps_on_a_gil(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	/* given a load that goes down as soon as anything is thinned */
	for (int i = 0; i < 100; i++)
		run(&d, &dials, 1, d.events.step >= 3 ? 5000 : 11000, 0, 0, 1);
	assert_int_equal(dials.min_wait_ns, 0);
	assert_true(dials.min_off_ns >= 50000 && dials.min_other_ns >= 500000);
}

static void own_cpu_time_does_not_thin_sleeps_that_are_long(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	run_long(&d, &dials, 100, 7000, 5);
	assert_int_equal(dials.min_wait_ns, 0);
	assert_int_equal(dials.reason, EV_LEVEL_OWN_CPU);
}

static void own_cpu_time_thins_short_sleeps_up_to_200us(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	run(&d, &dials, 100, 7000, 0, 0, 5);
	assert_int_equal(dials.min_wait_ns, 200000);
}

/* A little over its share it keeps what accuracy is promised for: sleeps of 50 us and more. */
static void own_cpu_time_a_little_over_thins_up_to_20us(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	run(&d, &dials, 200, 7000, 0, 0, 3);
	assert_int_equal(dials.min_wait_ns, 20000);
	assert_int_equal(dials.reason, EV_LEVEL_OWN_CPU);
}

static void own_cpu_time_is_judged_over_a_second(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(run(&d, &dials, 1, 4000, 0, 0, 3), 0);
		assert_int_equal(run(&d, &dials, 1, 4000, 0, 0, 0), 0);
	}
	assert_int_equal(run(&d, &dials, 1, 4000, 0, 0, 20), 1); /* far over it: at once */
	assert_int_equal(dials.reason, EV_LEVEL_OWN_CPU);
}

static void long_sleeps_in_great_number_do_not_thin_short_ones(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	/* 100 waiters that wake up every 5 ms */
	run_long(&d, &dials, 100, 20000, 1);
	assert_int_equal(dials.min_wait_ns, 0);
	/* too many even for that */
	run_long(&d, &dials, 100, 100000, 1);
	assert_int_equal(dials.min_wait_ns, 5000000);
}

static void losses_count_as_overload(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	assert_int_equal(run(&d, &dials, 1, 10, 0, 5, 0), 1);
	assert_int_equal(dials.reason, EV_LEVEL_LOSS);
	assert_true(dials.min_off_ns > 0);
}

static void frames_thin_stacks_only(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	assert_int_equal(run(&d, &dials, 1, 100, 100000, 0, 0), 1);
	assert_int_equal(dials.level, 2);
	assert_int_equal(dials.min_off_ns, 0);
	assert_true(dials.stack_period_ns > 0);
}

static void looks_are_thinned_by_themselves(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	clock_ns += TICK;
	struct detail_load load = { .now_ns = clock_ns, .span_ns = TICK, .looks = 3000 };
	assert_true(detail_step(&d, &load, &dials));
	assert_int_equal(dials.level, 2);
	assert_int_equal(dials.min_off_ns, 0);
	assert_int_equal(dials.look_period_ns, 100000);
}

static void detail_returns_when_calm(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };

	(void)state;
	run(&d, &dials, 20, 30000, 0, 0, 1);
	run(&d, &dials, 600, 100, 0, 0, 0);
	assert_int_equal(dials.min_off_ns, 0);
	assert_int_equal(dials.level, 3);
	assert_int_equal(dials.reason, EV_LEVEL_RECOVERED);
}

static void a_load_that_comes_back_does_not_swing(void **state)
{
	struct detail d = { 0 };
	struct detail_dials dials = { 0 };
	int changes = 0;

	(void)state;
	/* given a load that is heavy at full detail and light at 50 us and more */
	for (int i = 0; i < 3000; i++)
		changes += run(&d, &dials, 1, d.events.step >= 4 ? 1000 : 30000, 0, 0, 1);
	/* then in five minutes the patience has doubled often enough that changes are rare */
	assert_true(changes < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calm_load_keeps_everything),
		cmocka_unit_test(many_events_raise_the_threshold_to_1ms_and_no_further),
		cmocka_unit_test(a_flood_raises_it_beyond),
		cmocka_unit_test(other_stretches_are_thinned_before_sleeps_on_a_gil),
		cmocka_unit_test(own_cpu_time_does_not_thin_sleeps_that_are_long),
		cmocka_unit_test(own_cpu_time_thins_short_sleeps_up_to_200us),
		cmocka_unit_test(own_cpu_time_a_little_over_thins_up_to_20us),
		cmocka_unit_test(own_cpu_time_is_judged_over_a_second),
		cmocka_unit_test(long_sleeps_in_great_number_do_not_thin_short_ones),
		cmocka_unit_test(losses_count_as_overload),
		cmocka_unit_test(frames_thin_stacks_only),
		cmocka_unit_test(looks_are_thinned_by_themselves),
		cmocka_unit_test(detail_returns_when_calm),
		cmocka_unit_test(a_load_that_comes_back_does_not_swing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
