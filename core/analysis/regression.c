/* See regression.h. */
#include "core/analysis/regression.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/paired.h"

const char *const verdict_names[VERDICT_N] = {
	[VERDICT_NOT_MEASURED] = "not measured", [VERDICT_PASS] = "pass", [VERDICT_IMPROVED] = "improved",
	[VERDICT_INCONCLUSIVE] = "inconclusive", [VERDICT_FAIL] = "fail",
};

void regression_limits_init(struct regression_limits *l)
{
	memset(l, 0, sizeof(*l));
	l->alpha = 0.05;
	for (unsigned i = 0; i < METRIC_N; i++) {
		l->max_regress[i] = metric_infos[i].max_regress;
		l->floor[i] = metric_infos[i].floor;
		l->wanted[i] = true;
	}
}

struct samples { /* of one metric; paired ones share their index */
	double base[PAIRED_MAX], head[PAIRED_MAX];
	size_t n_base, n_head;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, size_t n)
{
	double sorted[PAIRED_MAX];

	if (!n)
		return NAN;
	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(n - 1) / 2] / 2 + sorted[n / 2] / 2;
}

static void collect(struct samples *s, enum metric metric, const struct run_metrics *base, size_t n_base,
		    const struct run_metrics *head, size_t n_head, bool paired)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < n_base && i < PAIRED_MAX; i++)
		if (base[i].known[metric] && (!paired || head[i].known[metric]))
			s->base[s->n_base++] = base[i].value[metric];
	for (size_t i = 0; i < n_head && i < PAIRED_MAX; i++)
		if (head[i].known[metric] && (!paired || base[i].known[metric]))
			s->head[s->n_head++] = head[i].value[metric];
}

/* Ratios mean something only where nothing is next to nothing. */
static bool use_ratio(const struct samples *s, double floor)
{
	double least = floor > 0 ? floor / 10 : 0;

	for (size_t i = 0; i < s->n_base; i++)
		if (!(s->base[i] > least))
			return false;
	for (size_t i = 0; i < s->n_head; i++)
		if (!(s->head[i] > least))
			return false;
	return true;
}

static int estimate(const struct samples *s, bool paired, bool ratio, double alpha, struct paired_estimate *ret)
{
	double base[PAIRED_MAX], head[PAIRED_MAX], d[PAIRED_MAX];

	for (size_t i = 0; i < s->n_base; i++)
		base[i] = ratio ? log(s->base[i]) : s->base[i];
	for (size_t i = 0; i < s->n_head; i++)
		head[i] = ratio ? log(s->head[i]) : s->head[i];
	if (!paired)
		return unpaired_estimate(base, s->n_base, head, s->n_head, alpha, ret);
	for (size_t i = 0; i < s->n_base; i++)
		d[i] = head[i] - base[i];
	return paired_estimate(d, s->n_base, alpha, ret);
}

/* The limit of a row on its own scale. */
static double limit_of(const struct regression_row *row, const struct regression_limits *l)
{
	double floor = l->floor[row->metric], relative = l->max_regress[row->metric];

	if (row->ratio)
		return relative;
	return fmax(floor, relative * fabs(row->base));
}

static enum verdict judge(const struct regression_row *row, const struct regression_limits *l)
{
	double limit = limit_of(row, l), absolute = row->head - row->base;

	if (row->low > 0 && row->change > limit && absolute > l->floor[row->metric] && row->p_adjusted <= l->alpha)
		return VERDICT_FAIL;
	if (row->high < 0)
		return VERDICT_IMPROVED;
	/* worse by less than matters: below the limit, or its whole interval below the floor */
	if (row->high < limit || (row->ratio && row->base * row->high < l->floor[row->metric]))
		return VERDICT_PASS;
	return VERDICT_INCONCLUSIVE;
}

