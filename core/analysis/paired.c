/* See paired.h. */
#include "core/analysis/paired.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/xalloc.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_magnitude(const void *a, const void *b)
{
	double x = fabs(*(const double *)a), y = fabs(*(const double *)b);

	return (x > y) - (x < y);
}

/* Probabilities of every sum of a random subset of the weights; *ret_sum is their total, the last index.
 * Dividing by two at each step instead of once keeps 2^200 out of the numbers. */
static double *subset_sums(const unsigned *weights, size_t n, size_t *ret_sum)
{
	size_t total = 0, reached = 0;
	double *p;

	for (size_t i = 0; i < n; i++)
		total += weights[i];
	p = xcalloc(total + 1, sizeof(*p));
	p[0] = 1;
	for (size_t i = 0; i < n; i++) {
		reached += weights[i];
		for (size_t s = reached + 1; s-- > 0;)
			p[s] = (p[s] + (s >= weights[i] ? p[s - weights[i]] : 0)) / 2;
	}
	*ret_sum = total;
	return p;
}

static double *rank_distribution(size_t n, size_t *ret_sum)
{
	unsigned ranks[PAIRED_MAX];

	for (size_t i = 0; i < n; i++)
		ranks[i] = (unsigned)(i + 1);
	return subset_sums(ranks, n, ret_sum);
}

static double sum_to(const double *p, size_t last)
{
	double sum = 0;

	for (size_t i = 0; i <= last; i++)
		sum += p[i];
	return fmin(sum, 1);
}

double paired_signed_rank_cdf(size_t n, long w)
{
	size_t total;
	double *p, result;

	if (w < 0 || n > PAIRED_MAX)
		return w < 0 ? 0 : NAN;
	p = rank_distribution(n, &total);
	result = sum_to(p, (size_t)w < total ? (size_t)w : total);
	free(p);
	return result;
}

/* Ranks of the magnitudes, doubled so that tied ones, which share the mean of theirs, stay whole numbers. */
static void rank_doubled(const double *sorted, size_t n, unsigned *ranks)
{
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && fabs(sorted[to]) == fabs(sorted[from]); to++)
			;
		for (size_t i = from; i < to; i++)
			ranks[i] = (unsigned)(from + 1 + to);
	}
}

static void p_values(const double *differences, size_t n, struct paired_estimate *ret)
{
	double sorted[PAIRED_MAX], *p, below, above;
	unsigned ranks[PAIRED_MAX];
	size_t m = 0, w = 0, total;

	for (size_t i = 0; i < n; i++)
		if (differences[i] != 0)
			sorted[m++] = differences[i];
	qsort(sorted, m, sizeof(*sorted), compare_magnitude);
	rank_doubled(sorted, m, ranks);
	for (size_t i = 0; i < m; i++)
		w += sorted[i] > 0 ? ranks[i] : 0;
	p = subset_sums(ranks, m, &total);
	below = sum_to(p, w);
	above = sum_to(p, total - w); /* the distribution is symmetric */
	free(p);
	ret->p_less = below;
	ret->p_greater = above;
	ret->p_two_sided = fmin(1, 2 * fmin(below, above));
}

/* The interval's ends are the k-th smallest and k-th largest Walsh averages, k - 1 the largest w whose tail is at most alpha / 2. */
static void interval(const double *walsh, size_t pairs, size_t n, double alpha, struct paired_estimate *ret)
{
	double *p, tail = 0, left_out = 0;
	size_t total, k = 0;

	p = rank_distribution(n, &total);
	while (k < pairs / 2 && tail + p[k] <= alpha / 2) {
		tail += p[k++];
		left_out = tail;
	}
	free(p);
	ret->low = k ? walsh[k - 1] : -INFINITY;
	ret->high = k ? walsh[pairs - k] : INFINITY;
	ret->level = k ? 1 - 2 * left_out : 0;
}

int paired_estimate(const double *differences, size_t n, double alpha, struct paired_estimate *ret)
{
	size_t pairs = n * (n + 1) / 2, at = 0;
	double *walsh;

	if (!n || n > PAIRED_MAX || !(alpha > 0) || !(alpha < 1))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isfinite(differences[i]))
			return -EINVAL;
	walsh = xcalloc(pairs, sizeof(*walsh));
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++)
			walsh[at++] = differences[i] / 2 + differences[j] / 2;
	qsort(walsh, pairs, sizeof(*walsh), compare);
	memset(ret, 0, sizeof(*ret));
	ret->n = n;
	ret->estimate = walsh[(pairs - 1) / 2] / 2 + walsh[pairs / 2] / 2;
	interval(walsh, pairs, n, alpha, ret);
	free(walsh);
	p_values(differences, n, ret);
	return 0;
}

void paired_holm(double *p, size_t n)
{
	size_t order[PAIRED_MAX];
	double floor = 0;

	n = n < PAIRED_MAX ? n : PAIRED_MAX;
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = 1; i < n; i++) /* a handful of metrics */
		for (size_t j = i; j > 0 && p[order[j]] < p[order[j - 1]]; j--) {
			size_t swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	for (size_t i = 0; i < n; i++) {
		floor = fmax(floor, fmin(1, p[order[i]] * (double)(n - i)));
		p[order[i]] = floor;
	}
}
