/* Reading half, named queries: who made whom wait.
 *
 * Made along a scan of the credits: sums by (lock, waiter stack, holder stack, holder's state, system call), and by holder on
 * the way.  Credits are the largest table by far, so a report scans them once.  Credits of a wait
 * lie together, so a wait is counted once for a pair by remembering the last one.  What no credit explains (waits only
 * counted, or a damaged file) becomes a row with an unknown holder: per lock the sum is always the lock's waiting time. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/store/reader_priv.h"
#include "core/util/pool.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

struct thread_set { /* ascending, the first READER_BLAME_THREADS met */
	uint32_t *items;
	unsigned n, cap;
};

struct waiter_key { /* no padding: a pool's key */
	uint64_t stack;
	uint32_t lock, thread; /* thread: + 1; 0 all that wait at the stack */
};

struct holder_key { uint64_t stack; uint32_t state; int32_t nr; };

/* A waiter's side by a holder's side.  Credits come in millions and meet thousands of pairs, so what each of them touches is
 * small and lies together. */
struct pair {
	uint64_t sides; /* waiter's number, holder's number */
	uint64_t ns, waits, last_wait;
	uint64_t holders_in; /* those of threads 0 to 63 that are in the set already */
};
struct pair_threads { struct thread_set waiters, holders; };

struct lock_sum {
	uint64_t ns, waits; /* credited */
	uint64_t last_wait;
};

struct caused_sum {
	uint64_t ns, waits, last_wait;
	uint32_t holder, lock;
};

struct credit_sums {
	struct pool waiter_sides, holder_sides;
	uint32_t *last_side, n_stacks; /* by stack: the holder's side that was met last with it, + 1 */
	vec(struct pair) pairs;
	vec(struct pair_threads) threads; /* of each pair */
	uint32_t *slots; /* open hash of pairs: index + 1 */
	uint64_t n_slots, seed; /* seed: so that nobody can make a file whose pairs all collide */
	struct pool caused_numbers; /* of (holder, lock) */
	vec(struct caused_sum) caused;
	struct lock_sum *locks;
	uint32_t n_locks;
	uint64_t wait; /* the one whose credits come, and its waiter's side */
	uint32_t waiter_side;
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

static uint32_t holder_side(struct credit_sums *c, uint64_t stack, uint32_t state, int32_t nr)
{
	const struct holder_key key = { stack, state, nr };
	uint32_t *last = stack < c->n_stacks ? &c->last_side[stack] : &c->last_side[0];

	if (!*last || memcmp(pool_key(&c->holder_sides, *last - 1, NULL), &key, sizeof(key)))
		*last = pool_number(&c->holder_sides, &key, sizeof(key), NULL) + 1;
	return *last - 1;
}

static uint32_t waiter_side(struct credit_sums *c, uint64_t stack, uint32_t lock, uint32_t thread)
{
	const struct waiter_key key = { stack, lock, thread };

	return pool_number(&c->waiter_sides, &key, sizeof(key), NULL);
}

static uint64_t slot_of(const struct credit_sums *c, uint64_t sides)
{
	uint64_t h = (sides ^ c->seed) * 0x9e3779b97f4a7c15ULL, at = (h ^ h >> 32) & (c->n_slots - 1);

	while (c->slots[at] && c->pairs.items[c->slots[at] - 1].sides != sides)
		at = (at + 1) & (c->n_slots - 1);
	return at;
}

static void grow_slots(struct credit_sums *c)
{
	free(c->slots);
	c->n_slots = c->n_slots ? c->n_slots * 2 : 1024;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	for (size_t i = 0; i < c->pairs.n; i++)
		c->slots[slot_of(c, c->pairs.items[i].sides)] = (uint32_t)i + 1;
}

static size_t pair_of(struct credit_sums *c, uint32_t waiter, uint32_t holder)
{
	const uint64_t sides = (uint64_t)waiter << 32 | holder;
	uint64_t at;

	if (c->pairs.n * 2 >= c->n_slots)
		grow_slots(c);
	at = slot_of(c, sides);
	if (!c->slots[at]) {
		vec_push(&c->pairs, ((struct pair){ .sides = sides, .last_wait = UINT64_MAX }));
		vec_push(&c->threads, ((struct pair_threads){ 0 }));
		c->slots[at] = (uint32_t)c->pairs.n;
	}
	return c->slots[at] - 1;
}

static void add_caused(struct credit_sums *c, uint32_t holder, uint32_t lock, uint64_t wait, uint64_t ns)
{
	const uint32_t key[] = { holder, lock };
	struct caused_sum *s;
	uint32_t number;
	bool is_new;

	if (holder == MODEL_NONE)
		return;
	number = pool_number(&c->caused_numbers, key, sizeof(key), &is_new);
	if (is_new)
		vec_push(&c->caused, ((struct caused_sum){ .last_wait = UINT64_MAX, .holder = holder, .lock = lock }));
	s = &c->caused.items[number];
	s->ns += ns;
	s->waits += s->last_wait != wait;
	s->last_wait = wait;
}

void credit_sums_add(struct credit_sums *c, const struct wait *w, const struct credit *row)
{
	const uint64_t holder_bit = row->holder < 64 ? UINT64_C(1) << row->holder : 0;
	struct lock_sum *lock = &c->locks[w->lock];
	uint32_t waiter;
	struct pair *p;
	size_t pair;

	if (c->wait != row->wait)
		c->waiter_side = waiter_side(c, w->stack, w->lock, 0);
	c->wait = row->wait;
	/* of a lock that is no GIL (of a GIL's holder the state is known), only the thread may tell what the wait was for */
	waiter = !w->stack && row->holder != MODEL_NONE && row->state == HOLDER_UNKNOWN ? waiter_side(c, 0, w->lock, w->thread + 1) : c->waiter_side;
	pair = pair_of(c, waiter, holder_side(c, row->stack, row->state, row->nr));
	p = &c->pairs.items[pair];
	p->ns += row->ns;
	if (p->last_wait != row->wait) { /* of a wait the thread is the same */
		p->waits++;
		set_add(&c->threads.items[pair].waiters, w->thread);
	}
	p->last_wait = row->wait;
	if (!(p->holders_in & holder_bit))
		set_add(&c->threads.items[pair].holders, row->holder);
	p->holders_in |= holder_bit;
	add_caused(c, row->holder, w->lock, row->wait, row->ns);
	lock->ns += row->ns;
	lock->waits += lock->last_wait != row->wait;
	lock->last_wait = row->wait;
}

void credit_sums_free(struct credit_sums *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->threads.n; i++) {
		free(c->threads.items[i].waiters.items);
		free(c->threads.items[i].holders.items);
	}
	pool_done(&c->waiter_sides);
	pool_done(&c->holder_sides);
	free(c->last_side);
	vec_done(&c->pairs);
	vec_done(&c->threads);
	free(c->slots);
	pool_done(&c->caused_numbers);
	vec_done(&c->caused);
	free(c->locks);
	free(c);
}

