/* See pieces.h. */
#include "viewer/html/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "core/util/xalloc.h"
#include "viewer/html/rows.h"

enum { SLOTS_MIN = 1024, UNKNOWN_MAX = 64 };

struct piece_sum { /* of one key in the wait being worked on */
	struct piece_key key;
	uint64_t actual, predicted;
	uint32_t slot;
};

struct region { /* part of a hold, by offsets in it, whose pieces are not known yet */
	uint32_t hold; /* row */
	uint64_t from, to; /* to: up to there the wait goes */
};

void pieces_init(struct pieces *p, const struct rows *x)
{
	*p = (struct pieces){ .x = x, .n_slots = SLOTS_MIN };
	p->holds = xcalloc(x->holds.n ? x->holds.n : 1, sizeof(*p->holds));
	p->seen = xcalloc(x->waits.n ? x->waits.n : 1, sizeof(*p->seen));
	p->slots = xcalloc(p->n_slots, sizeof(*p->slots));
	for (size_t i = 0; i < x->holds.n; i++)
		p->holds[i].known_from = x->holds.items[i].t1 - x->holds.items[i].t0;
}

void pieces_done(struct pieces *p)
{
	free(p->holds);
	free(p->seen);
	free(p->sums);
	free(p->slots);
	vec_done(&p->items);
	vec_done(&p->deltas);
}

/* ---- sums by key ---- */

static uint32_t slot_of(const struct pieces *p, const struct piece_key *k)
{
	uint64_t h = ((uint64_t)k->holder << 32 | k->stack) * 0x9e3779b97f4a7c15ULL;

	h ^= ((uint64_t)k->nr << 8 | k->state) * 0xd6e8feb86659fd93ULL;
	return (uint32_t)(h >> 32) & (uint32_t)(p->n_slots - 1);
}

static void grow_slots(struct pieces *p)
{
	free(p->slots);
	p->n_slots *= 2;
	p->slots = xcalloc(p->n_slots, sizeof(*p->slots));
	for (size_t i = 0; i < p->n_sums; i++) {
		uint32_t at = slot_of(p, &p->sums[i].key);

		while (p->slots[at])
			at = (at + 1) & (uint32_t)(p->n_slots - 1);
		p->slots[at] = (uint32_t)i + 1;
		p->sums[i].slot = at;
	}
}

static struct piece_sum *sum_of(struct pieces *p, struct piece_key key)
{
	uint32_t at = slot_of(p, &key);

	for (; p->slots[at]; at = (at + 1) & (uint32_t)(p->n_slots - 1))
		if (!memcmp(&p->sums[p->slots[at] - 1].key, &key, sizeof(key)))
			return &p->sums[p->slots[at] - 1];
	if (p->n_sums == p->cap_sums) {
		p->cap_sums = p->cap_sums ? p->cap_sums * 2 : 256;
		p->sums = xrealloc_array(p->sums, p->cap_sums, sizeof(*p->sums));
	}
	p->sums[p->n_sums] = (struct piece_sum){ .key = key, .slot = at };
	p->slots[at] = (uint32_t)++p->n_sums;
	if (p->n_sums * 2 > p->n_slots)
		grow_slots(p);
	return &p->sums[p->n_sums - 1];
}

static void clear_sums(struct pieces *p)
{
	for (size_t i = 0; i < p->n_sums; i++)
		p->slots[p->sums[i].slot] = 0;
	p->n_sums = 0;
}

static struct piece_key nobody(void)
{
	return (struct piece_key){ .holder = MODEL_NONE, .state = HOLDER_UNKNOWN };
}

/* ---- what is known predicts ---- */

static void predict_known(struct pieces *p, uint32_t hold, uint64_t from, uint64_t to)
{
	const struct row_hold *h = &p->x->holds.items[hold];
	uint64_t at = p->holds[hold].known_from;

	for (uint32_t i = p->holds[hold].first; i && at < to; i = p->items.items[i - 1].next) {
		const struct piece *k = &p->items.items[i - 1];
		uint64_t a = at > from ? at : from, b = at + k->ns < to ? at + k->ns : to;

		if (b > a)
			sum_of(p, (struct piece_key){ .holder = h->thread, .stack = k->stack, .nr = k->nr, .state = k->state })
				->predicted += b - a;
		at += k->ns;
	}
}

static void push_front(struct pieces *p, uint32_t hold, uint64_t ns, uint32_t stack, uint16_t nr, uint8_t state)
{
	struct piece_hold *h = &p->holds[hold];

	if (!ns)
		return;
	vec_push(&p->items, ((struct piece){ .ns = ns, .stack = stack, .nr = nr, .state = state, .next = h->first }));
	h->first = (uint32_t)p->items.n;
	h->known_from -= ns;
}

/* Nothing tells: it ran, where it was seen. */
static void assume(struct pieces *p, const struct region *r)
{
	struct piece_hold *h = &p->holds[r->hold];

	if (h->known_from > r->from)
		push_front(p, r->hold, h->known_from - r->from, p->x->holds.items[r->hold].stack, 0, HOLDER_RUNNING);
	predict_known(p, r->hold, r->from, r->to);
}

