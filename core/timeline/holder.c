/* See holder.h.  The lists are flat arrays sorted by time: nearly every insertion is at the end, a late one moves the tail. */
#include "core/timeline/holder.h"

#include <string.h>

enum {
	LOOK_BACK = 64, /* holds looked at around a moment, so that one event costs a bounded time */
	CLAIM_GAPS = 8,
};

void history_init(struct history *h, uint64_t *two_holders)
{
	memset(h, 0, sizeof(*h));
	h->limit = HISTORY_MAX;
	h->two_holders = two_holders;
}

void history_done(struct history *h)
{
	vec_done(&h->holds);
	vec_done(&h->sights);
	vec_done(&h->offs);
}

/* How many of the first n items have a key <= t; the keys are sorted, stride bytes apart.  Nearly all questions are about what
 * happened lately, so the search doubles its way back from the end. */
static size_t count_upto(const void *keys, size_t n, size_t stride, uint64_t t)
{
#define KEY(i) (*(const uint64_t *)(const void *)((const char *)keys + (i) * stride))
	size_t hi = n, lo, back = 1;

	for (lo = n; lo && KEY(lo - 1) > t; back *= 2) {
		hi = lo - 1;
		lo = lo > back ? lo - back : 0;
	}
	while (lo < hi) { /* those before lo are <= t, those from hi on are not */
		size_t mid = lo + (hi - lo) / 2;

		if (KEY(mid) <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
#undef KEY
}
#define COUNT_UPTO(list, key, t) ((list).n ? count_upto(&(list).items[0].key, (list).n, sizeof((list).items[0]), (t)) : 0)

size_t history_at(const struct history *h, uint64_t t)
{
	return COUNT_UPTO(h->holds, t0, t) - 1; /* HISTORY_NONE if there is none */
}

struct hold_rec *history_ended(struct history *h, uint32_t thread, uint64_t t, uint64_t within)
{
	size_t i = history_at(h, t);

	for (int n = 0; i != HISTORY_NONE && n < LOOK_BACK; n++, i = i ? i - 1 : HISTORY_NONE) {
		struct hold_rec *r = &h->holds.items[i];

		if (r->thread == thread && r->t1 <= t)
			return t - r->t1 <= within ? r : NULL;
	}
	return NULL;
}

bool history_covers(const struct history *h, uint32_t thread, uint64_t t)
{
	size_t i = history_at(h, t);

	return i != HISTORY_NONE && h->holds.items[i].thread == thread && t < h->holds.items[i].t1;
}

void history_put(struct history *h, size_t i, const struct hold_rec *r)
{
	vec_reserve(&h->holds, h->holds.n + 1);
	memmove(&h->holds.items[i + 1], &h->holds.items[i], (h->holds.n - i) * sizeof(*r));
	h->holds.items[i] = *r;
	h->holds.n++;
	if (i < h->first_kept)
		h->first_kept = i;
}

static void remove_at(struct history *h, size_t i)
{
	h->holds.n--;
	memmove(&h->holds.items[i], &h->holds.items[i + 1], (h->holds.n - i) * sizeof(h->holds.items[0]));
	if (i < h->first_kept)
		h->first_kept--;
}

/* The thread of hold i did not hold the lock right after t.  Seen holding later, it had taken it again meanwhile; when
 * is not known, so the second part starts only where it was seen.  False if the hold was given out and cannot change. */
static bool cut(struct history *h, size_t i, uint64_t t)
{
	struct hold_rec *r = &h->holds.items[i];

	if (r->emitted)
		return false;
	if (r->seen_ns > t && !r->claim) {
		struct hold_rec rest = *r;

		rest.t0 = rest.seen_ns;
		rest.flags |= HOLD_F_START_INFERRED;
		if (rest.t1 > rest.t0)
			history_put(h, i + 1, &rest);
		else
			++*h->two_holders;
		r = &h->holds.items[i];
		r->rewait_ns = 0;
		r->seen_ns = t;
	}
	r->t1 = t;
	r->flags |= HOLD_F_END_INFERRED;
	if (r->t1 <= r->t0)
		remove_at(h, i);
	return true;
}

/* Adds a hold that begins at t, in a gap, open or up to the next hold.  Returns its index. */
static size_t add(struct history *h, uint32_t thread, uint64_t t, uint32_t flags)
{
	size_t i = history_at(h, t);
	struct hold_rec r = { .thread = thread, .t0 = t, .t1 = TIME_OPEN, .seen_ns = t, .flags = flags };

	i = i == HISTORY_NONE ? 0 : i + 1;
	if (i < h->holds.n) {
		r.t1 = h->holds.items[i].t0;
		r.flags |= HOLD_F_END_INFERRED;
	}
	history_put(h, i, &r);
	return i;
}

/* Hold i is seen to last until t: claims of others in between give way. */
static void extend(struct history *h, size_t i, uint64_t t)
{
	struct hold_rec *r = &h->holds.items[i];

	while (i + 1 < h->holds.n && h->holds.items[i + 1].t0 < t) {
		struct hold_rec *next = &h->holds.items[i + 1];

		if (next->emitted || !next->claim)
			break;
		remove_at(h, i + 1);
	}
	if (!r->emitted && r->t1 < t) {
		r->t1 = i + 1 < h->holds.n ? h->holds.items[i + 1].t0 : TIME_OPEN;
		r->flags |= HOLD_F_END_INFERRED;
	}
	if (r->t1 == TIME_OPEN)
		r->flags &= ~(uint32_t)HOLD_F_END_INFERRED;
	if (t <= r->t1 && t > r->seen_ns) {
		r->seen_ns = t;
		r->claim = false;
	}
}

static bool exact_end(const struct hold_rec *r)
{
	return r->t1 != TIME_OPEN && !(r->flags & HOLD_F_END_INFERRED);
}

/* A waiter that comes back to the CPU while another still holds the lock (its interval was over) and finds it free a moment
 * later never sleeps again: it took the lock not when it came back but when the other let go. */
static uint64_t taken_after(const struct hold_rec *other, uint64_t t)
{
	uint64_t later = other->emitted || exact_end(other) ? other->t1 : other->claim ? t : other->seen_ns;

	return later > t && (other->emitted || later - t < TAKE_GIL_SLOW_NS) ? later : t;
}

/* Its own hold covers or follows t already, from a sight before its wait was known to be over: now the start is exact. */
static void set_start(struct hold_rec *r, uint64_t t)
{
	if (r->emitted)
		return;
	r->t0 = t;
	r->flags &= ~(uint32_t)HOLD_F_START_INFERRED;
	r->claim = false;
	r->seen_ns = r->seen_ns > t ? r->seen_ns : t;
}

void history_acquire(struct history *h, uint32_t thread, uint64_t t)
{
	size_t i = history_at(h, t);
	struct hold_rec *r = i == HISTORY_NONE ? NULL : &h->holds.items[i];

	if (t < h->floor_ns)
		return;
	if (r && r->t1 > t && r->thread == thread) {
		set_start(r, t);
		return;
	}
	if (r && r->t1 > t) {
		t = taken_after(r, t);
		if (r->t1 > t)
			cut(h, i, t);
		i = history_at(h, t);
	}
	if (i != HISTORY_NONE && h->holds.items[i].t1 > t) { /* by now somebody else's turn */
		++*h->two_holders;
		return;
	}
	i = i == HISTORY_NONE ? 0 : i + 1;
	r = i < h->holds.n ? &h->holds.items[i] : NULL;
	if (r && r->thread == thread && (r->flags & HOLD_F_START_INFERRED))
		set_start(r, t);
	else
		add(h, thread, t, 0);
}

/* A hold of the thread that nothing but claims of others separates from t; it ran already when that hold ended, as far as known. */
static size_t own_before(const struct history *h, uint32_t thread, uint64_t since_ns, size_t i)
{
	for (int n = 0; i != HISTORY_NONE && n < LOOK_BACK; n++, i = i ? i - 1 : HISTORY_NONE) {
		const struct hold_rec *r = &h->holds.items[i];

		if (r->emitted || r->t1 < since_ns)
			return HISTORY_NONE;
		if (r->thread == thread)
			return (r->flags & HOLD_F_END_INFERRED) && (n || r->t1 == r->seen_ns) ? i : HISTORY_NONE;
		if (!r->claim)
			return HISTORY_NONE;
	}
	return HISTORY_NONE;
}

void history_seen(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t)
{
	size_t i = history_at(h, t), own;
	struct hold_rec *r = i == HISTORY_NONE ? NULL : &h->holds.items[i];
	uint64_t start = since_ns < t ? since_ns : t;

	if (t < h->floor_ns)
		return;
	if (r && r->t0 == t && r->thread != thread && i && r[-1].thread == thread && r[-1].t1 == t)
		r--; /* two holds meet at t */
	if (r && r->thread == thread && t <= r->t1) {
		if (!r->emitted) {
			r->seen_ns = r->seen_ns > t ? r->seen_ns : t;
			r->claim = false;
		}
		return;
	}
	own = own_before(h, thread, since_ns, i);
	if (own != HISTORY_NONE) {
		extend(h, own, t);
		return;
	}
	if (r && r->t1 > t) { /* another one is believed to hold it: at t it does not */
		if (r->emitted || (!r->claim && r->seen_ns >= t)) {
			++*h->two_holders;
			return;
		}
		/* It ran already when the other one took the lock: it came later, at some time until now. */
		if (start <= (r->claim ? r->t0 : r->seen_ns))
			start = t;
		if (!cut(h, i, start)) {
			++*h->two_holders;
			return;
		}
		i = history_at(h, t);
		r = i == HISTORY_NONE ? NULL : &h->holds.items[i];
		if (r && r->t1 > start)
			return;
	}
	if (r && r->t1 > start)
		start = r->t1;
	start = start > h->floor_ns ? start : h->floor_ns;
	if (h->free_ns > start && h->free_ns < t)
		start = h->free_ns;
	i = i == HISTORY_NONE ? 0 : i + 1;
	if (i < h->holds.n && h->holds.items[i].t0 <= start)
		return;
	i = add(h, thread, start, HOLD_F_START_INFERRED);
	h->holds.items[i].seen_ns = t;
}

/* The next holder came back to the CPU before the release and took the lock after it (see taken_after). */
static void release_before(struct history *h, size_t next, uint64_t t)
{
	struct hold_rec *r = &h->holds.items[next];

	if (!next || r->emitted || r->claim || r[-1].emitted || r[-1].t1 != r->t0 || t >= r->t1 || t - r->t0 >= TAKE_GIL_SLOW_NS)
		return;
	r->t0 = t;
	r->seen_ns = r->seen_ns > t ? r->seen_ns : t;
	r[-1].t1 = t;
}

void history_mark(struct history *h, uint32_t thread, uint64_t t, uint32_t flags)
{
	size_t i = history_at(h, t);
	struct hold_rec *r = i == HISTORY_NONE ? NULL : &h->holds.items[i];

	if (r && r->thread == thread && t <= r->t1 && !r->emitted)
		r->flags |= flags;
}

void history_release(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t)
{
	struct hold_rec *r;
	size_t i = history_at(h, t);

	if (i != HISTORY_NONE && i && h->holds.items[i].thread != thread && h->holds.items[i - 1].thread == thread)
		release_before(h, i, t);
	history_seen(h, thread, since_ns, t);
	i = history_at(h, t);
	if (i != HISTORY_NONE && h->holds.items[i].t0 == t && h->holds.items[i].thread != thread)
		i = i ? i - 1 : HISTORY_NONE;
	if (i == HISTORY_NONE)
		return;
	r = &h->holds.items[i];
	if (r->thread != thread || r->emitted || r->t1 < t || r->seen_ns > t)
		return;
	r->t1 = t;
	r->flags &= ~(uint32_t)HOLD_F_END_INFERRED;
	if (r->t1 <= r->t0)
		remove_at(h, i);
}

void history_through(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t0, uint64_t t1)
{
	size_t i;

	history_seen(h, thread, since_ns, t0);
	i = history_at(h, t0);
	if (i == HISTORY_NONE || h->holds.items[i].thread != thread || h->holds.items[i].t1 < t0)
		return;
	extend(h, i, t1);
	if (h->holds.items[i].t1 < t1)
		++*h->two_holders;
}

void history_lost(struct history *h, uint32_t thread, uint64_t t, bool until_seen)
{
	size_t i = history_at(h, t);
	struct hold_rec *r = i == HISTORY_NONE ? NULL : &h->holds.items[i];
	uint64_t end = t;

	if (!r || r->thread != thread || r->emitted || r->t1 <= t || r->seen_ns > t)
		return;
	if (until_seen && !r->claim)
		end = r->seen_ns;
	r->t1 = end;
	r->flags |= HOLD_F_END_INFERRED;
	if (r->t1 <= r->t0)
		remove_at(h, i);
}

void history_asked(struct history *h, uint64_t t0, uint64_t t1)
{
	size_t i = history_at(h, t1);

	if (i != HISTORY_NONE && h->holds.items[i].t0 <= t0 && h->holds.items[i].t1 >= t1)
		h->holds.items[i].asked = true;
}

void history_free_at(struct history *h, uint64_t t)
{
	size_t i = history_at(h, t);
	const struct hold_rec *r = i == HISTORY_NONE ? NULL : &h->holds.items[i];

	h->free_ns = h->free_ns > t ? h->free_ns : t;
	/* A woken waiter's hold counts from its return to the CPU; a few us later it sets gil.locked. */
	if (r && (r->claim || t - r->seen_ns > TAKE_GIL_NS || r->seen_ns > t))
		history_lost(h, r->thread, t, false);
}

/* A doubted holder: its hold is open, but it is not the one that was seen at the end of the claim. */
static void settle_doubt(struct history *h, uint64_t a, uint64_t b, uint32_t holder, bool seen)
{
	struct hold_rec *r = h->holds.n ? vec_last(&h->holds) : NULL;

	if (!seen || !r || r->t1 != TIME_OPEN || r->thread == holder || r->t0 >= b)
		return;
	if (r->seen_ns < b)
		cut(h, h->holds.n - 1, r->seen_ns > a ? r->seen_ns : a);
}

void history_claim(struct history *h, uint32_t thread, uint64_t a, uint64_t b, uint32_t holder, bool seen)
{
	const uint32_t flags = HOLD_F_START_INFERRED | HOLD_F_END_INFERRED;
	size_t i;

	if (a < h->floor_ns)
		a = h->floor_ns;
	settle_doubt(h, a, b, holder, seen);
	for (int n = 0; n < CLAIM_GAPS && a < b; n++) {
		const struct hold_rec *prev, *next;
		struct hold_rec r = { .thread = thread, .flags = flags, .claim = true };

		i = history_at(h, a);
		prev = i == HISTORY_NONE ? NULL : &h->holds.items[i];
		i = i == HISTORY_NONE ? 0 : i + 1;
		next = i < h->holds.n ? &h->holds.items[i] : NULL;
		r.t0 = prev && prev->t1 > a ? prev->t1 : a;
		r.t1 = next && next->t0 < b ? next->t0 : b;
		r.seen_ns = r.t0;
		/* Between an exact release and the woken waiter's start nobody else can have held it. */
		bool handoff = prev && next && exact_end(prev) && !(next->flags & HOLD_F_START_INFERRED) && prev->t1 == r.t0 &&
			       next->t0 == r.t1;
		a = next ? next->t0 : b;
		if (r.t1 > r.t0 && !handoff)
			history_put(h, i, &r);
	}
}

void history_estimated(struct history *h, uint32_t thread, uint64_t t0, uint64_t t1)
{
	struct hold_rec *last = h->holds.n ? vec_last(&h->holds) : NULL;

	if (last && last->t1 != TIME_OPEN && last->t1 > t0)
		t0 = last->t1;
	if (t0 >= t1 || (last && last->t1 == TIME_OPEN)) {
		++*h->two_holders;
		return;
	}
	if (last && last->thread == thread && last->t1 == t0 && !last->emitted) {
		last->t1 = last->seen_ns = t1;
		return;
	}
	history_put(h, h->holds.n, &(struct hold_rec){ .thread = thread, .t0 = t0, .t1 = t1, .seen_ns = t1,
						  .flags = HOLD_F_START_INFERRED | HOLD_F_END_INFERRED });
}

void history_add_sight(struct history *h, uint32_t thread, uint64_t t, uint64_t stack, uint64_t native)
{
	struct sight_rec r = { .t = t, .stack = stack, .native = native, .thread = thread };
	size_t i = h->sights.n;

	if (!stack && !native)
		return;
	h->natives |= native != 0;
	if (i >= h->limit * HISTORY_SIGHTS) { /* the older half goes */
		memmove(h->sights.items, h->sights.items + i / 2, (i - i / 2) * sizeof(r));
		i = h->sights.n = i - i / 2;
	}
	vec_reserve(&h->sights, i + 1);
	while (i && h->sights.items[i - 1].t > t)
		i--;
	memmove(&h->sights.items[i + 1], &h->sights.items[i], (h->sights.n - i) * sizeof(r));
	h->sights.items[i] = r;
	h->sights.n++;
}

void history_add_off(struct history *h, const struct off_rec *off)
{
	size_t i = h->offs.n;

	if (off->t1 <= off->t0)
		return;
	if (i >= h->limit) {
		memmove(h->offs.items, h->offs.items + i / 2, (i - i / 2) * sizeof(*off));
		i = h->offs.n = i - i / 2;
	}
	vec_reserve(&h->offs, i + 1);
	while (i && h->offs.items[i - 1].t0 > off->t0)
		i--;
	memmove(&h->offs.items[i + 1], &h->offs.items[i], (h->offs.n - i) * sizeof(*off));
	h->offs.items[i] = *off;
	h->offs.n++;
}

size_t history_first_sight(const struct history *h, uint64_t t)
{
	return t ? COUNT_UPTO(h->sights, t, t - 1) : 0;
}

/* The stretches of one holder follow each other and no two threads hold at once, so ends are sorted as starts are, but for
 * contradictions: then a stretch is overlooked and its time counts as running. */
size_t history_first_off(const struct history *h, uint64_t t)
{
	return COUNT_UPTO(h->offs, t1, t);
}

uint64_t history_stack(const struct history *h, const struct hold_rec *r)
{
	uint64_t stack = 0;

	for (size_t i = history_first_sight(h, r->t0); i < h->sights.n && h->sights.items[i].t <= hold_sights_until(r); i++)
		if (h->sights.items[i].thread == r->thread)
			stack = history_sight_stack(h, r, i);
	return stack;
}

#define SIGHTS_NEAR 64

uint64_t history_sight_stack(const struct history *h, const struct hold_rec *r, size_t i)
{
	const struct sight_rec *all = h->sights.items, *s = &all[i];

	if (s->native || !h->natives)
		return s->native ? s->native : s->stack;
	for (size_t d = 1; d < SIGHTS_NEAR; d++) {
		if (i + d < h->sights.n && all[i + d].t <= hold_sights_until(r) && all[i + d].thread == r->thread && all[i + d].stack == s->stack &&
		    all[i + d].native)
			return all[i + d].native;
		if (d <= i && all[i - d].t >= r->t0 && all[i - d].thread == r->thread && all[i - d].stack == s->stack && all[i - d].native)
			return all[i - d].native;
	}
	return s->stack;
}

void history_off_time(const struct history *h, const struct hold_rec *r, uint64_t *ret_blocked, uint64_t *ret_preempted)
{
	*ret_blocked = *ret_preempted = 0;
	for (size_t i = history_first_off(h, r->t0); i < h->offs.n && h->offs.items[i].t0 < r->t1; i++) {
		const struct off_rec *o = &h->offs.items[i];
		uint64_t t0 = o->t0 > r->t0 ? o->t0 : r->t0, t1 = o->t1 < r->t1 ? o->t1 : r->t1;

		if (o->thread != r->thread || t1 <= t0)
			continue;
		*(o->state == HOLDER_BLOCKED ? ret_blocked : ret_preempted) += t1 - t0;
	}
}

void history_finish(struct history *h, uint64_t end_ns)
{
	struct hold_rec *r = h->holds.n ? vec_last(&h->holds) : NULL;

	if (!r || r->t1 != TIME_OPEN)
		return;
	r->t1 = end_ns;
	r->flags |= HOLD_F_UNFINISHED;
	if (r->t1 <= r->t0)
		remove_at(h, h->holds.n - 1);
}

size_t history_crowded(const struct history *h)
{
	return h->holds.n >= h->limit ? h->holds.n / 2 : 0;
}

void history_drop(struct history *h, size_t n)
{
	if (!n || n > h->holds.n)
		return;
	h->floor_ns = h->holds.items[n - 1].t1;
	memmove(h->holds.items, h->holds.items + n, (h->holds.n - n) * sizeof(h->holds.items[0]));
	h->holds.n -= n;
	h->first_kept = h->first_kept > n ? h->first_kept - n : 0;
}
