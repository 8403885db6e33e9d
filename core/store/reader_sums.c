/* Reading half, named queries: sums by thread, lock, pair of threads.  Groups are few and the rows in no order that SQL could
 * use, so they are added up here, along a scan of the rows: a sort by thread would take longer than the scan. */
#include <stdlib.h>

#include "core/store/reader_priv.h"
#include "core/util/pool.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

/* ---- states ---- */

struct state_sums {
	uint32_t threads;
	bool tallied;
	struct reader_state_sum sums[]; /* thread by state by held */
};

static size_t states_n(const struct state_sums *x)
{
	return (size_t)x->threads * STATE_N * 2;
}

struct state_sums *state_sums_new(const struct reader_info *info)
{
	struct state_sums *x = xcalloc(1, sizeof(*x) + (size_t)info->threads * STATE_N * 2 * sizeof(*x->sums));

	x->threads = info->threads;
	return x;
}

void state_sums_free(struct state_sums *x)
{
	free(x);
}

static struct reader_state_sum *sum_of(struct state_sums *x, uint32_t thread, enum thread_state state, uint32_t flags)
{
	return &x->sums[((size_t)thread * STATE_N + state) * 2 + (flags & INTERVAL_F_HELD ? 1 : 0)];
}

void state_sums_add(struct state_sums *x, const struct interval *i)
{
	struct reader_state_sum *s = sum_of(x, i->thread, i->state, i->flags);
	const uint64_t ns = i->t1_ns - i->t0_ns;

	s->n++;
	s->ns += ns;
	s->inferred_ns += i->flags & INTERVAL_F_INFERRED ? ns : 0;
	s->gc_ns += i->flags & INTERVAL_F_GC ? ns : 0;
}

static int add_tallies(struct reader *r, struct state_sums *x)
{
	struct query q;

	reader_query(r, &q, "the tallies", "SELECT thread, state, flags, n, ns FROM tally");
	while (reader_next(&q)) {
		uint32_t thread = col_must(&q, 0, r->info.threads, "an unknown thread"), flags = col_flags(&q, 2);
		enum thread_state state = (enum thread_state)col_int(&q, 1, 0, STATE_N - 1, "an unknown state");
		uint64_t n = col_count(&q, 3), ns = col_count(&q, 4);
		struct reader_state_sum *s = sum_of(x, thread, state, flags);

		if (q.damaged)
			continue;
		s->n += n;
		s->ns += ns;
		s->tally_ns += ns;
	}
	return reader_done(&q);
}

static int ignore_interval(void *ctx, const struct interval *i)
{
	(void)ctx, (void)i;
	return 0;
}

int reader_state_sums(struct reader *r, int (*row)(void *ctx, const struct reader_state_sum *s), void *ctx)
{
	int err = READER_SUM(r, state_sums, reader_intervals(r, MODEL_NONE, ignore_interval, NULL));
	struct state_sums *x = r->state_sums;

	if (!err && !x->tallied)
		err = add_tallies(r, x);
	if (err)
		return err;
	x->tallied = true;
	for (size_t i = 0; !err && i < states_n(x); i++) {
		struct reader_state_sum *s = &x->sums[i];

		s->thread = (uint32_t)(i / (STATE_N * 2));
		s->state = (enum thread_state)(i / 2 % STATE_N);
		s->held = i % 2;
		if (s->n)
			err = row(ctx, s);
	}
	return err;
}

/* ---- hand-offs and holds ---- */

struct handoff_sums {
	struct pool numbers; /* of (lock, from, to) */
	vec(struct reader_handoff_sum) sums; /* by number until they are sorted to be given */
};

struct handoff_sums *handoff_sums_new(void)
{
	return xcalloc(1, sizeof(struct handoff_sums));
}

void handoff_sums_free(struct handoff_sums *x)
{
	if (!x)
		return;
	pool_done(&x->numbers);
	vec_done(&x->sums);
	free(x);
}