/* ---- what is left teaches ---- */

static bool lonely(const struct pieces *p, const struct region *regions, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && p->x->holds.items[regions[k].hold].thread == p->x->holds.items[regions[i].hold].thread)
			return false;
	return true;
}

/* The rest of the holder's credits fills the region, the innermost part of the list first: pieces go in front. */
static bool learn(struct pieces *p, const struct region *r)
{
	struct piece_hold *h = &p->holds[r->hold];
	const uint32_t thread = p->x->holds.items[r->hold].thread;
	const uint64_t until = h->known_from < r->to ? h->known_from : r->to, wanted = until - r->from;
	uint64_t left = 0;
	bool last = true;

	for (size_t i = 0; i < p->n_sums; i++)
		if (p->sums[i].key.holder == thread && p->sums[i].actual > p->sums[i].predicted)
			left += p->sums[i].actual - p->sums[i].predicted;
	if (left != wanted)
		return false;
	for (size_t i = p->n_sums; i--;) {
		struct piece_sum *s = &p->sums[i];
		uint64_t ns = s->actual > s->predicted ? s->actual - s->predicted : 0;

		if (s->key.holder != thread || !ns)
			continue;
		/* a wait that ends inside the hold: what comes after is taken to be the same */
		push_front(p, r->hold, ns + (last ? h->known_from - until : 0), s->key.stack, s->key.nr, s->key.state);
		s->predicted = s->actual;
		last = false;
	}
	return true;
}

static size_t first_hold(const struct rows *x, uint32_t lock, uint64_t t)
{
	const uint32_t after = rows_hold_after(x, lock, t);

	return after > x->holds_by_lock.first[lock] ? after - 1 : after;
}

static void predict(struct pieces *p, const struct row_wait *w)
{
	const struct order *o = &p->x->holds_by_lock;
	struct region unknown[UNKNOWN_MAX];
	uint64_t a = w->t0;
	size_t n = 0;

	for (size_t i = first_hold(p->x, w->lock, w->t0); i < o->first[w->lock + 1]; i++) {
		const struct row_hold *h = &p->x->holds.items[o->row[i]];
		uint64_t from = h->t0 > a ? h->t0 : a, to = h->t1 < w->t1 ? h->t1 : w->t1;
		struct region r = { .hold = o->row[i], .from = from - h->t0, .to = to - h->t0 };

		if (h->t0 >= w->t1)
			break;
		if (to <= from || h->thread == w->thread)
			continue;
		if (from > a)
			sum_of(p, nobody())->predicted += from - a;
		a = to;
		if (r.from >= p->holds[r.hold].known_from) {
			predict_known(p, r.hold, r.from, r.to);
		} else if (n == UNKNOWN_MAX) {
			assume(p, &r);
		} else {
			predict_known(p, r.hold, r.from, r.to);
			unknown[n++] = r;
		}
	}
	if (w->t1 > a)
		sum_of(p, nobody())->predicted += w->t1 - a;
	for (size_t i = 0; i < n; i++) {
		struct region r = unknown[i];

		if (lonely(p, unknown, n, i) && learn(p, &r))
			continue;
		r.to = p->holds[r.hold].known_from < r.to ? p->holds[r.hold].known_from : r.to; /* the rest is in already */
		assume(p, &r);
	}
}

static void keep_differences(struct pieces *p, uint32_t wait)
{
	size_t before = p->deltas.n;

	for (size_t i = 0; i < p->n_sums; i++)
		if (p->sums[i].actual != p->sums[i].predicted)
			vec_push(&p->deltas, ((struct piece_delta){ .ns = (int64_t)(p->sums[i].actual - p->sums[i].predicted),
								    .wait = wait, .key = p->sums[i].key }));
	p->exact += p->deltas.n == before;
}

void pieces_wait(struct pieces *p, uint32_t wait, const struct credit *credits, size_t n)
{
	const bool again = p->seen[wait]; /* its credits do not lie together: the rest is added to what was worked out */

	for (size_t i = 0; i < n; i++) {
		struct piece_key key = { .holder = credits[i].holder, .stack = (uint32_t)credits[i].stack, .nr = (uint16_t)(credits[i].nr + 1),
					 .state = (uint8_t)credits[i].state };

		sum_of(p, key)->actual += credits[i].ns;
	}
	p->seen[wait] = true;
	if (!again)
		predict(p, &p->x->waits.items[wait]);
	keep_differences(p, wait);
	clear_sums(p);
}

void pieces_finish(struct pieces *p)
{
	for (uint32_t i = 0; i < p->x->waits.n; i++)
		if (!p->seen[i])
			pieces_wait(p, i, NULL, 0);
	for (uint32_t i = 0; i < p->x->holds.n; i++)
		assume(p, &(struct region){ .hold = i, .from = 0, .to = 0 });
}
