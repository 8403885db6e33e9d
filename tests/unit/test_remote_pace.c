/* When the next look is due: costs in, moments out, on a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/remote/pace.h"

#define MS 1000000ULL
#define S (1000 * MS)

struct run {
	struct pace pace;
	uint64_t now, own, others;
};

static struct run begin(uint64_t period_ns, double limit)
{
	struct run r = { .now = 5 * S, .own = 3 * MS, .others = 70 * MS };
	struct pace_cost cost = { r.own, r.own + r.others };

	pace_init(&r.pace, period_ns, limit, r.now, &cost);
	return r;
}

/* One look that costs so much; returns the distance to the next. */
static uint64_t look(struct run *r, uint64_t cost_ns)
{
	struct pace_cost cost;
	uint64_t due, before;

	r->own += cost_ns;
	r->now += cost_ns;
	cost = (struct pace_cost){ r->own, r->own + r->others };
	before = r->now;
	due = pace_next(&r->pace, r->now, &cost);
	assert_true(due >= before);
	r->now = due;
	return due - before;
}

/* How many looks a second of such a cost, after a while. */
static double rate(struct run *r, uint64_t cost_ns, uint64_t for_ns)
{
	uint64_t until = r->now + for_ns, n = 0;

	for (; r->now < until; n++)
		look(r, cost_ns);
	return (double)n / ((double)for_ns / (double)S);
}

static void cheap_looks_come_as_often_as_asked_for(void **state)
{
	struct run r = begin(MS, 0.05);
	uint64_t low = UINT64_MAX, high = 0;
	double n;

	(void)state;
	n = rate(&r, 10000, 10 * S);
	assert_true(n > 950 && n < 1050);
	for (int i = 0; i < 10000; i++) {
		uint64_t d = look(&r, 10000);

		low = d < low ? d : low;
		high = d > high ? d : high;
	}
	assert_true(low >= MS / 2 && low < 55 * MS / 100 && high <= 3 * MS / 2 && high > 145 * MS / 100);
}

static void what_all_of_it_costs_stays_within_the_limit(void **state)
{
	static const struct {
		uint64_t period, cost;
		double limit;
	} cases[] = { { MS, 200000, 0.05 }, { MS / 10, 40000, 0.05 }, { MS / 10, 40000, 0.5 }, { MS, 3 * MS, 0.02 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r = begin(cases[i].period, cases[i].limit);
		double n, used;

		rate(&r, cases[i].cost, 10 * S);
		n = rate(&r, cases[i].cost, 20 * S);
		used = n * (double)cases[i].cost / (double)S;
		assert_true(used < cases[i].limit * 1.1);
		assert_true(used > cases[i].limit * 0.5); /* and what may be used is used */
	}
}

static void others_are_paid_for_too(void **state)
{
	struct run r = begin(MS, 0.05);
	double before = rate(&r, 30000, 10 * S), after;

	(void)state;
	for (int i = 0; i < 10; i++) { /* the writer uses 4 of the 5 %, then they look less often */
		r.others += 40 * MS;
		after = rate(&r, 30000, S);
	}
	assert_true(before > 900);
	assert_true(after * 30000 / (double)S < 0.02 && after > 10);
}

static void a_debt_slows_looks_but_does_not_stop_them(void **state)
{
	struct run r = begin(MS, 0.05);
	double during, later;

	(void)state;
	rate(&r, 10000, S);
	r.others += 10 * S; /* names that were looked up, a burst of events */
	during = rate(&r, 10000, 2 * S);
	rate(&r, 10000, 8 * S); /* what is remembered is bounded */
	later = rate(&r, 10000, 2 * S);
	assert_true(during >= 40 && during < 500);
	assert_true(later > 900);
}

static void a_dear_look_in_debt_takes_half_the_limit(void **state)
{
	struct run r = begin(MS, 0.05);
	double n;

	(void)state;
	rate(&r, 20 * MS, S);
	r.others += 10 * S;
	n = rate(&r, 20 * MS, 20 * S); /* 501 threads */
	assert_true(n * 0.020 < 0.05 && n * 0.020 > 0.015);
}

/* The estimates are worst where looks are uneven: a limit makes all distances longer, not some of them very long. */
static void under_a_limit_the_distances_stay_even(void **state)
{
	struct run r = begin(MS, 0.05);
	uint64_t longest = 0, sum = 0;

	(void)state;
	rate(&r, 150000, 10 * S);
	for (int i = 0; i < 5000; i++) {
		uint64_t d;

		if (i % 17 == 0)
			r.others += 500000; /* the writer wakes up each 50 ms and uses 1 % */
		d = look(&r, 150000);
		longest = d > longest ? d : longest;
		sum += d;
	}
	assert_true(sum / 5000 > 3 * MS && sum / 5000 < 45 * MS / 10); /* 150 us of the 4 % left: 3.75 ms */
	assert_true(longest < 2 * (sum / 5000));
}

static void a_calm_time_does_not_save_up_much(void **state)
{
	struct run r = begin(MS / 10, 0.05);
	uint64_t burst = 0;

	(void)state;
	r.now += 60 * S;
	look(&r, 1000);
	while (look(&r, 100000) < MS)
		burst++;
	assert_true(burst < 100); /* 5 ms at 0.1 ms each, and the limit's part of the time they take */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cheap_looks_come_as_often_as_asked_for),
		cmocka_unit_test(what_all_of_it_costs_stays_within_the_limit),
		cmocka_unit_test(others_are_paid_for_too),
		cmocka_unit_test(a_debt_slows_looks_but_does_not_stop_them),
		cmocka_unit_test(a_dear_look_in_debt_takes_half_the_limit),
		cmocka_unit_test(under_a_limit_the_distances_stay_even),
		cmocka_unit_test(a_calm_time_does_not_save_up_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
