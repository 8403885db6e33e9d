/* Rank statistics against published tables, worked examples, and SciPy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "core/analysis/paired.h"

static void assert_near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-12 * fmax(1, fabs(b))))
		fail_msg("%.17g is not %.17g", a, b);
}

/* Two-sided critical values at 5 % of the signed-rank statistic, as textbooks print them (for example Siegel, table G). */
static void critical_values_of_the_tables(void **state)
{
	static const struct { size_t n; long w; } rows[] = {
		{6, 0}, {7, 2}, {8, 3}, {9, 5}, {10, 8}, {11, 10}, {12, 13}, {13, 17}, {14, 21}, {15, 25}, {16, 29}, {17, 34},
		{18, 40}, {19, 46}, {20, 52}, {25, 89}, {30, 137}, {35, 195}, {40, 264}, {45, 343}, {50, 434},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(paired_signed_rank_cdf(rows[i].n, rows[i].w) <= 0.025);
		assert_true(paired_signed_rank_cdf(rows[i].n, rows[i].w + 1) > 0.025);
	}
	assert_true(paired_signed_rank_cdf(5, 0) > 0.025);
	assert_near(paired_signed_rank_cdf(3, 3), 5.0 / 8);
	assert_near(paired_signed_rank_cdf(200, 200 * 201 / 2), 1);
	assert_near(paired_signed_rank_cdf(200, -1), 0);
}

/* Hollander and Wolfe, example 3.1 (Hamilton depression scale): W+ = 40 of 45, one-sided p = 0.01953125, estimate of the
 * shift 0.46; the first visit less the second. */
static const double depression[] = {
	1.83 - 0.878, 0.50 - 0.647, 1.62 - 0.598, 2.48 - 2.05, 1.68 - 1.06, 1.88 - 1.29, 1.55 - 1.06, 3.06 - 3.14, 1.30 - 1.29,
};

static void a_worked_example(void **state)
{
	struct paired_estimate e;

	(void)state;
	assert_int_equal(paired_estimate(depression, 9, 0.05, &e), 0);
	assert_near(e.p_greater, 0.01953125);
	assert_near(e.p_two_sided, 0.0390625);
	assert_true(fabs(e.estimate - 0.46) < 1e-9);
	/* w = 5 is the largest with a tail of at most 2.5 %: 10 of 512 orders */
	assert_near(e.level, 1 - 2 * 10.0 / 512);
	assert_true(e.low > 0 && e.low < e.estimate && e.estimate < e.high);
}

static void the_interval_is_made_of_walsh_averages(void **state)
{
	static const double d[] = {1, 2, 3, 4, 5, 6};
	struct paired_estimate e;

	(void)state;
	assert_int_equal(paired_estimate(d, 6, 0.05, &e), 0);
	assert_near(e.estimate, 3.5);
	assert_near(e.low, 1); /* the smallest and the largest: 6 rounds leave no other */
	assert_near(e.high, 6);
	assert_near(e.level, 1 - 2.0 / 64);
	assert_near(e.p_greater, 1.0 / 64);
	assert_int_equal(paired_estimate(d, 5, 0.05, &e), 0);
	assert_true(isinf(e.low) && isinf(e.high) && e.level == 0);
	assert_near(e.estimate, 3);
}

static void ties_share_ranks_and_zeros_count_not(void **state)
{
	static const double d[] = {0, 0, -1, 1, 1, 1}; /* four tied: 2.5 each; W+ = 7.5 of 10 */
	static const double zeros[] = {0, 0, 0, 0, 0, 0, 0};
	struct paired_estimate e;

	(void)state;
	assert_int_equal(paired_estimate(d, 6, 0.05, &e), 0);
	assert_near(e.p_greater, 5.0 / 16);
	assert_near(e.p_less, 15.0 / 16);
	assert_int_equal(paired_estimate(zeros, 7, 0.05, &e), 0);
	assert_near(e.estimate, 0);
	assert_near(e.p_two_sided, 1);
	assert_near(e.low, 0);
}

static void refuses_what_is_no_number(void **state)
{
	static const double d[] = {1, NAN}, far[] = {1, INFINITY};
	static double many[PAIRED_MAX + 1];
	struct paired_estimate e;

	(void)state;
	assert_int_equal(paired_estimate(d, 2, 0.05, &e), -EINVAL);
	assert_int_equal(paired_estimate(far, 2, 0.05, &e), -EINVAL);
	assert_int_equal(paired_estimate(d, 0, 0.05, &e), -EINVAL);
	assert_int_equal(paired_estimate(d, 1, 0, &e), -EINVAL);
	assert_int_equal(paired_estimate(many, PAIRED_MAX + 1, 0.05, &e), -EINVAL);
	assert_int_equal(paired_estimate(many, PAIRED_MAX, 0.05, &e), 0);
}

