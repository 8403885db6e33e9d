/* Reading half, named queries: how long one waited, by lock and by thread and lock, with exact percentiles.
 *
 * Made along a scan of the waits: sums and histogram of each (lock, thread) as they come, and all lengths, eight bytes each.
 * When the first question comes they are sorted, once by thread and lock, once by lock, and let go.  Waits that
 * were only counted add to the sums and the histogram. */
#include <stdlib.h>
#include <string.h>

#include "core/store/reader_priv.h"
#include "core/util/pool.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

_Static_assert(STATE_WAIT_GIL == 2 && STATE_WAIT_LOCK == 3, "the queries name these by number");

typedef vec(uint64_t) length_vec;

struct group {
	struct reader_wait_stats stats;
	length_vec lengths; /* of the recorded ones, until they are settled */
};

struct wait_sums {
	struct pool numbers; /* of (lock, thread) */
	vec(struct group) groups; /* by number; sorted when settled */
	vec(struct reader_wait_stats) locks; /* when settled */
	bool settled;
};

struct wait_sums *wait_sums_new(void)
{
	return xcalloc(1, sizeof(struct wait_sums));
}

void wait_sums_free(struct wait_sums *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->groups.n; i++)
		vec_done(&x->groups.items[i].lengths);
	pool_done(&x->numbers);
	vec_done(&x->groups);
	vec_done(&x->locks);
	free(x);
}

static struct group *group_of(struct wait_sums *x, uint32_t lock, uint32_t thread)
{
	const uint32_t key[] = { lock, thread };
	bool is_new;
	uint32_t number = pool_number(&x->numbers, key, sizeof(key), &is_new);

	if (is_new)
		vec_push(&x->groups, ((struct group){ .stats = { .lock = lock, .thread = thread } }));
	return &x->groups.items[number];
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned b = ns >= 2048 ? 63 - (unsigned)__builtin_clzll(ns) - 10 : 0;

	return b < READER_HIST_BUCKETS ? b : READER_HIST_BUCKETS - 1;
}

void wait_sums_add(struct wait_sums *x, const struct wait *w)
{
	struct group *g = group_of(x, w->lock, w->thread);
	const uint64_t ns = w->t1_ns - w->t0_ns;

	g->stats.waits++;
	g->stats.wait_ns += ns;
	g->stats.asleep_ns += w->asleep_ns;
	g->stats.wake_latency_ns += w->wake_latency_ns;
	g->stats.ends[w->end]++;
	g->stats.hist[bucket_of(ns)]++;
	g->stats.hist_ns[bucket_of(ns)] += ns;
	vec_push(&g->lengths, ns);
}

/* ---- settling ---- */

