#!/usr/bin/env python3
"""Makes tests/unit/ranks.inc: samples, and what SciPy (Debian package python3-scipy) says of them; run again only to change it.
p values are SciPy's exact ones.  It knows no intervals of them, so that ends are found where its p value crosses alpha / 2: the values
of a shift that the test does not reject.  Usage: tests/unit/gen_ranks.py >tests/unit/ranks.inc"""
import numpy
import scipy
from scipy.stats import mannwhitneyu, wilcoxon

ALPHA = 0.05
random = numpy.random.default_rng(20260921)


def samples(n, shift, scale):
    """Distinct values, and distinct magnitudes, so that the exact distribution holds."""
    while True:
        d = numpy.round(random.standard_t(3, n) * scale + shift, 4)
        if len(set(numpy.abs(d))) == n and not (d == 0).any():
            return d


def ends(candidates, p_at):
    """The least and the largest candidate that is not rejected from either side; None: those of no bound."""
    candidates = numpy.unique(numpy.round(candidates, 9))  # samples have 4 digits, their means 5
    gap = numpy.diff(candidates).min() / 4
    low = next((c for c in candidates if p_at(c + gap, "greater") > ALPHA / 2), None)
    high = next((c for c in candidates[::-1] if p_at(c - gap, "less") > ALPHA / 2), None)
    bounded = p_at(candidates[0] - gap, "greater") <= ALPHA / 2
    return (low, high) if bounded else (None, None)


def number(x, digits=10):
    return "INFINITY" if x is None else "%.*g" % (digits, x)


def row(d, e, estimate, low, high, p):
    low = "-INFINITY" if low is None else number(low)
    print("\t{ %d, %d, { %s }, { %s },\n\t  %s, %s, %s, %s },"
          % (len(d), len(e), ", ".join(map(number, d)), ", ".join(map(number, e)) or "0", number(estimate), low, number(high), ", ".join(number(x, 17) for x in p)))


def main():
    print("/* Made by tests/unit/gen_ranks.py with SciPy %s; first, second sample; estimate, low, high; p greater, less, two-sided. */" % scipy.__version__)
    for n, shift, scale in [(5, 0.3, 1), (6, 0, 1), (7, 0.4, 1), (8, -0.5, 1), (10, 0.2, 0.3), (12, 0.1, 1), (15, 0, 2), (20, 0.15, 0.4), (20, 0, 1),
                            (25, -0.3, 1), (30, 0.2, 1), (40, 0.1, 0.5), (50, 0.05, 1)]:
        d = samples(n, shift, scale)
        walsh = numpy.array([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
        p = [wilcoxon(d, alternative=a, mode="exact").pvalue for a in ("greater", "less", "two-sided")]
        low, high = ends(walsh, lambda t, a: wilcoxon(d - t, alternative=a, mode="exact").pvalue)
        row(d, [], numpy.median(walsh), low, high, p)
    for m, n, shift in [(3, 3, 1), (4, 4, 0.5), (5, 8, 0.7), (8, 5, -0.7), (10, 10, 0), (12, 15, 0.6), (20, 20, 0.4), (20, 12, -0.3), (30, 25, 0.2)]:
        base, head = samples(m, 0, 1), samples(n, shift, 1)
        differences = numpy.array([y - x for x in base for y in head])
        if len(set(base) & set(head)) or len(numpy.unique(numpy.round(differences, 9))) < 2:
            raise SystemExit("a tie: choose another seed")
        p = [mannwhitneyu(head, base, alternative=a, method="exact").pvalue for a in ("greater", "less", "two-sided")]
        low, high = ends(differences, lambda t, a: mannwhitneyu(head - t, base, alternative=a, method="exact").pvalue)
        row(base, head, numpy.median(differences), low, high, p)


if __name__ == "__main__":
    main()
