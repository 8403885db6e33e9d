/* Reading half, named queries: how long one waited, by lock and by thread and lock, with exact percentiles.
 *
 * Two scans: the first counts each group, so that the second, which comes sorted by duration within the group, knows at
 * which row a percentile lies (nearest rank).  Waits that were only counted add to the sums and the histogram. */
#include <stdio.h>

#include "core/store/reader_priv.h"
#include "core/util/vec.h"

_Static_assert(STATE_WAIT_GIL == 2 && STATE_WAIT_LOCK == 3, "the queries name these by number");

typedef vec(struct reader_wait_stats) stats_vec;

/* Groups are sorted by (lock, thread); by_lock leaves thread MODEL_NONE in all of them. */
struct grouping {
	const char *thread; /* SQL expression of the thread column */
	bool by_lock;
	bool sums_only; /* no percentiles, no histogram: they need a sort */
};

static struct reader_wait_stats *find(stats_vec *v, uint32_t lock, uint32_t thread)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct reader_wait_stats *s = &v->items[mid];

		if (s->lock == lock && s->thread == thread)
			return &v->items[mid];
		if (s->lock < lock || (s->lock == lock && s->thread < thread))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned b = ns >= 2048 ? 63 - (unsigned)__builtin_clzll(ns) - 10 : 0;

	return b < READER_HIST_BUCKETS ? b : READER_HIST_BUCKETS - 1;
}

static uint32_t col_group(struct query *q, int column, const struct grouping *g)
{
	return g->by_lock ? MODEL_NONE : col_must(q, column, q->r->info.threads, "an unknown thread");
}

/* Every group that has a wait, recorded or counted. */
static int load_groups(struct reader *r, const struct grouping *g, stats_vec *v)
{
	struct query q;
	char sql[1200];

	snprintf(sql, sizeof(sql),
		 "SELECT lock, th, sum(n), sum(ns), sum(tn), sum(tns), sum(asleep), sum(latency), sum(e0), sum(e1), sum(e2),"
		 " sum(e3), sum(e4) FROM ("
		 "SELECT lock, %s AS th, count(*) AS n, sum(dur_ns) AS ns, 0 AS tn, 0 AS tns, sum(asleep_ns) AS asleep,"
		 " sum(wake_latency_ns) AS latency, sum(ended = 0) AS e0, sum(ended = 1) AS e1, sum(ended = 2) AS e2,"
		 " sum(ended = 3) AS e3, sum(ended = 4) AS e4 FROM wait GROUP BY lock, th "
		 "UNION ALL SELECT lock, %s AS th, 0, 0, sum(n), sum(ns), 0, 0, 0, 0, 0, 0, 0 FROM tally"
		 " WHERE state IN (2, 3) AND lock IS NOT NULL GROUP BY lock, th) GROUP BY lock, th ORDER BY lock, th",
		 g->thread, g->thread);
	_Static_assert(WAIT_END_N == 5, "the query has one column for each end");
	reader_query(r, &q, "the waits", sql);
	while (reader_next(&q)) {
		struct reader_wait_stats s = {
			.lock = col_must(&q, 0, r->info.locks, "an unknown lock"),
			.thread = col_group(&q, 1, g),
			.tallied_waits = col_count(&q, 4),
			.tallied_ns = col_count(&q, 5),
			.asleep_ns = col_count(&q, 6),
			.wake_latency_ns = col_count(&q, 7),
		};

		s.waits = col_count(&q, 2) + s.tallied_waits;
		s.wait_ns = col_count(&q, 3) + s.tallied_ns;
		for (int e = 0; e < WAIT_END_N; e++)
			s.ends[e] = col_count(&q, 8 + e);
		if (!q.damaged)
			vec_push(v, s);
	}
	return reader_done(&q);
}

/* Nearest rank: the smallest value with at least pct % of the values at or below it. */
static uint64_t rank_of(uint64_t n, unsigned pct)
{
	return n / 100 * pct + (n % 100 * pct + 99) / 100;
}

static int load_durations(struct reader *r, const struct grouping *g, stats_vec *v)
{
	struct reader_wait_stats *s = NULL;
	uint64_t i = 0, n = 0;
	struct query q;
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT lock, %s AS th, dur_ns FROM wait ORDER BY lock, th, dur_ns", g->thread);
	reader_query(r, &q, "the waits", sql);
	while (reader_next(&q)) {
		uint32_t lock = col_must(&q, 0, r->info.locks, "an unknown lock"), thread = col_group(&q, 1, g);
		uint64_t ns = col_span(&q, 2);

		if (!s || s->lock != lock || s->thread != thread) {
			s = find(v, lock, thread);
			i = 0;
			n = s ? s->waits - s->tallied_waits : 0;
		}
		if (!s || q.damaged)
			continue;
		i++;
		if (i == rank_of(n, 50))
			s->p50_ns = ns;
		if (i == rank_of(n, 99))
			s->p99_ns = ns;
		s->max_ns = ns;
		s->hist[bucket_of(ns)]++;
		s->hist_ns[bucket_of(ns)] += ns;
	}
	return reader_done(&q);
}

static int add_counted(struct reader *r, const struct grouping *g, stats_vec *v)
{
	struct query q;
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "SELECT lock, %s AS th, bucket, sum(h.n) FROM tally_hist h JOIN tally t ON t.id = h.tally"
		 " WHERE state IN (2, 3) AND lock IS NOT NULL GROUP BY lock, th, bucket", g->thread);
	reader_query(r, &q, "the tallies", sql);
	while (reader_next(&q)) {
		uint32_t lock = col_must(&q, 0, r->info.locks, "an unknown lock"), thread = col_group(&q, 1, g);
		unsigned bucket = (unsigned)col_int(&q, 2, 0, 15, "an impossible bucket");
		struct reader_wait_stats *s = find(v, lock, thread);

		if (s && !q.damaged)
			s->hist[bucket] += col_count(&q, 3);
	}
	return reader_done(&q);
}

static int wait_stats(struct reader *r, const struct grouping *g, int (*row)(void *, const struct reader_wait_stats *),
		      void *ctx)
{
	stats_vec v = { 0 };
	int err = load_groups(r, g, &v);

	if (!err && !g->sums_only)
		err = load_durations(r, g, &v);
	if (!err && !g->sums_only)
		err = add_counted(r, g, &v);
	for (size_t i = 0; i < v.n && !err; i++)
		err = row(ctx, &v.items[i]);
	vec_done(&v);
	return err;
}

int reader_lock_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx)
{
	return wait_stats(r, &(struct grouping){ .thread = "0", .by_lock = true }, row, ctx);
}

int reader_thread_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx)
{
	return wait_stats(r, &(struct grouping){ .thread = "thread" }, row, ctx);
}

int reader_lock_wait_sums(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx)
{
	return wait_stats(r, &(struct grouping){ .thread = "0", .by_lock = true, .sums_only = true }, row, ctx);
}
