/* Reading half, named queries: sums by thread, lock, pair of threads. */
#include <stdlib.h>

#include "core/store/reader_priv.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

/* Groups are few and the rows in no order that SQL could use, so they are added up here: a sort by thread would take
 * longer than the scan. */
struct state_sums {
	uint32_t threads;
	struct reader_state_sum *sums; /* thread by state by held */
};

static struct reader_state_sum *sum_of(const struct state_sums *x, uint32_t thread, enum thread_state state, uint32_t flags)
{
	return &x->sums[((size_t)thread * STATE_N + state) * 2 + (flags & INTERVAL_F_HELD ? 1 : 0)];
}

static int on_interval(void *ctx, const struct interval *i)
{
	struct reader_state_sum *s = sum_of(ctx, i->thread, i->state, i->flags);
	const uint64_t ns = i->t1_ns - i->t0_ns;

	s->n++;
	s->ns += ns;
	s->inferred_ns += i->flags & INTERVAL_F_INFERRED ? ns : 0;
	s->gc_ns += i->flags & INTERVAL_F_GC ? ns : 0;
	return 0;
}

static int on_tally(void *ctx, const struct tally *t)
{
	struct reader_state_sum *s = sum_of(ctx, t->thread, t->state, t->flags);

	s->n += t->n;
	s->ns += t->ns;
	s->tally_ns += t->ns;
	return 0;
}

int reader_state_sums(struct reader *r, int (*row)(void *ctx, const struct reader_state_sum *s), void *ctx)
{
	struct state_sums x = { .threads = r->info.threads };
	int err;

	x.sums = xcalloc((size_t)x.threads * STATE_N * 2, sizeof(*x.sums));
	err = reader_intervals(r, MODEL_NONE, on_interval, &x);
	err = err ? err : reader_tallies(r, on_tally, &x);
	for (size_t i = 0; !err && i < (size_t)x.threads * STATE_N * 2; i++) {
		struct reader_state_sum *s = &x.sums[i];

		s->thread = (uint32_t)(i / (STATE_N * 2));
		s->state = (enum thread_state)(i / 2 % STATE_N);
		s->held = i % 2;
		if (s->n)
			err = row(ctx, s);
	}
	free(x.sums);
	return err;
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