/* Two-sided critical values at 5 % of Mann and Whitney's U, as textbooks print them (for example Siegel, table K). */
static void critical_values_of_two_samples(void **state)
{
	static const struct { size_t m, n; long u; } rows[] = {
		{4, 4, 0}, {5, 5, 2}, {6, 5, 3}, {7, 7, 8}, {8, 10, 17}, {10, 10, 23}, {12, 15, 49}, {20, 20, 127},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(unpaired_u_cdf(rows[i].m, rows[i].n, rows[i].u) <= 0.025);
		assert_true(unpaired_u_cdf(rows[i].m, rows[i].n, rows[i].u + 1) > 0.025);
	}
	assert_near(unpaired_u_cdf(1, 1, 0), 0.5);
	assert_near(unpaired_u_cdf(2, 2, 1), 2.0 / 6);
	assert_near(unpaired_u_cdf(30, 40, 1200), 1);
}

/* Hollander and Wolfe, table 4.1 (permeability of the human chorioamnion, at term and at 12 to 26 weeks): W = 35 of
 * the first sample's pairs, one-sided p = 0.1272, shift 0.305 between them. */
static void a_worked_example_of_two_samples(void **state)
{
	static const double term[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, early[] = {1.15, 0.88, 0.90, 0.74, 1.21};
	struct paired_estimate e;

	(void)state;
	assert_int_equal(unpaired_estimate(early, 5, term, 10, 0.05, &e), 0);
	assert_true(fabs(e.p_greater - 0.1272) < 5e-5);
	assert_true(fabs(e.estimate - 0.305) < 1e-9);
	assert_true(e.low < 0 && e.high > 0.305);
}

/* Holm 1979: adjusted p values never fall below those of smaller p. */
static void holm_steps_down(void **state)
{
	double p[] = {0.01, 0.04, 0.03, 0.005}, big[] = {0.6, 0.9};

	(void)state;
	paired_holm(p, 4);
	assert_near(p[3], 0.02);
	assert_near(p[0], 0.03);
	assert_near(p[2], 0.06);
	assert_near(p[1], 0.06);
	paired_holm(big, 2);
	assert_near(big[0], 1);
	assert_near(big[1], 1);
}

/* Samples, and what SciPy says of them (gen_ranks.py). */
struct ranks_row {
	size_t n, n_second;
	double first[50], second[50], estimate, low, high, p_greater, p_less, p_two_sided;
};
static const struct ranks_row ranks[] = {
#include "ranks.inc"
};

static void assert_bound(double a, double b)
{
	if (isinf(b))
		assert_true(isinf(a) && signbit(a) == signbit(b));
	else if (!(fabs(a - b) <= 1e-9))
		fail_msg("%.12g is not %.12g", a, b);
}

static void as_scipy_has_it(void **state)
{
	size_t paired = 0, apart = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		const struct ranks_row *r = &ranks[i];
		struct paired_estimate e;

		*(r->n_second ? &apart : &paired) += 1;
		if (r->n_second)
			assert_int_equal(unpaired_estimate(r->first, r->n, r->second, r->n_second, 0.05, &e), 0);
		else
			assert_int_equal(paired_estimate(r->first, r->n, 0.05, &e), 0);
		assert_near(e.p_greater, r->p_greater);
		assert_near(e.p_less, r->p_less);
		assert_near(e.p_two_sided, r->p_two_sided);
		assert_bound(e.estimate, r->estimate);
		assert_bound(e.low, r->low);
		assert_bound(e.high, r->high);
	}
	assert_true(paired >= 10 && apart >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(critical_values_of_the_tables),
		cmocka_unit_test(a_worked_example),
		cmocka_unit_test(the_interval_is_made_of_walsh_averages),
		cmocka_unit_test(ties_share_ranks_and_zeros_count_not),
		cmocka_unit_test(refuses_what_is_no_number),
		cmocka_unit_test(critical_values_of_two_samples),
		cmocka_unit_test(a_worked_example_of_two_samples),
		cmocka_unit_test(holm_steps_down),
		cmocka_unit_test(as_scipy_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
