/* See reduce.h. */
#include "viewer/html/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "core/util/xalloc.h"
#include "viewer/html/rows.h"

enum { SUMS = 8, CLASSES = 62 * 16 };
#define WINDOW_NS UINT64_C(250000000)

const struct reduce_limits reduce_usual = { .intervals = 3000000, .credits = 12000000, .to_intervals = 1000000, .to_credits = 4000000 };

struct reduce_wait { uint64_t t0, t1; bool kept; };

/* Sixteen classes an octave: lengths crowd around the switch interval. */
static unsigned class_of(uint64_t ns)
{
	const unsigned octave = ns >= 16 ? 64 - (unsigned)__builtin_clzll(ns) - 1 - 4 : 0;

	return octave * 16 + (unsigned)(ns >> octave);
}

static uint64_t shortest_of(unsigned class)
{
	return class < 32 ? class : (uint64_t)(16 + class % 16) << (class / 16 - 1);
}

/* The shortest length of which, and of longer ones, there are no more than `room`. */
static uint64_t threshold(const uint64_t counts[CLASSES], uint64_t room)
{
	uint64_t sum = 0;

	for (unsigned i = CLASSES; i--;) {
		sum += counts[i];
		if (sum > room)
			return shortest_of(i + 1);
	}
	return 0;
}

/* How many holds it overlaps: about as many credits it has. */
static uint64_t holds_within(const struct rows *x, const struct row_wait *w)
{
	return 1 + rows_hold_after(x, w->lock, w->t1) - rows_hold_after(x, w->lock, w->t0);
}

/* Intervals of waiting share the fate of their wait, so all waits are kept in mind, by thread and time. */
static void remember_waits(struct reduce *r, const struct rows *x)
{
	const struct order *o = &x->waits_by_thread;

	r->all_waits = xcalloc(x->waits.n ? x->waits.n : 1, sizeof(*r->all_waits));
	r->first = xcalloc(x->n_threads + 1, sizeof(*r->first));
	r->next = xcalloc(x->n_threads + 1, sizeof(*r->next));
	memcpy(r->first, o->first, (x->n_threads + 1) * sizeof(*r->first));
	memcpy(r->next, o->first, (x->n_threads + 1) * sizeof(*r->next));
	for (size_t i = 0; i < o->n; i++) {
		const struct row_wait *w = &x->waits.items[o->row[i]];

		r->all_waits[i] = (struct reduce_wait){ w->t0, w->t1, w->t1 - w->t0 >= r->wait_ns };
	}
}

void reduce_waits(struct reduce *r, struct rows *x)
{
	uint64_t counts[CLASSES] = { 0 };
	size_t kept = 0;

	r->on = true;
	r->lengths = xcalloc(CLASSES, sizeof(*r->lengths));
	r->window_ns = x->duration_ns / 4000 > WINDOW_NS ? x->duration_ns / 4000 : WINDOW_NS;
	r->sums = xcalloc((size_t)x->n_threads * SUMS + 1, sizeof(*r->sums));
	for (size_t i = 0; i < x->waits.n; i++)
		counts[class_of(x->waits.items[i].t1 - x->waits.items[i].t0)] += holds_within(x, &x->waits.items[i]);
	r->wait_ns = threshold(counts, r->limits->to_credits);
	remember_waits(r, x);
	for (size_t i = 0; i < x->waits.n; i++) {
		if (x->waits.items[i].t1 - x->waits.items[i].t0 < r->wait_ns)
			continue;
		x->wait_ids.items[kept] = x->wait_ids.items[i];
		x->waits.items[kept++] = x->waits.items[i];
	}
	r->waits = x->waits.n - kept;
	x->waits.n = x->wait_ids.n = kept;
}

void reduce_look(struct reduce *r, const struct interval *i)
{
	if (i->state != STATE_WAIT_GIL && i->state != STATE_WAIT_LOCK)
		r->lengths[class_of(i->t1_ns - i->t0_ns)]++;
}

void reduce_choose(struct reduce *r)
{
	r->interval_ns = threshold(r->lengths, r->limits->to_intervals);
}

/* The wait that the thread's stretch at t0 is part of; the intervals of a thread come in order. */
static const struct reduce_wait *wait_at(struct reduce *r, uint32_t thread, uint64_t t0)
{
	uint32_t *next = &r->next[thread], end = r->first[thread + 1];

	while (*next < end && r->all_waits[*next].t1 <= t0)
		++*next;
	return *next < end && r->all_waits[*next].t0 <= t0 ? &r->all_waits[*next] : NULL;
}

static void put_sum(struct rows *x, struct row_tally *t)
{
	if (t->n || t->ns)
		vec_push(&x->tallies, *t);
	*t = (struct row_tally){ 0 };
}

static void add_up(struct reduce *r, struct rows *x, const struct interval *i, uint64_t t0, uint64_t t1, uint64_t n)
{
	struct row_tally *sums = &r->sums[(size_t)i->thread * SUMS], *at = NULL;
	const unsigned char flags = (unsigned char)(i->flags & INTERVAL_F_HELD);

	for (unsigned k = 0; k < SUMS && !at; k++)
		if (sums[k].ns && sums[k].state == i->state && sums[k].flags == flags && sums[k].lock == i->lock)
			at = &sums[k];
	if (at && t1 > at->t0 + r->window_ns)
		put_sum(x, at);
	for (unsigned k = 0; k < SUMS && !at; k++)
		if (!sums[k].ns)
			at = &sums[k];
	if (!at) {
		at = &sums[0];
		put_sum(x, at);
	}
	if (!at->ns)
		*at = (struct row_tally){ .t0 = t0, .t1 = t1, .thread = i->thread, .lock = i->lock, .state = (unsigned char)i->state,
					  .flags = flags };
	at->t0 = t0 < at->t0 ? t0 : at->t0;
	at->t1 = t1 > at->t1 ? t1 : at->t1;
	at->n += n;
	at->ns += t1 - t0;
	r->intervals++;
}

bool reduce_interval(struct reduce *r, struct rows *x, const struct interval *i, uint64_t t0, uint64_t t1)
{
	const bool waiting = i->state == STATE_WAIT_GIL || i->state == STATE_WAIT_LOCK;
	const struct reduce_wait *w = waiting ? wait_at(r, i->thread, t0) : NULL;

	if (t1 <= t0 || (w ? w->kept : t1 - t0 >= r->interval_ns))
		return false;
	add_up(r, x, i, t0, t1, !w || w->t0 == t0);
	return true;
}

void reduce_finish(struct reduce *r, struct rows *x)
{
	for (size_t i = 0; i < (size_t)x->n_threads * SUMS; i++)
		put_sum(x, &r->sums[i]);
}

void reduce_done(struct reduce *r)
{
	free(r->all_waits);
	free(r->first);
	free(r->next);
	free(r->sums);
	free(r->lengths);
	*r = (struct reduce){ 0 };
}
