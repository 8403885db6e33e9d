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

/* Probabilities of Mann and Whitney's U for samples of m and n: p[u].  The number of ways to reach u with i of one and j of the other is
 * that with one fewer of either, the larger last observation deciding; divided by the ways there are at each step. */
static double *u_distribution(size_t m, size_t n)
{
	double *row = xcalloc((n + 1) * (m * n + 1), sizeof(*row)), *p;
	size_t width = m * n + 1;

	for (size_t j = 0; j <= n; j++)
		row[j * width] = 1; /* none of the first: U is 0 */
	for (size_t i = 1; i <= m; i++)
		for (size_t j = 1; j <= n; j++) {
			double of_first = (double)i / (double)(i + j);
			double *at = row + j * width, *fewer = row + (j - 1) * width;

			/* the largest is one of the first (it beats j), or one of the second */
			for (size_t u = i * j + 1; u-- > 0;)
				at[u] = of_first * (u >= j ? at[u - j] : 0) + (1 - of_first) * (u <= i * (j - 1) ? fewer[u] : 0);
		}
	p = xcalloc(width, sizeof(*p));
	memcpy(p, row + n * width, width * sizeof(*p));
	free(row);
	return p;
}

double unpaired_u_cdf(size_t m, size_t n, long u)
{
	double *p, result;

	if (!m || !n || m > PAIRED_MAX || n > PAIRED_MAX)
		return NAN;
	if (u < 0)
		return 0;
	p = u_distribution(m, n);
	result = sum_to(p, (size_t)u < m * n ? (size_t)u : m * n);
	free(p);
	return result;
}

int unpaired_estimate(const double *base, size_t n_base, const double *head, size_t n_head, double alpha, struct paired_estimate *ret)
{
	size_t pairs = n_base * n_head, k = 0, above = 0, below = 0;
	double *shifts, *p, tail = 0, left_out = 0;

	if (!n_base || !n_head || n_base > PAIRED_MAX || n_head > PAIRED_MAX || !(alpha > 0) || !(alpha < 1))
		return -EINVAL;
	shifts = xcalloc(pairs, sizeof(*shifts));
	for (size_t i = 0; i < n_base; i++)
		for (size_t j = 0; j < n_head; j++) {
			double d = head[j] - base[i];

			if (!isfinite(d)) {
				free(shifts);
				return -EINVAL;
			}
			shifts[i * n_head + j] = d;
			above += d > 0;
			below += d < 0;
		}
	qsort(shifts, pairs, sizeof(*shifts), compare);
	p = u_distribution(n_base, n_head);
	memset(ret, 0, sizeof(*ret));
	ret->n = n_base < n_head ? n_base : n_head;
	ret->estimate = shifts[(pairs - 1) / 2] / 2 + shifts[pairs / 2] / 2;
	while (k < pairs / 2 && tail + p[k] <= alpha / 2) {
		tail += p[k++];
		left_out = tail;
	}
	ret->low = k ? shifts[k - 1] : -INFINITY;
	ret->high = k ? shifts[pairs - k] : INFINITY;
	ret->level = k ? 1 - 2 * left_out : 0;
	ret->p_greater = sum_to(p, pairs - above); /* symmetric */
	ret->p_less = sum_to(p, pairs - below);
	ret->p_two_sided = fmin(1, 2 * fmin(ret->p_greater, ret->p_less));
	free(p);
	free(shifts);
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