void handoff_sums_add(struct handoff_sums *x, const struct handoff *h)
{
	const uint32_t key[] = { h->lock, h->from, h->to };
	struct reader_handoff_sum *s;
	bool is_new;
	uint32_t number = pool_number(&x->numbers, key, sizeof(key), &is_new);

	if (is_new)
		vec_push(&x->sums, ((struct reader_handoff_sum){ .lock = h->lock, .from = h->from, .to = h->to }));
	s = &x->sums.items[number];
	s->n++;
	s->forced += h->forced;
	if (h->t_release_ns && h->t_release_ns <= h->t_acquire_ns)
		s->gap_ns += h->t_acquire_ns - h->t_release_ns;
}

static int by_hands(const void *pa, const void *pb)
{
	const struct reader_handoff_sum *a = pa, *b = pb;

	if (a->lock != b->lock)
		return a->lock < b->lock ? -1 : 1;
	if (a->from != b->from) /* MODEL_NONE, one more than the largest, first */
		return a->from + 1 < b->from + 1 ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

static int ignore_handoff(void *ctx, const struct handoff *h)
{
	(void)ctx, (void)h;
	return 0;
}

int reader_handoff_sums(struct reader *r, int (*row)(void *ctx, const struct reader_handoff_sum *h), void *ctx)
{
	int err = READER_SUM(r, handoff_sums, reader_handoffs(r, ignore_handoff, NULL));

	if (err)
		return err;
	vec_sort(&r->handoff_sums->sums, by_hands);
	for (size_t i = 0; !err && i < r->handoff_sums->sums.n; i++)
		err = row(ctx, &r->handoff_sums->sums.items[i]);
	return err;
}

struct hold_sums {
	struct pool numbers; /* of (lock, thread) */
	vec(struct reader_hold_sum) sums; /* by number until they are sorted to be given */
};

struct hold_sums *hold_sums_new(void)
{
	return xcalloc(1, sizeof(struct hold_sums));
}

void hold_sums_free(struct hold_sums *x)
{
	if (!x)
		return;
	pool_done(&x->numbers);
	vec_done(&x->sums);
	free(x);
}

void hold_sums_add(struct hold_sums *x, const struct hold *h)
{
	const uint32_t key[] = { h->lock, h->thread };
	const uint64_t ns = h->t1_ns - h->t0_ns;
	struct reader_hold_sum *s;
	bool is_new;
	uint32_t number = pool_number(&x->numbers, key, sizeof(key), &is_new);

	if (is_new)
		vec_push(&x->sums, ((struct reader_hold_sum){ .lock = h->lock, .thread = h->thread }));
	s = &x->sums.items[number];
	s->n++;
	s->ns += ns;
	s->blocked_ns += h->blocked_ns;
	s->preempted_ns += h->preempted_ns;
	s->max_ns = ns > s->max_ns ? ns : s->max_ns;
	s->forced += h->flags & HOLD_F_FORCED ? 1 : 0;
}

static int by_owner(const void *pa, const void *pb)
{
	const struct reader_hold_sum *a = pa, *b = pb;

	if (a->lock != b->lock)
		return a->lock < b->lock ? -1 : 1;
	return (a->thread > b->thread) - (a->thread < b->thread);
}

static int ignore_hold(void *ctx, const struct hold *h)
{
	(void)ctx, (void)h;
	return 0;
}

int reader_hold_sums(struct reader *r, int (*row)(void *ctx, const struct reader_hold_sum *h), void *ctx)
{
	int err = READER_SUM(r, hold_sums, reader_holds(r, ignore_hold, NULL));

	if (err)
		return err;
	vec_sort(&r->hold_sums->sums, by_owner);
	for (size_t i = 0; !err && i < r->hold_sums->sums.n; i++)
		err = row(ctx, &r->hold_sums->sums.items[i]);
	return err;
}

/* ---- samples ---- */

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
