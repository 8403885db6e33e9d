/* Reading half, named queries: who made whom wait.
 *
 * Made along a scan of the credits: sums by (lock, waiter stack, holder stack, holder's state, system call), and by holder on
 * the way.  Credits are the largest table by far, so a report scans them once.  Credits of a wait
 * lie together, so a wait is counted once for a pair by remembering the last one.  What no credit explains (waits only
 * counted, or a damaged file) becomes a row with an unknown holder: per lock the sum is always the lock's waiting time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/store/reader_priv.h"
#include "core/util/arena.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

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
	uint32_t last_holder;
	struct thread_set waiters, holders;
};

struct lock_sum {
	uint64_t ns, waits; /* credited */
	uint64_t last_wait;
};

struct caused_sum {
	uint64_t ns, waits, last_wait;
	uint32_t holder, lock;
};

/* Open hash of indices + 1, a power of two in size. */
struct slots {
	uint32_t *at;
	uint64_t size;
};

struct credit_sums {
	struct arena memory; /* of the pairs */
	vec(struct pair *) pairs;
	vec(struct caused_sum) caused;
	struct slots pair_slots, caused_slots;
	struct lock_sum *locks;
	uint32_t n_locks;
	uint64_t seed; /* so that nobody can make a file whose keys all collide */
};

static void set_add(struct thread_set *set, uint32_t thread)
{
	unsigned at = 0, end = set->n;

	if (thread == MODEL_NONE)
		return;
	while (at < end) {
		unsigned mid = at + (end - at) / 2;

		if (set->items[mid] < thread)
			at = mid + 1;
		else
			end = mid;
	}
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

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static uint64_t pair_hash(const struct credit_sums *c, const struct pair_key *k)
{
	uint64_t h = mix(mix(c->seed, k->waiter_stack), k->holder_stack);

	return mix(mix(h, (uint64_t)k->lock << 32 | k->state), (uint64_t)k->nr);
}

static uint64_t caused_hash(const struct credit_sums *c, uint32_t holder, uint32_t lock)
{
	return mix(c->seed, (uint64_t)holder << 32 | lock);
}

static void slots_put(struct slots *s, uint64_t hash, size_t index)
{
	uint64_t at = hash & (s->size - 1);

	while (s->at[at])
		at = (at + 1) & (s->size - 1);
	s->at[at] = (uint32_t)index + 1;
}

/* Room for one more; true: emptied, to be filled again. */
static bool slots_grow(struct slots *s, size_t n)
{
	if (n * 2 < s->size)
		return false;
	free(s->at);
	s->size = s->size ? s->size * 2 : 1024;
	s->at = xcalloc(s->size, sizeof(*s->at));
	return true;
}

static struct pair *pair_of(struct credit_sums *c, const struct pair_key *key)
{
	const uint64_t hash = pair_hash(c, key);
	struct pair *p;

	for (uint64_t at = hash & (c->pair_slots.size - 1); c->pair_slots.size && c->pair_slots.at[at];
	     at = (at + 1) & (c->pair_slots.size - 1)) {
		p = c->pairs.items[c->pair_slots.at[at] - 1];
		if (!memcmp(&p->key, key, sizeof(*key)))
			return p;
	}
	p = arena_alloc(&c->memory, sizeof(*p));
	p->key = *key;
	p->last_wait = UINT64_MAX;
	p->last_holder = MODEL_NONE; /* which is in no set */
	if (slots_grow(&c->pair_slots, c->pairs.n + 1))
		for (size_t i = 0; i < c->pairs.n; i++)
			slots_put(&c->pair_slots, pair_hash(c, &c->pairs.items[i]->key), i);
	slots_put(&c->pair_slots, hash, c->pairs.n);
	vec_push(&c->pairs, p);
	return p;
}

static struct caused_sum *caused_of(struct credit_sums *c, uint32_t holder, uint32_t lock)
{
	const uint64_t hash = caused_hash(c, holder, lock);

	for (uint64_t at = hash & (c->caused_slots.size - 1); c->caused_slots.size && c->caused_slots.at[at];
	     at = (at + 1) & (c->caused_slots.size - 1)) {
		struct caused_sum *s = &c->caused.items[c->caused_slots.at[at] - 1];

		if (s->holder == holder && s->lock == lock)
			return s;
	}
	if (slots_grow(&c->caused_slots, c->caused.n + 1))
		for (size_t i = 0; i < c->caused.n; i++)
			slots_put(&c->caused_slots, caused_hash(c, c->caused.items[i].holder, c->caused.items[i].lock), i);
	slots_put(&c->caused_slots, hash, c->caused.n);
	vec_push(&c->caused, ((struct caused_sum){ .last_wait = UINT64_MAX, .holder = holder, .lock = lock }));
	return vec_last(&c->caused);
}

static void add_caused(struct credit_sums *c, uint32_t holder, uint32_t lock, uint64_t wait, uint64_t ns)
{
	struct caused_sum *s = holder == MODEL_NONE ? NULL : caused_of(c, holder, lock);

	if (!s)
		return;
	s->ns += ns;
	s->waits += s->last_wait != wait;
	s->last_wait = wait;
}

void credit_sums_add(struct credit_sums *c, const struct wait *w, const struct credit *row)
{
	const struct pair_key key = {
		.waiter_stack = w->stack, .holder_stack = row->stack, .lock = w->lock, .state = row->state, .nr = row->nr,
	};
	struct lock_sum *lock = &c->locks[w->lock];
	struct pair *p = pair_of(c, &key);

	p->ns += row->ns;
	if (p->last_wait != row->wait) { /* of a wait the thread is the same */
		p->waits++;
		set_add(&p->waiters, w->thread);
	}
	p->last_wait = row->wait;
	if (p->last_holder != row->holder)
		set_add(&p->holders, row->holder);
	p->last_holder = row->holder;
	add_caused(c, row->holder, w->lock, row->wait, row->ns);
	lock->ns += row->ns;
	lock->waits += lock->last_wait != row->wait;
	lock->last_wait = row->wait;
}

void credit_sums_free(struct credit_sums *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->pairs.n; i++) {
		free(c->pairs.items[i]->waiters.items);
		free(c->pairs.items[i]->holders.items);
	}
	arena_done(&c->memory);
	vec_done(&c->pairs);
	vec_done(&c->caused);
	free(c->pair_slots.at);
	free(c->caused_slots.at);
	free(c->locks);
	free(c);
}

