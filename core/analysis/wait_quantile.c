/* See wait_quantile.h. */
#include "core/analysis/wait_quantile.h"

#include <math.h>

enum { BUCKET_0_NS = 1024 };

uint64_t wait_quantile_ns(const uint64_t hist[READER_HIST_BUCKETS], double q)
{
	uint64_t n = 0, seen = 0, rank;

	for (unsigned b = 0; b < READER_HIST_BUCKETS; b++)
		n += hist[b];
	if (n == 0)
		return 0;
	rank = (uint64_t)ceil(q * (double)n);
	rank = rank ? rank : 1;
	for (unsigned b = 0; b < READER_HIST_BUCKETS; b++) {
		double from = b ? ldexp(BUCKET_0_NS, (int)b) : 0, to = ldexp(BUCKET_0_NS, (int)b + 1);

		if (seen + hist[b] >= rank)
			return (uint64_t)(from + (to - from) * (double)(rank - seen) / (double)hist[b]);
		seen += hist[b];
	}
	return 0;
}

static uint64_t at_most(uint64_t ns, uint64_t max_ns)
{
	return ns < max_ns ? ns : max_ns;
}

/* Waits are only tallied below a threshold, so the longest recorded one is the longest of all when there is one. */
static struct summary_waits from_row(const struct reader_wait_stats *row)
{
	struct summary_waits w = {
		.n = row->waits, .ns = row->wait_ns, .p50_ns = row->p50_ns, .p99_ns = row->p99_ns, .max_ns = row->max_ns,
	};

	if (row->tallied_waits == 0)
		return w;
	w.approximate = true;
	if (w.max_ns == 0)
		w.max_ns = at_most(wait_quantile_ns(row->hist, 1), row->wait_ns);
	w.p50_ns = at_most(wait_quantile_ns(row->hist, 0.5), w.max_ns);
	w.p99_ns = at_most(wait_quantile_ns(row->hist, 0.99), w.max_ns);
	return w;
}

void wait_stats_add(struct summary_waits *w, const struct reader_wait_stats *row)
{
	struct summary_waits more = from_row(row);

	if (more.n == 0)
		return;
	if (w->n == 0) {
		*w = more;
		return;
	}
	/* a thread that waits for two GILs: rare, and the percentiles of the one it waits for more are near enough */
	w->approximate = true;
	if (more.n > w->n) {
		w->p50_ns = more.p50_ns;
		w->p99_ns = more.p99_ns;
	}
	w->n += more.n;
	w->ns += more.ns;
	w->max_ns = w->max_ns > more.max_ns ? w->max_ns : more.max_ns;
}
