/* Reading half, named queries that SQL answers by itself: sums by thread, lock, pair of threads. */
#include <stdlib.h>

#include "core/store/reader_priv.h"
#include "core/util/vec.h"

#define FLAG_SUM(flag) "sum(CASE WHEN flags & " #flag " THEN dur_ns ELSE 0 END)"

_Static_assert(INTERVAL_F_HELD == 1 && INTERVAL_F_INFERRED == 2 && INTERVAL_F_GC == 4, "the queries name these by number");

int reader_state_sums(struct reader *r, int (*row)(void *ctx, const struct reader_state_sum *s), void *ctx)
{
	struct query q;

	reader_query(r, &q, "the intervals",
		     "SELECT thread, state, held, sum(n), sum(ns), sum(tally_ns), sum(inferred_ns), sum(gc_ns) FROM ("
		     "SELECT thread, state, flags & 1 AS held, count(*) AS n, sum(dur_ns) AS ns, 0 AS tally_ns, "
		     FLAG_SUM(2) " AS inferred_ns, " FLAG_SUM(4) " AS gc_ns FROM interval GROUP BY thread, state, flags & 1 "
		     "UNION ALL SELECT thread, state, flags & 1, sum(n), sum(ns), sum(ns), 0, 0 FROM tally"
		     " GROUP BY thread, state, flags & 1) GROUP BY thread, state, held ORDER BY thread, state, held");
	while (reader_next(&q)) {
		struct reader_state_sum s = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.state = (enum thread_state)col_int(&q, 1, 0, STATE_N - 1, "an unknown state"),
			.held = sqlite3_column_int(q.st, 2) != 0,
			.n = col_count(&q, 3),
			.ns = col_count(&q, 4),
			.tally_ns = col_count(&q, 5),
			.inferred_ns = col_count(&q, 6),
			.gc_ns = col_count(&q, 7),
		};

		if (!q.damaged)
			q.err = row(ctx, &s);
	}
	return reader_done(&q);
}

int reader_caused(struct reader *r, int (*row)(void *ctx, const struct reader_caused *c), void *ctx)
{
	struct query q;

	reader_query(r, &q, "the credits",
		     "SELECT c.holder, w.lock, sum(c.ns), count(DISTINCT c.wait) FROM credit c JOIN wait w ON w.id = c.wait"
		     " WHERE c.holder IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2");
	while (reader_next(&q)) {
		struct reader_caused c = {
			.holder = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.lock = col_must(&q, 1, r->info.locks, "an unknown lock"),
			.ns = col_count(&q, 2),
			.waits = col_count(&q, 3),
		};

		if (!q.damaged)
			q.err = row(ctx, &c);
	}
	return reader_done(&q);
}

int reader_handoff_sums(struct reader *r, int (*row)(void *ctx, const struct reader_handoff_sum *h), void *ctx)
{
	struct query q;

	reader_query(r, &q, "the hand-offs",
		     "SELECT lock, from_thread, to_thread, count(*), sum(forced <> 0),"
		     " sum(CASE WHEN release_ns <= acquire_ns THEN acquire_ns - release_ns ELSE 0 END)"
		     " FROM handoff GROUP BY 1, 2, 3 ORDER BY 1, 2, 3");
	while (reader_next(&q)) {
		struct reader_handoff_sum h = {
			.lock = col_must(&q, 0, r->info.locks, "an unknown lock"),
			.from = col_id(&q, 1, r->info.threads, "an unknown thread"),
			.to = col_must(&q, 2, r->info.threads, "an unknown thread"),
			.n = col_count(&q, 3),
			.forced = col_count(&q, 4),
			.gap_ns = col_count(&q, 5),
		};

		if (!q.damaged)
			q.err = row(ctx, &h);
	}
	return reader_done(&q);
}

_Static_assert(HOLD_F_FORCED == 4, "the query names it by number");

int reader_hold_sums(struct reader *r, int (*row)(void *ctx, const struct reader_hold_sum *h), void *ctx)
{
	struct query q;

	reader_query(r, &q, "the holds",
		     "SELECT lock, thread, count(*), sum(dur_ns), sum(blocked_ns), sum(preempted_ns), max(dur_ns),"
		     " sum(flags & 4 <> 0) FROM hold GROUP BY 1, 2 ORDER BY 1, 2");
	while (reader_next(&q)) {
		struct reader_hold_sum h = {
			.lock = col_must(&q, 0, r->info.locks, "an unknown lock"),
			.thread = col_must(&q, 1, r->info.threads, "an unknown thread"),
			.n = col_count(&q, 2),
			.ns = col_count(&q, 3),
			.blocked_ns = col_count(&q, 4),
			.preempted_ns = col_count(&q, 5),
			.max_ns = col_count(&q, 6),
			.forced = col_count(&q, 7),
		};

		if (!q.damaged)
			q.err = row(ctx, &h);
	}
	return reader_done(&q);
}

static int by_place(const void *pa, const void *pb)
{
	const struct reader_sample_sum *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->state != b->state)
		return a->state < b->state ? -1 : 1;
	if (a->flags != b->flags)
		return a->flags < b->flags ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static int by_count(const void *pa, const void *pb)
{
	const struct reader_sample_sum *a = pa, *b = pb;

	return a->n != b->n ? (a->n > b->n ? -1 : 1) : by_place(pa, pb);
}

/* SQL sums by stack id; ids that look the same to a person are added up here. */
int reader_sample_sums(struct reader *r, int (*row)(void *ctx, const struct reader_sample_sum *s), void *ctx)
{
	vec(struct reader_sample_sum) sums = { 0 };
	struct query q;
	size_t kept = 0;
	int err;

	reader_query(r, &q, "the samples", "SELECT thread, state, flags, stack, count(*) FROM sample GROUP BY 1, 2, 3, 4");
	while (reader_next(&q)) {
		struct reader_sample_sum s = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.state = (enum thread_state)col_int(&q, 1, 0, STATE_N - 1, "an unknown state"),
			.flags = col_flags(&q, 2),
			.stack = col_stack(&q, 3),
			.n = col_count(&q, 4),
		};

		vec_push(&sums, s);
	}
	err = reader_done(&q);
	vec_sort(&sums, by_place);
	for (size_t i = 0; i < sums.n; i++)
		if (kept && by_place(&sums.items[kept - 1], &sums.items[i]) == 0)
			sums.items[kept - 1].n += sums.items[i].n;
		else
			sums.items[kept++] = sums.items[i];
	sums.n = kept;
	vec_sort(&sums, by_count);
	for (size_t i = 0; i < sums.n && !err; i++)
		err = row(ctx, &sums.items[i]);
	vec_done(&sums);
	return err;
}
