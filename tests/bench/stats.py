"""Paired comparisons without numpy: Hodges-Lehmann estimate and the Wilcoxon signed-rank interval.

Units of replication are pairs of runs next to each other in time.  The interval is that of the median of the paired
log ratios, shown as a percentage: +1.0 means 1 % slower."""
import math
import statistics


def median(values):
    values = sorted(values)
    n = len(values)
    if not n:
        return None
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2.0


def signed_rank_tail(n, confidence):
    """Largest k with P(W <= k) <= (1 - confidence) / 2 for n pairs; -1 when n is too small for it.  Exact up to 50 pairs,
    beyond by the normal distribution."""
    if n > 50:
        z = statistics.NormalDist().inv_cdf((1.0 + confidence) / 2.0)
        return int(n * (n + 1) / 4.0 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)) - 1
    counts = [1]
    for rank in range(1, n + 1):
        new = [0] * (len(counts) + rank)
        for w, c in enumerate(counts):
            new[w] += c
            new[w + rank] += c
        counts = new
    limit = (1.0 - confidence) / 2.0 * 2.0 ** n
    total = 0
    for k, c in enumerate(counts):
        total += c
        if total > limit:
            return k - 1
    return -1


def hodges_lehmann(differences, confidence=0.95):
    """(estimate, low, high) of the centre of the differences; low and high are None below 6 pairs."""
    n = len(differences)
    if not n:
        return None, None, None
    walsh = sorted((differences[i] + differences[j]) / 2.0 for i in range(n) for j in range(i, n))
    k = signed_rank_tail(n, confidence)
    if k < 0:
        return median(walsh), None, None
    return median(walsh), walsh[k], walsh[len(walsh) - 1 - k]


def slowdown(pairs, confidence=0.95):
    """pairs of (bare rate, profiled rate); percentages by which the profiled one is slower."""
    logs = [math.log(bare / profiled) for bare, profiled in pairs if bare > 0 and profiled > 0]
    estimate, low, high = hodges_lehmann(logs, confidence)

    def pct(x):
        return None if x is None else (math.exp(x) - 1.0) * 100.0
    return {"pairs": len(logs), "pct": pct(estimate), "low": pct(low), "high": pct(high),
            "median_pct": pct(median(logs)) if logs else None}
