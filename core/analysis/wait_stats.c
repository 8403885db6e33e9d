/* See wait_stats.h. */
#include "core/analysis/wait_stats.h"

void wait_stats_add(struct summary_waits *w, const struct reader_wait_stats *row)
{
	const struct summary_waits more = {
		.n = row->waits, .ns = row->wait_ns, .p50_ns = row->p50_ns, .p99_ns = row->p99_ns, .max_ns = row->max_ns,
		.p50_about = row->p50_from_class, .p99_about = row->p99_from_class,
	};

	if (more.n == 0)
		return;
	if (w->n == 0) {
		*w = more;
		return;
	}
	/* a thread that waits for two GILs: rare, and the percentiles of the one it waits for more are near enough */
	w->p50_about = w->p99_about = true;
	if (more.n > w->n) {
		w->p50_ns = more.p50_ns;
		w->p99_ns = more.p99_ns;
	}
	w->n += more.n;
	w->ns += more.ns;
	w->max_ns = w->max_ns > more.max_ns ? w->max_ns : more.max_ns;
}
