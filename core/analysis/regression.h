#pragma once
/* Has it become worse?  Observations of base and head, one number per run and metric, to a verdict per metric and one in all.
 *
 * Paired (runs of base and head side by side in time, which is what makes noise common to both): differences of logarithms,
 * Hodges-Lehmann estimate and exact Wilcoxon interval (paired.h).  Unpaired (a stored baseline): the shift between two samples,
 * with the exact interval of Mann and Whitney; weaker, and said to be.  A metric whose base is near its floor is compared
 * by difference instead of ratio.  Holm's correction over the metrics compared.
 *   FAIL          the interval is above 0, the estimate above the limit, the absolute change above the floor
 *   IMPROVED      the interval is below 0
 *   PASS          the interval ends below the limit
 *   INCONCLUSIVE  neither: with the effect that could have been shown, and how many rounds would show the limit
 * Owns: nothing.  Context: any.  Errors: -EINVAL. */
#include <stdbool.h>
#include <stddef.h>

#include "core/analysis/metrics.h"

enum verdict { VERDICT_NOT_MEASURED, VERDICT_PASS, VERDICT_IMPROVED, VERDICT_INCONCLUSIVE, VERDICT_FAIL, VERDICT_N };
extern const char *const verdict_names[VERDICT_N];

struct regression_limits {
	double alpha; /* 0.05 */
	double max_regress[METRIC_N], floor[METRIC_N]; /* as in metric_infos unless changed */
	bool wanted[METRIC_N];
};
void regression_limits_init(struct regression_limits *l);

struct regression_row {
	enum metric metric;
	enum verdict verdict;
	size_t n_base, n_head; /* runs in which it was measured; paired: rounds */
	double base, head; /* medians */
	bool ratio; /* change, low, high are relative (0.1: 10 % more); else absolute, in the metric's unit */
	double change, low, high; /* infinite: too few rounds for an interval */
	double p, p_adjusted; /* one-sided, of having grown */
	double detectable; /* INCONCLUSIVE: growth that would have been shown, as change */
	size_t rounds_needed; /* to show the limit; 0 unknown */
};

struct regression {
	bool paired;
	enum verdict verdict; /* the gravest of the rows */
	struct regression_row rows[METRIC_N];
	size_t n;
};

/* base and head: n runs each when paired (index = round), else n_base and n_head. */
int regression_compare(struct regression *ret, const struct run_metrics *base, size_t n_base, const struct run_metrics *head,
		       size_t n_head, bool paired, const struct regression_limits *limits);

/* Upper limit on one metric over runs (--max): FAIL when its one-sided interval lies above, PASS when below. */
struct budget_row { enum metric metric; double limit; enum verdict verdict; size_t n; double estimate, low, high; };
int regression_budget(struct budget_row *ret, enum metric metric, double limit, const struct run_metrics *runs, size_t n, double alpha);
