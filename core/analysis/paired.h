#pragma once
/* Statistics of repeated observations: paired, one difference of head and base per round, or two samples apart.
 *
 * Estimate: Hodges-Lehmann, the median of the Walsh averages (d[i] + d[j]) / 2, i <= j.  Interval: the Walsh averages
 * that the exact null distribution of Wilcoxon's signed-rank statistic leaves at either end (Hollander and Wolfe,
 * Nonparametric Statistical Methods, 3.2 and 3.3).  No normal approximation: a comparison has tens of rounds, and its tails decide.
 * An interval of too few rounds for its level does not exist (below 6 for 95 %): low and high are infinite then.
 *
 * Owns: nothing.  Units: those of the differences.  Context: any.  Errors: paired_estimate returns -EINVAL for no
 * rounds, more than PAIRED_MAX, or a difference that is not finite. */
#include <stddef.h>

#define PAIRED_MAX 200 /* rounds; the exact distribution is a sum over n (n + 1) / 2 + 1 ranks */

struct paired_estimate {
	size_t n;
	double estimate;
	double low, high; /* two-sided interval */
	double level; /* its exact coverage, at least what was asked for; 0 without an interval */
	double p_greater, p_less, p_two_sided; /* exact, of a shift above, below, away from 0; zeros dropped, ties share ranks */
};

/* alpha: the interval covers at least 1 - alpha; 0 < alpha < 1. */
int paired_estimate(const double *differences, size_t n, double alpha, struct paired_estimate *ret);

/* The shift of head against base when runs are not paired: median of all head[j] - base[i], interval from the exact null distribution
 * of Mann and Whitney's U (Hollander and Wolfe, 4.2 and 4.3; ties are taken as they fall).  p values as above. */
int unpaired_estimate(const double *base, size_t n_base, const double *head, size_t n_head, double alpha, struct paired_estimate *ret);
/* P(U <= u) for samples of m and n under no shift. */
double unpaired_u_cdf(size_t m, size_t n, long u);

/* P(W+ <= w) for n differences without ties under no shift; n at most PAIRED_MAX. */
double paired_signed_rank_cdf(size_t n, long w);

/* Holm's step-down: turns p values into adjusted ones, in place; the family-wise error is at most the level they are compared to. */
void paired_holm(double *p, size_t n);