/* The interval narrows with the root of the rounds. */
static void say_what_it_takes(struct regression_row *row, const struct regression_limits *l)
{
	double half, limit = limit_of(row, l);

	if (!isfinite(row->low) || !isfinite(row->high))
		return;
	half = row->ratio ? log1p(row->high) - log1p(row->change) : row->high - row->change;
	row->detectable = row->ratio ? expm1(half) : half;
	if (limit > 0 && half > 0) {
		double target = row->ratio ? log1p(limit) : limit, factor = half / target;
		double rounds = (double)(row->n_base < row->n_head ? row->n_base : row->n_head) * factor * factor;

		row->rounds_needed = rounds < 1e6 ? (size_t)ceil(rounds) : 0;
	}
}

static void fill_row(struct regression_row *row, const struct samples *s, bool paired, const struct regression_limits *l)
{
	struct paired_estimate e;

	row->n_base = s->n_base;
	row->n_head = s->n_head;
	row->base = median(s->base, s->n_base);
	row->head = median(s->head, s->n_head);
	row->verdict = VERDICT_NOT_MEASURED;
	row->p = row->p_adjusted = 1;
	row->ratio = use_ratio(s, l->floor[row->metric]);
	if (!s->n_base || !s->n_head || estimate(s, paired, row->ratio, l->alpha, &e))
		return;
	row->change = row->ratio ? expm1(e.estimate) : e.estimate;
	row->low = row->ratio ? expm1(e.low) : e.low;
	row->high = row->ratio ? expm1(e.high) : e.high;
	row->p = e.p_greater;
	row->verdict = VERDICT_INCONCLUSIVE;
}

int regression_compare(struct regression *ret, const struct run_metrics *base, size_t n_base, const struct run_metrics *head,
		       size_t n_head, bool paired, const struct regression_limits *limits)
{
	double p[METRIC_N];
	size_t rows[METRIC_N], n_p = 0;
	struct samples s;

	memset(ret, 0, sizeof(*ret));
	if ((paired && n_base != n_head) || n_base > PAIRED_MAX || n_head > PAIRED_MAX)
		return -EINVAL;
	ret->paired = paired;
	for (unsigned m = 0; m < METRIC_N; m++) {
		struct regression_row *row = &ret->rows[ret->n];

		if (!limits->wanted[m])
			continue;
		row->metric = (enum metric)m;
		collect(&s, row->metric, base, n_base, head, n_head, paired);
		fill_row(row, &s, paired, limits);
		if (row->verdict != VERDICT_NOT_MEASURED) {
			rows[n_p] = ret->n;
			p[n_p++] = row->p;
		}
		ret->n++;
	}
	paired_holm(p, n_p);
	for (size_t i = 0; i < n_p; i++) {
		struct regression_row *row = &ret->rows[rows[i]];

		row->p_adjusted = p[i];
		row->verdict = judge(row, limits);
		say_what_it_takes(row, limits);
	}
	for (size_t i = 0; i < ret->n; i++)
		if (ret->rows[i].verdict > ret->verdict)
			ret->verdict = ret->rows[i].verdict;
	return 0;
}

int regression_budget(struct budget_row *ret, enum metric metric, double limit, const struct run_metrics *runs, size_t n, double alpha)
{
	struct paired_estimate e;
	double over[PAIRED_MAX];

	memset(ret, 0, sizeof(*ret));
	ret->metric = metric;
	ret->limit = limit;
	if (n > PAIRED_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (runs[i].known[metric])
			over[ret->n++] = runs[i].value[metric];
	if (!ret->n)
		return 0; /* not measured */
	if (paired_estimate(over, ret->n, fmin(2 * alpha, 0.5), &e))
		return -EINVAL;
	ret->estimate = e.estimate;
	ret->low = e.low;
	ret->high = e.high;
	/* with too few runs for an interval the estimate itself decides: an absolute limit is a promise, not a comparison */
	if (isfinite(e.low))
		ret->verdict = e.low > limit ? VERDICT_FAIL : e.high <= limit ? VERDICT_PASS : VERDICT_INCONCLUSIVE;
	else
		ret->verdict = e.estimate > limit ? VERDICT_FAIL : VERDICT_PASS;
	return 0;
}
