/* See flame_sums.h.  Counted stretches (tallies) have no stack: they are sums without one, so that totals stay whole. */
#include "viewer/export/flame_sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"
#include "viewer/export/roster.h"

const char *const flame_weight_names[FLAME_WEIGHT_N] = {
	[FLAME_GIL] = "gil", [FLAME_NOGIL] = "nogil", [FLAME_WAIT] = "wait",
	[FLAME_BLAME] = "blame", [FLAME_BLOCKED] = "blocked", [FLAME_LOCKS] = "locks",
};

struct entry {
	struct flame_sum sum; /* key: everything before n */
	UT_hash_handle hh;
};
#define KEY_BYTES offsetof(struct flame_sum, n)
_Static_assert(KEY_BYTES == 32, "the key has no hidden padding");

struct collect {
	struct entry *entries;
	struct roster *ro;
	enum flame_weight weight;
	uint64_t sample_ns;
};

enum flame_weight flame_weight_find(const char *name)
{
	for (unsigned w = 0; w < FLAME_WEIGHT_N; w++)
		if (!strcmp(flame_weight_names[w], name))
			return (enum flame_weight)w;
	return FLAME_WEIGHT_N;
}

bool flame_weight_sampled(enum flame_weight w)
{
	return w == FLAME_GIL || w == FLAME_NOGIL;
}

static void add(struct collect *c, struct flame_sum key, uint64_t n, uint64_t ns)
{
	struct entry *e;

	HASH_FIND(hh, c->entries, &key, KEY_BYTES, e);
	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->sum = key;
		e->sum.n = e->sum.ns = 0;
		HASH_ADD(hh, c->entries, sum, KEY_BYTES, e);
	}
	e->sum.n += n;
	e->sum.ns += ns;
}

static int on_samples(void *ctx, const struct reader_sample_sum *s)
{
	struct collect *c = ctx;

	if ((s->state == STATE_GIL) == (c->weight == FLAME_GIL))
		add(c, (struct flame_sum){.thread = s->thread, .lock = MODEL_NONE, .stack = s->stack}, s->n, s->n * c->sample_ns);
	return 0;
}

/* Is it a lock this weight is about? */
static bool counts(const struct collect *c, uint32_t lock)
{
	return (roster_lock(c->ro, lock)->kind == LOCK_GIL) != (c->weight == FLAME_LOCKS);
}

static int on_wait(void *ctx, const struct wait *w)
{
	struct collect *c = ctx;

	if (counts(c, w->lock))
		add(c, (struct flame_sum){.thread = w->thread, .lock = roster_use(c->ro, w), .stack = w->stack}, 1, w->t1_ns - w->t0_ns);
	return 0;
}

static int on_interval(void *ctx, const struct interval *i)
{
	if (i->state == STATE_BLOCKED || i->state == STATE_SLEEP)
		add(ctx, (struct flame_sum){.thread = i->thread, .lock = MODEL_NONE, .stack = i->stack, .nr_known = i->nr >= 0, .nr = i->nr},
		    1, i->t1_ns - i->t0_ns);
	return 0;
}

static int on_tally(void *ctx, const struct tally *t)
{
	struct collect *c = ctx;
	bool blocked = t->state == STATE_BLOCKED || t->state == STATE_SLEEP, wait = t->state == STATE_WAIT_GIL || t->state == STATE_WAIT_LOCK;

	if (c->weight == FLAME_BLOCKED ? blocked : wait && counts(c, t->lock))
		add(c, (struct flame_sum){.thread = t->thread, .lock = blocked ? MODEL_NONE : t->lock, .nr = blocked ? -1 : 0}, t->n, t->ns);
	return 0;
}

/* Blame rows are already summed over their threads; one holder of several is not told apart in them. */
static int on_blame(void *ctx, const struct reader_blame *b)
{
	struct collect *c = ctx;
	struct wait waiter = { .lock = b->lock, .thread = b->n_waiters == 1 ? b->waiters[0] : MODEL_NONE, .stack = b->waiter_stack };

	if (counts(c, b->lock))
		add(c, (struct flame_sum){.thread = b->n_holders == 1 ? b->holders[0] : MODEL_NONE, .lock = roster_use(c->ro, &waiter), .stack = b->holder_stack,
					  .nr_known = b->nr >= 0, .nr = b->nr, .holder_state = b->holder_state}, b->waits, b->ns);
	return 0;
}

static int compare_sums(const void *a, const void *b)
{
	const struct flame_sum *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	return memcmp(x, y, KEY_BYTES);
}

static void finish(struct flame_sums *ret, struct collect *c)
{
	struct entry *e, *next;

	memset(ret, 0, sizeof(*ret));
	ret->items = xcalloc(HASH_COUNT(c->entries) + 1, sizeof(*ret->items));
	HASH_ITER(hh, c->entries, e, next) {
		HASH_DEL(c->entries, e);
		ret->items[ret->n++] = e->sum;
		ret->total_ns += e->sum.ns;
		ret->total_n += e->sum.n;
		free(e);
	}
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_sums);
}

int flame_sums_load(struct flame_sums *ret, struct reader *r, struct roster *ro, enum flame_weight weight)
{
	uint32_t hz = reader_info(r)->sample_hz;
	struct collect c = {.ro = ro, .weight = weight, .sample_ns = hz ? 1000000000u / hz : 0};
	int err;

	if (flame_weight_sampled(weight))
		err = reader_sample_sums(r, on_samples, &c);
	else if (weight == FLAME_BLAME)
		err = reader_blame(r, 0, on_blame, &c);
	else if (!(err = weight == FLAME_BLOCKED ? reader_intervals(r, MODEL_NONE, on_interval, &c) : reader_waits(r, on_wait, &c)))
		err = reader_tallies(r, on_tally, &c);
	finish(ret, &c);
	if (err)
		flame_sums_done(ret);
	return err;
}

void flame_sums_done(struct flame_sums *s)
{
	free(s->items);
	memset(s, 0, sizeof(*s));
}

void flame_leaf(const struct flame_sum *s, enum flame_weight weight, const struct roster *ro, char ret[FLAME_LEAF_MAX])
{
	const char *name = s->nr_known ? syscall_name(s->nr) : NULL;

	*ret = '\0';
	if (weight == FLAME_WAIT || weight == FLAME_LOCKS)
		snprintf(ret, FLAME_LEAF_MAX, "[%s wait]", roster_lock(ro, s->lock)->name);
	else if (weight == FLAME_BLAME && s->holder_state == HOLDER_PREEMPTED)
		snprintf(ret, FLAME_LEAF_MAX, "[preempted]");
	else if (name)
		snprintf(ret, FLAME_LEAF_MAX, "[%s]", name);
	else if (s->nr_known)
		snprintf(ret, FLAME_LEAF_MAX, "[system call %d]", s->nr);
	else if (weight == FLAME_BLAME && s->holder_state == HOLDER_UNKNOWN)
		snprintf(ret, FLAME_LEAF_MAX, "[holder unknown]");
}