struct credit_sums *credit_sums_new(const struct reader_info *info)
{
	struct credit_sums *c = xcalloc(1, sizeof(*c));

	c->n_locks = info->locks;
	c->locks = xcalloc(c->n_locks ? c->n_locks : 1, sizeof(*c->locks));
	for (uint32_t i = 0; i < c->n_locks; i++)
		c->locks[i].last_wait = UINT64_MAX;
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) < 0)
		c->seed = (uintptr_t)c;
	return c;
}

static int ignore(void *ctx, const struct wait *w, const struct credit *c)
{
	(void)ctx, (void)w, (void)c;
	return 0;
}

static int sums(struct reader *r)
{
	return READER_SUM(r, credit_sums, reader_credits(r, ignore, NULL));
}

static int add_unexplained(void *ctx, const struct reader_wait_stats *s)
{
	struct credit_sums *c = ctx;
	const struct lock_sum none = { 0 }, *credited = s->lock < c->n_locks ? &c->locks[s->lock] : &none;
	struct pair_key key = { .lock = s->lock, .state = HOLDER_UNKNOWN, .nr = -1 };
	struct pair *p;

	if (s->wait_ns <= credited->ns)
		return 0;
	p = pair_of(c, &key);
	p->ns += s->wait_ns - credited->ns;
	p->waits += s->waits > credited->waits ? s->waits - credited->waits : 0;
	return 0;
}

/* Most time first; then any order that does not depend on the hash. */
static int by_ns(const void *pa, const void *pb)
{
	const struct pair *a = *(struct pair *const *)pa, *b = *(struct pair *const *)pb;

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

static int give(struct credit_sums *c, unsigned limit, int (*row)(void *ctx, const struct reader_blame *b), void *ctx)
{
	int err = 0;

	vec_sort(&c->pairs, by_ns);
	for (size_t i = 0; i < c->pairs.n && !err && (!limit || i < limit); i++) {
		const struct pair *p = c->pairs.items[i];
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
	int err = sums(r);
	struct credit_sums *c = r->credit_sums;

	if (err)
		return err;
	r->credit_sums = NULL; /* used up: what is counted only is added to it */
	err = reader_lock_waits(r, add_unexplained, c);
	if (!err)
		err = give(c, limit, row, ctx);
	credit_sums_free(c);
	return err;
}

static int by_holder(const void *pa, const void *pb)
{
	const struct caused_sum *a = *(const struct caused_sum *const *)pa, *b = *(const struct caused_sum *const *)pb;

	if (a->holder != b->holder)
		return a->holder < b->holder ? -1 : 1;
	return (a->lock > b->lock) - (a->lock < b->lock);
}

void reader_take_credits(struct reader *r, struct reader *from)
{
	credit_sums_free(r->credit_sums);
	r->credit_sums = from->credit_sums;
	from->credit_sums = NULL;
}

int reader_caused(struct reader *r, int (*row)(void *ctx, const struct reader_caused *c), void *ctx)
{
	vec(const struct caused_sum *) order = { 0 };
	int err = sums(r);

	for (size_t i = 0; !err && i < r->credit_sums->caused.n; i++)
		vec_push(&order, &r->credit_sums->caused.items[i]);
	vec_sort(&order, by_holder);
	for (size_t i = 0; i < order.n && !err; i++) {
		const struct caused_sum *s = order.items[i];
		struct reader_caused out = { .holder = s->holder, .lock = s->lock, .ns = s->ns, .waits = s->waits };

		err = row(ctx, &out);
	}
	vec_done(&order);
	return err;
}
