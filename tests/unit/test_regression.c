/* Verdicts: of clear cases, and how often they are wrong about programs that did not change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/analysis/regression.h"

enum { ROUNDS = 20 };

static struct regression_limits only(enum metric metric)
{
	struct regression_limits l;

	regression_limits_init(&l);
	for (unsigned i = 0; i < METRIC_N; i++)
		l.wanted[i] = i == metric;
	return l;
}

static void put(struct run_metrics *m, enum metric metric, double value)
{
	m->value[metric] = value;
	m->known[metric] = true;
}

/* Rounds whose noise is 2 % and without which head is `factor` of base. */
static void make(struct run_metrics *base, struct run_metrics *head, enum metric metric, double level, double factor)
{
	memset(base, 0, ROUNDS * sizeof(*base));
	memset(head, 0, ROUNDS * sizeof(*head));
	for (int i = 0; i < ROUNDS; i++) {
		put(&base[i], metric, level * (1 + 0.02 * sin(i)));
		put(&head[i], metric, level * factor * (1 + 0.02 * cos(3 * i)));
	}
}

static enum verdict verdict_of(enum metric metric, double level, double factor, bool paired)
{
	struct run_metrics base[ROUNDS], head[ROUNDS];
	struct regression_limits l = only(metric);
	struct regression r;

	make(base, head, metric, level, factor);
	assert_int_equal(regression_compare(&r, base, ROUNDS, head, ROUNDS, paired, &l), 0);
	assert_int_equal(r.n, 1);
	return r.verdict;
}

static void clear_cases(void **state)
{
	(void)state;
	for (int paired = 0; paired < 2; paired++) {
		assert_int_equal(verdict_of(METRIC_WAIT_RATIO, 0.3, 1.3, paired), VERDICT_FAIL);
		assert_int_equal(verdict_of(METRIC_WAIT_RATIO, 0.3, 1.0, paired), VERDICT_PASS);
		assert_int_equal(verdict_of(METRIC_WAIT_RATIO, 0.3, 1.05, paired), VERDICT_PASS); /* worse, by less than matters */
		assert_int_equal(verdict_of(METRIC_WAIT_RATIO, 0.3, 0.7, paired), VERDICT_IMPROVED);
		assert_int_equal(verdict_of(METRIC_WAIT_P99, 100e-6, 2, paired), VERDICT_PASS); /* doubled, by 100 us */
		assert_int_equal(verdict_of(METRIC_WAIT_P99, 5e-3, 2, paired), VERDICT_FAIL);
		assert_int_equal(verdict_of(METRIC_CONVOY_RATE, 0, 5, paired), VERDICT_PASS); /* none and none */
	}
}

static void what_was_not_measured_is_not_judged(void **state)
{
	struct run_metrics base[ROUNDS], head[ROUNDS];
	struct regression_limits l;
	struct regression r;

	(void)state;
	regression_limits_init(&l);
	make(base, head, METRIC_WAIT_RATIO, 0.3, 1);
	assert_int_equal(regression_compare(&r, base, ROUNDS, head, ROUNDS, true, &l), 0);
	assert_int_equal(r.n, METRIC_N);
	for (size_t i = 0; i < r.n; i++)
		assert_int_equal(r.rows[i].verdict, r.rows[i].metric == METRIC_WAIT_RATIO ? VERDICT_PASS : VERDICT_NOT_MEASURED);
	assert_int_equal(regression_compare(&r, base, 3, head, 4, true, &l), -EINVAL);
}

static void too_few_rounds_decide_nothing(void **state)
{
	struct run_metrics base[ROUNDS], head[ROUNDS];
	struct regression_limits l = only(METRIC_WAIT_RATIO);
	struct regression r;

	(void)state;
	make(base, head, METRIC_WAIT_RATIO, 0.3, 3);
	assert_int_equal(regression_compare(&r, base, 4, head, 4, true, &l), 0);
	assert_int_equal(r.verdict, VERDICT_INCONCLUSIVE);
	assert_true(isinf(r.rows[0].high));
}