struct credit_sums *credit_sums_new(const struct reader_info *info)
{
	struct credit_sums *c = xcalloc(1, sizeof(*c));

	c->wait = UINT64_MAX;
	c->n_stacks = info->stacks;
	c->last_side = xcalloc(c->n_stacks ? c->n_stacks : 1, sizeof(*c->last_side));
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
	struct pair *p;
	size_t pair;

	if (s->wait_ns <= credited->ns)
		return 0;
	pair = pair_of(c, waiter_side(c, 0, s->lock, 0), holder_side(c, 0, HOLDER_UNKNOWN, -1)); /* may move the pairs */
	p = &c->pairs.items[pair];
	p->ns += s->wait_ns - credited->ns;
	p->waits += s->waits > credited->waits ? s->waits - credited->waits : 0;
	return 0;
}

static struct reader_blame blame_of(const struct credit_sums *c, size_t pair)
{
	const struct pair *p = &c->pairs.items[pair];
	const struct pair_threads *t = &c->threads.items[pair];
	const struct waiter_key *waiter = pool_key(&c->waiter_sides, (uint32_t)(p->sides >> 32), NULL);
	const struct holder_key *holder = pool_key(&c->holder_sides, (uint32_t)p->sides, NULL);

	return (struct reader_blame){
		.lock = waiter->lock, .waiter_stack = waiter->stack, .holder_stack = holder->stack,
		.holder_state = (enum holder_state)holder->state, .nr = holder->nr, .ns = p->ns, .waits = p->waits,
		.waiters = t->waiters.items, .holders = t->holders.items, .n_waiters = t->waiters.n, .n_holders = t->holders.n,
	};
}

struct ranked_pair {
	uint64_t ns;
	size_t pair;
};

/* Most time first; then any order that does not depend on the hash. */
static int by_ns(const void *pa, const void *pb, void *ctx)
{
	const struct ranked_pair *ra = pa, *rb = pb;
	struct reader_blame a, b;

	if (ra->ns != rb->ns)
		return ra->ns > rb->ns ? -1 : 1;
	a = blame_of(ctx, ra->pair);
	b = blame_of(ctx, rb->pair);
	if (a.lock != b.lock)
		return a.lock < b.lock ? -1 : 1;
	if (a.waiter_stack != b.waiter_stack)
		return a.waiter_stack < b.waiter_stack ? -1 : 1;
	if (a.holder_stack != b.holder_stack)
		return a.holder_stack < b.holder_stack ? -1 : 1;
	if (a.holder_state != b.holder_state)
		return a.holder_state < b.holder_state ? -1 : 1;
	if (a.nr != b.nr)
		return a.nr < b.nr ? -1 : 1;
	return a.n_waiters && b.n_waiters ? (a.waiters[0] > b.waiters[0]) - (a.waiters[0] < b.waiters[0]) : (a.n_waiters > b.n_waiters) - (a.n_waiters < b.n_waiters);
}

static int give(struct credit_sums *c, unsigned limit, int (*row)(void *ctx, const struct reader_blame *b), void *ctx)
{
	vec(struct ranked_pair) ranked = { 0 };
	int err = 0;

	vec_reserve(&ranked, c->pairs.n);
	for (size_t i = 0; i < c->pairs.n; i++)
		vec_push(&ranked, ((struct ranked_pair){ c->pairs.items[i].ns, i }));
	if (ranked.n > 1)
		qsort_r(ranked.items, ranked.n, sizeof(*ranked.items), by_ns, c);
	for (size_t i = 0; i < ranked.n && !err && (!limit || i < limit); i++) {
		const struct reader_blame out = blame_of(c, ranked.items[i].pair);

		err = row(ctx, &out);
	}
	vec_done(&ranked);
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
