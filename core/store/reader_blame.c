/* Reading half, named query: who made whom wait.
 *
 * One scan of the credits joined with their waits, summed by (lock, waiter stack, holder stack, holder's state, system
 * call).  Credits of a wait lie together, so a wait is counted once for a pair by remembering the last one.  What no
 * credit explains (waits only counted, or a damaged file) becomes a row with an unknown holder: per lock the sum is
 * always the lock's waiting time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/reader_priv.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

struct thread_set { /* ascending, the first READER_BLAME_THREADS met */
	uint32_t *items;
	unsigned n, cap;
};

struct pair_key {
	uint64_t waiter_stack, holder_stack;
	uint32_t lock, state;
	int64_t nr;
};

struct pair {
	struct pair_key key;
	uint64_t ns, waits, last_wait;
	struct thread_set waiters, holders;
	UT_hash_handle hh;
};

struct lock_sum {
	uint64_t ns, waits; /* credited */
	uint64_t last_wait;
};

struct blame {
	struct pair *pairs;
	struct lock_sum *locks;
};

static void set_add(struct thread_set *set, uint32_t thread)
{
	unsigned at = 0;

	if (thread == MODEL_NONE)
		return;
	while (at < set->n && set->items[at] < thread)
		at++;
	if ((at < set->n && set->items[at] == thread) || set->n >= READER_BLAME_THREADS)
		return;
	if (set->n == set->cap) {
		set->cap = set->cap ? set->cap * 2 : 4;
		set->items = xrealloc_array(set->items, set->cap, sizeof(*set->items));
	}
	memmove(&set->items[at + 1], &set->items[at], (set->n - at) * sizeof(*set->items));
	set->items[at] = thread;
	set->n++;
}

static struct pair *pair_of(struct blame *b, const struct pair_key *key)
{
	struct pair *p;

	HASH_FIND(hh, b->pairs, key, sizeof(*key), p);
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->key = *key;
	p->last_wait = UINT64_MAX;
	HASH_ADD(hh, b->pairs, key, sizeof(p->key), p);
	return p;
}

static void add_credit(struct blame *b, struct query *q)
{
	const struct reader_info *i = &q->r->info;
	uint64_t wait = col_u64(q, 0), ns = col_span(q, 5);
	uint32_t holder = col_id(q, 1, i->threads, "an unknown thread");
	uint32_t waiter = col_must(q, 6, i->threads, "an unknown thread");
	struct pair_key key = {
		.waiter_stack = col_stack(q, 8),
		.holder_stack = col_stack(q, 4),
		.lock = col_must(q, 7, i->locks, "an unknown lock"),
		.state = (uint32_t)col_int(q, 2, 0, HOLDER_STATE_N - 1, "an unknown state"),
		.nr = col_nr(q, 3),
	};
	struct pair *p;

	if (q->damaged)
		return;
	p = pair_of(b, &key);
	p->ns += ns;
	if (p->last_wait != wait)
		p->waits++;
	p->last_wait = wait;
	set_add(&p->waiters, waiter);
	set_add(&p->holders, holder);
	b->locks[key.lock].ns += ns;
	if (b->locks[key.lock].last_wait != wait)
		b->locks[key.lock].waits++;
	b->locks[key.lock].last_wait = wait;
}

static int add_credits(struct reader *r, struct blame *b)
{
	struct query q;

	reader_query(r, &q, "the credits", "SELECT c.wait, c.holder, c.state, c.nr, c.stack, c.ns, w.thread, w.lock, w.stack"
		     " FROM credit c CROSS JOIN wait w ON w.id = c.wait ORDER BY c.rowid");
	while (reader_next(&q))
		add_credit(b, &q);
	return reader_done(&q);
}

static int add_unexplained(void *ctx, const struct reader_wait_stats *s)
{
	struct blame *b = ctx;
	const struct lock_sum *credited = &b->locks[s->lock];
	struct pair_key key = { .lock = s->lock, .state = HOLDER_UNKNOWN, .nr = -1 };
	struct pair *p;

	if (s->wait_ns <= credited->ns)
		return 0;
	p = pair_of(b, &key);
	p->ns += s->wait_ns - credited->ns;
	p->waits += s->waits > credited->waits ? s->waits - credited->waits : 0;
	return 0;
}

/* Most time first; then any order that does not depend on the hash. */
static int by_ns(const struct pair *a, const struct pair *b)
{
	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	if (a->key.lock != b->key.lock)
		return a->key.lock < b->key.lock ? -1 : 1;
	if (a->key.waiter_stack != b->key.waiter_stack)
		return a->key.waiter_stack < b->key.waiter_stack ? -1 : 1;
	if (a->key.holder_stack != b->key.holder_stack)
		return a->key.holder_stack < b->key.holder_stack ? -1 : 1;
	if (a->key.state != b->key.state)
		return a->key.state < b->key.state ? -1 : 1;
	return a->key.nr < b->key.nr ? -1 : a->key.nr > b->key.nr;
}

static int give(struct blame *b, unsigned limit, int (*row)(void *ctx, const struct reader_blame *b), void *ctx)
{
	unsigned n = 0;
	int err = 0;

	HASH_SORT(b->pairs, by_ns);
	for (const struct pair *p = b->pairs; p && !err && (!limit || n < limit); p = p->hh.next, n++) {
		struct reader_blame out = {
			.lock = p->key.lock,
			.waiter_stack = p->key.waiter_stack,
			.holder_stack = p->key.holder_stack,
			.holder_state = (enum holder_state)p->key.state,
			.nr = (int32_t)p->key.nr,
			.ns = p->ns,
			.waits = p->waits,
			.waiters = p->waiters.items,
			.holders = p->holders.items,
			.n_waiters = p->waiters.n,
			.n_holders = p->holders.n,
		};

		err = row(ctx, &out);
	}
	return err;
}

int reader_blame(struct reader *r, unsigned limit, int (*row)(void *ctx, const struct reader_blame *b), void *ctx)
{
	struct blame b = { .locks = xcalloc(r->info.locks ? r->info.locks : 1, sizeof(*b.locks)) };
	struct pair *p, *next;
	int err;

	for (uint32_t i = 0; i < r->info.locks; i++)
		b.locks[i].last_wait = UINT64_MAX;
	err = add_credits(r, &b);
	if (!err)
		err = reader_lock_waits(r, add_unexplained, &b);
	if (!err)
		err = give(&b, limit, row, ctx);
	HASH_ITER(hh, b.pairs, p, next) {
		HASH_DEL(b.pairs, p);
		free(p->waiters.items);
		free(p->holders.items);
		free(p);
	}
	free(b.locks);
	return err;
}