static void a_count_that_was_zero_is_compared_by_difference(void **state)
{
	struct run_metrics base[ROUNDS], head[ROUNDS];
	struct regression_limits l = only(METRIC_CONVOY_RATE);
	struct regression r;

	(void)state;
	make(base, head, METRIC_CONVOY_RATE, 1, 1);
	for (int i = 0; i < ROUNDS; i++) {
		base[i].value[METRIC_CONVOY_RATE] = 0;
		head[i].value[METRIC_CONVOY_RATE] = 8 + sin(i);
	}
	assert_int_equal(regression_compare(&r, base, ROUNDS, head, ROUNDS, true, &l), 0);
	assert_false(r.rows[0].ratio);
	assert_int_equal(r.verdict, VERDICT_FAIL);
}

static void budgets(void **state)
{
	struct run_metrics runs[ROUNDS], unused[ROUNDS];
	struct budget_row row;

	(void)state;
	make(runs, unused, METRIC_WAIT_RATIO, 0.3, 1);
	assert_int_equal(regression_budget(&row, METRIC_WAIT_RATIO, 0.2, runs, ROUNDS, 0.05), 0);
	assert_int_equal(row.verdict, VERDICT_FAIL);
	assert_int_equal(regression_budget(&row, METRIC_WAIT_RATIO, 0.4, runs, ROUNDS, 0.05), 0);
	assert_int_equal(row.verdict, VERDICT_PASS);
	assert_int_equal(regression_budget(&row, METRIC_WAIT_RATIO, 0.3, runs, ROUNDS, 0.05), 0);
	assert_int_equal(row.verdict, VERDICT_INCONCLUSIVE);
	assert_int_equal(regression_budget(&row, METRIC_WAIT_RATIO, 0.2, runs, 1, 0.05), 0);
	assert_int_equal(row.verdict, VERDICT_FAIL);
	assert_int_equal(regression_budget(&row, METRIC_HOLD_P99, 0.2, runs, ROUNDS, 0.05), 0);
	assert_int_equal(row.verdict, VERDICT_NOT_MEASURED);
}

/* --- simulated runs: the noise of a shared machine goes on from run to run ---- */

static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	double u = uniform(), v = uniform();

	return sqrt(-2 * log(u > 0 ? u : 1e-300)) * cos(2 * M_PI * v);
}

/* Logarithms follow an autoregression.  Measured between runs on a shared 2-core machine: lag-1 correlation 0.55 to 0.70, coefficient
 * of variation (sd) 0.16 (wait ratio) to 0.62 (p99). */
static double next_noise(double last, double sd, double correlation)
{
	return correlation * last + sqrt(1 - correlation * correlation) * sd * normal();
}

struct trial { double correlation, sd, effect; enum metric metrics[3]; int n_metrics; bool blocks; /* all of base, then all of head */ };

static enum verdict simulate(const struct trial *t)
{
	struct run_metrics base[ROUNDS], head[ROUNDS];
	struct regression_limits l = only(METRIC_N);
	struct regression r;
	double noise[3] = {0};
	bool head_first = false;

	memset(base, 0, sizeof(base));
	memset(head, 0, sizeof(head));
	for (int k = 0; k < t->n_metrics; k++)
		noise[k] = t->sd * normal();
	for (int i = 0; i < 2 * ROUNDS; i++) {
		int round = t->blocks ? i % ROUNDS : i / 2;
		bool is_head;

		if (i % 2 == 0)
			head_first = uniform() < 0.5;
		is_head = t->blocks ? i >= ROUNDS : (i % 2 == 0) == head_first;
		for (int k = 0; k < t->n_metrics; k++) {
			noise[k] = next_noise(noise[k], t->sd, t->correlation);
			put(is_head ? &head[round] : &base[round], t->metrics[k], 0.3 * exp(noise[k]) * (is_head ? t->effect : 1));
		}
	}
	for (int k = 0; k < t->n_metrics; k++)
		l.wanted[t->metrics[k]] = true;
	assert_int_equal(regression_compare(&r, base, ROUNDS, head, ROUNDS, !t->blocks, &l), 0);
	return r.verdict;
}