static int by_length(const void *pa, const void *pb)
{
	const uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

/* Nearest rank: the smallest value with at least pct % of the values at or below it. */
static uint64_t rank_of(uint64_t n, unsigned pct)
{
	return n / 100 * pct + (n % 100 * pct + 99) / 100;
}

static void set_percentiles(struct reader_wait_stats *s, length_vec *lengths)
{
	const uint64_t n = lengths->n;

	if (!n)
		return;
	vec_sort(lengths, by_length);
	s->p50_ns = lengths->items[rank_of(n, 50) - 1];
	s->p99_ns = lengths->items[rank_of(n, 99) - 1];
	s->max_ns = lengths->items[n - 1];
}

static int by_lock_and_thread(const void *pa, const void *pb)
{
	const struct reader_wait_stats *a = &((const struct group *)pa)->stats, *b = &((const struct group *)pb)->stats;

	if (a->lock != b->lock)
		return a->lock < b->lock ? -1 : 1;
	return (a->thread > b->thread) - (a->thread < b->thread);
}

static void add_stats(struct reader_wait_stats *to, const struct reader_wait_stats *s)
{
	to->waits += s->waits;
	to->wait_ns += s->wait_ns;
	to->tallied_waits += s->tallied_waits;
	to->tallied_ns += s->tallied_ns;
	to->asleep_ns += s->asleep_ns;
	to->wake_latency_ns += s->wake_latency_ns;
	for (int e = 0; e < WAIT_END_N; e++)
		to->ends[e] += s->ends[e];
	for (int b = 0; b < READER_HIST_BUCKETS; b++) {
		to->hist[b] += s->hist[b];
		to->hist_ns[b] += s->hist_ns[b];
	}
}

/* The groups of one lock, which lie together; lengths is what they are gathered in. */
static size_t settle_lock(struct wait_sums *x, size_t from, length_vec *lengths)
{
	struct reader_wait_stats s = { .lock = x->groups.items[from].stats.lock, .thread = MODEL_NONE };
	size_t i;

	vec_clear(lengths);
	for (i = from; i < x->groups.n && x->groups.items[i].stats.lock == s.lock; i++) {
		struct group *g = &x->groups.items[i];

		set_percentiles(&g->stats, &g->lengths);
		add_stats(&s, &g->stats);
		vec_reserve(lengths, lengths->n + g->lengths.n);
		if (g->lengths.n)
			memcpy(lengths->items + lengths->n, g->lengths.items, g->lengths.n * sizeof(*lengths->items));
		lengths->n += g->lengths.n;
		vec_done(&g->lengths);
	}
	set_percentiles(&s, lengths);
	vec_push(&x->locks, s);
	return i;
}

static int add_counted(struct reader *r, struct wait_sums *x)
{
	struct query q;

	reader_query(r, &q, "the tallies", "SELECT lock, thread, sum(n), sum(ns) FROM tally"
		     " WHERE state IN (2, 3) AND lock IS NOT NULL GROUP BY lock, thread");
	while (reader_next(&q)) {
		uint32_t lock = col_must(&q, 0, r->info.locks, "an unknown lock");
		uint32_t thread = col_must(&q, 1, r->info.threads, "an unknown thread");
		uint64_t n = col_count(&q, 2), ns = col_count(&q, 3);
		struct reader_wait_stats *s;

		if (q.damaged)
			continue;
		s = &group_of(x, lock, thread)->stats;
		s->waits += n;
		s->wait_ns += ns;
		s->tallied_waits += n;
		s->tallied_ns += ns;
	}
	return reader_done(&q);
}

static int add_counted_sizes(struct reader *r, struct wait_sums *x)
{
	struct query q;

	reader_query(r, &q, "the tallies", "SELECT lock, thread, bucket, sum(h.n) FROM tally_hist h JOIN tally t ON t.id = h.tally"
		     " WHERE state IN (2, 3) AND lock IS NOT NULL GROUP BY lock, thread, bucket");
	while (reader_next(&q)) {
		uint32_t lock = col_must(&q, 0, r->info.locks, "an unknown lock");
		uint32_t thread = col_must(&q, 1, r->info.threads, "an unknown thread");
		unsigned bucket = (unsigned)col_int(&q, 2, 0, EV_AGG_BUCKETS - 1, "an impossible bucket");
		uint64_t n = col_count(&q, 3);

		if (!q.damaged)
			group_of(x, lock, thread)->stats.hist[bucket] += n;
	}
	return reader_done(&q);
}

static int ignore(void *ctx, const struct wait *w)
{
	(void)ctx, (void)w;
	return 0;
}

/* The sums, settled; made by a scan of their own when none has come along. */
static int sums(struct reader *r, struct wait_sums **ret)
{
	length_vec lengths = { 0 };
	int err = READER_SUM(r, wait_sums, reader_waits(r, ignore, NULL));
	struct wait_sums *x = *ret = r->wait_sums;

	if (err || x->settled)
		return err;
	err = add_counted(r, x);
	err = err ? err : add_counted_sizes(r, x);
	if (err)
		return err;
	vec_sort(&x->groups, by_lock_and_thread);
	for (size_t i = 0; i < x->groups.n;)
		i = settle_lock(x, i, &lengths);
	vec_done(&lengths);
	x->settled = true;
	return 0;
}

int reader_lock_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx)
{
	struct wait_sums *x;
	int err = sums(r, &x);

	for (size_t i = 0; !err && i < x->locks.n; i++)
		err = row(ctx, &x->locks.items[i]);
	return err;
}

int reader_thread_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx)
{
	struct wait_sums *x;
	int err = sums(r, &x);

	for (size_t i = 0; !err && i < x->groups.n; i++)
		err = row(ctx, &x->groups.items[i].stats);
	return err;
}
