/* See history_share in holder.h. */
#include "core/timeline/holder.h"

enum { CLAIMS_MAX = 256 }; /* so that one event costs a bounded time */

static uint64_t overlap(const struct hold_rec *r, uint64_t a, uint64_t b)
{
	uint64_t t0 = r->t0 > a ? r->t0 : a, t1 = r->t1 < b ? r->t1 : b;

	return t1 > t0 ? t1 - t0 : 0;
}

/* How much earlier it may have ended, and later begun, than it is written down: no bound in a window that is only counted but what was seen. */
static uint64_t loose_end(const struct hold_rec *r, uint64_t a, uint64_t b)
{
	uint64_t from = r->flags & HOLD_F_START_INFERRED && !r->claim && r->seen_ns > r->t0 ? r->seen_ns : r->t0;

	from = from > a ? from : a;
	return !r->emitted && r->flags & HOLD_F_END_INFERRED && r->t1 <= b && r->t1 > from ? r->t1 - from : 0;
}

static uint64_t loose_start(const struct hold_rec *r, uint64_t a, uint64_t b)
{
	uint64_t until = r->flags & HOLD_F_END_INFERRED || r->t1 > b ? r->seen_ns : r->t1;

	until = until < b ? until : b;
	return !r->emitted && r->flags & HOLD_F_START_INFERRED && r->t0 >= a && until > r->t0 ? until - r->t0 : 0;
}

static size_t first_in(const struct history *h, uint64_t a)
{
	size_t i = history_at(h, a);

	return i == HISTORY_NONE ? 0 : i;
}

static uint64_t part_of(uint64_t ns, double part)
{
	uint64_t up = (uint64_t)((double)ns * part) + 1;

	return up < ns ? up : ns;
}

static uint64_t shrink(struct history *h, uint32_t thread, uint64_t a, uint64_t b, double part)
{
	uint64_t taken = 0;

	for (size_t i = first_in(h, a); i < h->holds.n && h->holds.items[i].t0 < b; i++) {
		struct hold_rec *r = &h->holds.items[i];
		uint64_t end, start;

		if (r->thread != thread)
			continue;
		end = part_of(loose_end(r, a, b), part);
		start = part_of(loose_start(r, a, b), part);
		if (end + start >= r->t1 - r->t0) { /* a hold keeps a moment: its place in the list */
			start = start < r->t1 - r->t0 ? start : r->t1 - r->t0 - 1;
			end = r->t1 - r->t0 - start - 1;
		}
		if (end && r->told_ns < r->t1)
			r->told_ns = r->t1;
		r->t1 -= end;
		r->t0 += start;
		if (r->seen_ns < r->t0)
			r->seen_ns = r->t0;
		if (r->seen_ns > r->t1)
			r->seen_ns = r->t1;
		taken += end + start;
	}
	return taken;
}

static bool exact_handoff(const struct hold_rec *prev, const struct hold_rec *next)
{
	return prev && next && !(prev->flags & HOLD_F_END_INFERRED) && !(next->flags & HOLD_F_START_INFERRED);
}

static uint64_t fill(struct history *h, uint32_t thread, uint64_t a, uint64_t b, uint64_t ns)
{
	uint64_t filled = 0;

	a = a > h->floor_ns ? a : h->floor_ns;
	for (int n = 0; n < CLAIMS_MAX && a < b && filled < ns; n++) {
		size_t i = history_at(h, a);
		struct hold_rec *prev = i == HISTORY_NONE ? NULL : &h->holds.items[i];
		const struct hold_rec *next;
		uint64_t t0, t1;

		i = prev ? i + 1 : 0;
		next = i < h->holds.n ? &h->holds.items[i] : NULL;
		t0 = prev && prev->t1 > a ? prev->t1 : a;
		t1 = next && next->t0 < b ? next->t0 : b;
		a = next ? next->t0 : b;
		if (t1 <= t0 || exact_handoff(prev, next))
			continue;
		t1 = t1 - t0 > ns - filled ? t0 + (ns - filled) : t1;
		filled += t1 - t0;
		if (prev && prev->thread == thread && prev->t1 == t0 && !prev->emitted && prev->flags & HOLD_F_END_INFERRED)
			prev->t1 = t1;
		else
			history_put(h, i, &(struct hold_rec){ .thread = thread, .t0 = t0, .t1 = t1, .seen_ns = t0, .claim = true,
							      .flags = HOLD_F_START_INFERRED | HOLD_F_END_INFERRED });
	}
	return filled;
}

uint64_t history_share(struct history *h, uint32_t thread, uint64_t a, uint64_t b, uint64_t ns, bool may_fill)
{
	uint64_t have = 0, loose = 0;

	for (size_t i = first_in(h, a); i < h->holds.n && h->holds.items[i].t0 < b; i++) {
		const struct hold_rec *r = &h->holds.items[i];

		if (r->thread != thread)
			continue;
		have += overlap(r, a, b);
		loose += loose_end(r, a, b) + loose_start(r, a, b);
	}
	if (have > ns && loose)
		have -= shrink(h, thread, a, b, have - ns < loose ? (double)(have - ns) / (double)loose : 1);
	else if (have < ns && may_fill)
		have += fill(h, thread, a, b, ns - have);
	return have;
}