static double fail_rate(const struct trial *t, int trials)
{
	int failed = 0;

	for (int i = 0; i < trials; i++)
		failed += simulate(t) == VERDICT_FAIL;
	return (double)failed / trials;
}

static void false_alarms_under_correlated_noise(void **state)
{
	enum { TRIALS = 6000 };
	const double sampling = 2 * sqrt(0.05 * 0.95 / TRIALS); /* 150,000 trials of the worst row have 4.91 % */
	static const double correlations[] = {0, 0.3, 0.6, 0.7, 0.9};
	static const struct trial trials[] = {
		{0, 0.16, 1, {METRIC_WAIT_RATIO}, 1}, {0, 0.30, 1, {METRIC_WAIT_RATIO}, 1}, {0, 0.62, 1, {METRIC_WAIT_P99}, 1},
		{0, 0.30, 1, {METRIC_WAIT_RATIO, METRIC_WAIT_P99, METRIC_HOLD_P99}, 3},
		{0, 0.62, 1, {METRIC_WAIT_RATIO, METRIC_WAIT_P99, METRIC_HOLD_P99}, 3},
	};

	(void)state;
	seed = 20260921;
	for (size_t c = 0; c < sizeof(correlations) / sizeof(correlations[0]); c++)
		for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
			struct trial t = trials[i];
			double rate;

			t.correlation = correlations[c];
			rate = fail_rate(&t, TRIALS);
			print_message("false alarms, correlation %.1f, noise %.2f, %d metrics: %.2f %%\n", t.correlation, t.sd, t.n_metrics, 100 * rate);
			assert_true(rate <= 0.05 + sampling);
		}
}

/* What a stored baseline costs: docs/ci.md says so.  Without correlation it is as good as any. */
static void blocks_of_runs_raise_more_false_alarms(void **state)
{
	struct trial t = {0, 0.16, 1, {METRIC_WAIT_RATIO}, 1, true};
	double rate, correlated;

	(void)state;
	seed = 7;
	rate = fail_rate(&t, 2000);
	t.correlation = 0.6;
	correlated = fail_rate(&t, 2000);
	print_message("false alarms of a stored baseline, noise 0.16: %.1f %%, with correlation 0.6: %.1f %%\n", 100 * rate, 100 * correlated);
	assert_true(rate <= 0.05);
	assert_true(correlated > rate);
}

static void real_regressions_are_found(void **state)
{
	static const struct trial quarter = {0.6, 0.16, 1.25, {METRIC_WAIT_RATIO}, 1}, half = {0.6, 0.30, 1.6, {METRIC_WAIT_RATIO}, 1};
	double rate;

	(void)state;
	seed = 4711;
	rate = fail_rate(&quarter, 1000);
	print_message("+25 %% found, noise 0.16: %.1f %%\n", 100 * rate);
	assert_true(rate >= 0.9);
	rate = fail_rate(&half, 1000);
	print_message("+60 %% found, noise 0.30: %.1f %%\n", 100 * rate);
	assert_true(rate >= 0.9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clear_cases),
		cmocka_unit_test(what_was_not_measured_is_not_judged),
		cmocka_unit_test(too_few_rounds_decide_nothing),
		cmocka_unit_test(a_count_that_was_zero_is_compared_by_difference),
		cmocka_unit_test(budgets),
		cmocka_unit_test(false_alarms_under_correlated_noise),
		cmocka_unit_test(blocks_of_runs_raise_more_false_alarms),
		cmocka_unit_test(real_regressions_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
