/* Reading half, named queries: how long one waited, by lock and by thread and lock, with exact percentiles.
 *
 * Made along a scan of the waits: sums and histogram of each (lock, thread) as they come, and all lengths, eight bytes each.
 * When the first question comes they are sorted, once by thread and lock, once by lock, and let go.  Waits that
 * were only counted add to the sums, the histogram and the percentiles. */
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
	struct wait_sizes sizes; /* of the counted */
	length_vec lengths; /* of the recorded, until they are settled */
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

void wait_sums_add(struct wait_sums *x, const struct wait *w)
{
	struct group *g = group_of(x, w->lock, w->thread);
	const uint64_t ns = w->t1_ns - w->t0_ns;

	g->stats.waits++;
	g->stats.wait_ns += ns;
	g->stats.asleep_ns += w->asleep_ns;
	g->stats.wake_latency_ns += w->wake_latency_ns;
	g->stats.ends[w->end]++;
	g->stats.hist[wait_class(ns)]++;
	g->stats.hist_ns[wait_class(ns)] += ns;
	vec_push(&g->lengths, ns);
}

/* ---- settling ---- */

static int by_length(const void *pa, const void *pb)
{
	const uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

static void set_percentiles(struct reader_wait_stats *s, struct wait_sizes *sizes, length_vec *lengths)
{
	bool from_class;

	vec_sort(lengths, by_length);
	sizes->lengths = lengths->items;
	sizes->n = lengths->n;
	for (unsigned b = 0; b < READER_HIST_BUCKETS; b++)
		s->hist[b] += sizes->counted[b];
	s->max_ns = lengths->n ? lengths->items[lengths->n - 1] : wait_quantile_ns(sizes, 100, &from_class);
	s->max_ns = s->max_ns < s->wait_ns ? s->max_ns : s->wait_ns;
	s->p50_ns = wait_quantile_ns(sizes, 50, &s->p50_from_class);
	s->p99_ns = wait_quantile_ns(sizes, 99, &s->p99_from_class);
	/* shorter ones are counted, so the longest recorded one is the longest of all */
	s->p50_ns = s->p50_ns < s->max_ns ? s->p50_ns : s->max_ns;
	s->p99_ns = s->p99_ns < s->max_ns ? s->p99_ns : s->max_ns;
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
	for (int b = 0; b < READER_HIST_BUCKETS; b++)
		to->hist_ns[b] += s->hist_ns[b];
}

/* The groups of one lock, which lie together; lengths is what they are gathered in. */
static size_t settle_lock(struct wait_sums *x, size_t from, length_vec *lengths)
{
	struct reader_wait_stats s = { .lock = x->groups.items[from].stats.lock, .thread = MODEL_NONE };
	struct wait_sizes sizes = { 0 };
	size_t i;

	vec_clear(lengths);
	for (i = from; i < x->groups.n && x->groups.items[i].stats.lock == s.lock; i++) {
		struct group *g = &x->groups.items[i];

		add_stats(&s, &g->stats);
		for (unsigned b = 0; b < READER_HIST_BUCKETS; b++) {
			s.hist[b] += g->stats.hist[b];
			sizes.counted[b] += g->sizes.counted[b];
		}
		set_percentiles(&g->stats, &g->sizes, &g->lengths);
		vec_reserve(lengths, lengths->n + g->lengths.n);
		if (g->lengths.n)
			memcpy(lengths->items + lengths->n, g->lengths.items, g->lengths.n * sizeof(*lengths->items));
		lengths->n += g->lengths.n;
		vec_done(&g->lengths);
	}
	set_percentiles(&s, &sizes, lengths);
	vec_push(&x->locks, s);
	return i;
}

/* What has no size class, as other locks have not, is taken to be as long as the mean. */
static void spread_unsized(struct group *g)
{
	uint64_t sized = 0, sized_ns = 0;
	const uint64_t n = g->stats.tallied_waits, ns = g->stats.tallied_ns;

	for (unsigned b = 0; b < READER_HIST_BUCKETS; b++) {
		sized += g->sizes.counted[b];
		sized_ns += g->sizes.counted[b] * (UINT64_C(1536) << b);
	}
	if (sized < n)
		wait_sizes_add_mean(&g->sizes, n - sized, ns > sized_ns ? ns - sized_ns : 0);
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
			group_of(x, lock, thread)->sizes.counted[bucket] += n;
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
	for (size_t i = 0; i < x->groups.n; i++)
		spread_unsized(&x->groups.items[i]);
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
