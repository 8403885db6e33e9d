/* Who is to blame: a settled wait is split by the holds of its lock that overlap it, each hold by what its thread did (ran, blocked,
 * had no CPU) and by the lines it was seen at.  A moment belongs to the stack that was seen nearest to it, so holds seen
 * several times are split half-way between two sights.  What nobody is known to have held is credited to nobody;
 * the credits of a wait always add up to its length. */
#include "core/timeline/timeline_priv.h"

enum { CREDITS_MAX = 128 };

struct credits { /* equal ones are added up before they are given out */
	struct timeline *t;
	struct credit rows[CREDITS_MAX];
	uint32_t n;
	uint64_t wait;
};

static void flush(struct credits *c)
{
	for (uint32_t i = 0; i < c->n && c->t->sink.credit; i++)
		c->t->sink.credit(c->t->sink.ctx, &c->rows[i]);
	c->n = 0;
}

static void credit(struct credits *c, uint32_t holder, enum holder_state state, int32_t nr, uint64_t stack, uint64_t ns)
{
	if (!ns)
		return;
	for (uint32_t i = c->n; i--;) {
		struct credit *r = &c->rows[i];

		if (r->holder == holder && r->state == state && r->nr == nr && r->stack == stack) {
			r->ns += ns;
			return;
		}
	}
	if (c->n == CREDITS_MAX)
		flush(c);
	c->rows[c->n++] = (struct credit){ .wait = c->wait, .holder = holder, .state = state, .nr = nr, .stack = stack, .ns = ns };
}

/* The sights of one hold, in order of time. */
struct sights {
	const struct history *h;
	const struct hold_rec *r;
	size_t next;
	uint64_t stack; /* of the current sight */
	uint64_t until; /* half-way to the next one */
	uint64_t at;
};

static const struct sight_rec *next_sight(struct sights *s)
{
	for (; s->next < s->h->sights.n && s->h->sights.items[s->next].t <= hold_sights_until(s->r); s->next++)
		if (s->h->sights.items[s->next].thread == s->r->thread)
			return &s->h->sights.items[s->next];
	return NULL;
}

static void step_sight(struct sights *s)
{
	const struct sight_rec *now = next_sight(s), *then;

	s->until = TIME_OPEN;
	if (!now)
		return;
	s->stack = history_sight_stack(s->h, s->r, s->next);
	s->at = now->t;
	s->next++;
	then = next_sight(s);
	if (then)
		s->until = s->at + (then->t - s->at) / 2;
}

/* *at: first sight that may be of this hold, moved on for the next one. */
static void credit_hold(struct credits *c, const struct history *h, const struct hold_rec *r, uint64_t a, uint64_t b, size_t *at)
{
	struct sights sights = { .h = h, .r = r };
	size_t off = history_first_off(h, a);

	while (*at < h->sights.n && h->sights.items[*at].t < r->t0)
		++*at;
	sights.next = *at;

	step_sight(&sights);
	while (a < b) {
		enum holder_state state = HOLDER_RUNNING;
		int32_t nr = -1;
		uint64_t end = b;

		while (sights.until <= a)
			step_sight(&sights);
		end = min_u64(end, sights.until);
		while (off < h->offs.n && (h->offs.items[off].t1 <= a || h->offs.items[off].thread != r->thread) &&
		       h->offs.items[off].t0 < b)
			off++;
		if (off < h->offs.n && h->offs.items[off].thread == r->thread) {
			const struct off_rec *o = &h->offs.items[off];

			if (o->t0 <= a) {
				state = o->state;
				nr = state == HOLDER_BLOCKED ? o->nr : -1;
				end = min_u64(end, o->t1);
			} else {
				end = min_u64(end, o->t0);
			}
		}
		credit(c, r->thread, state, nr, sights.stack, end - a);
		a = end;
	}
}

static void credit_wait(struct timeline *t, const struct wait_item *w, const struct wait *row)
{
	struct credits c = { .t = t, .wait = row->wait };
	uint64_t a = row->t0_ns;

	if (w->gil) {
		const struct history *h = &w->gil->history;
		size_t i = history_at(h, a), sight;

		i = i == HISTORY_NONE ? 0 : i;
		sight = i < h->holds.n ? history_first_sight(h, h->holds.items[i].t0) : 0;
		for (; i < h->holds.n && h->holds.items[i].t0 < row->t1_ns; i++) {
			const struct hold_rec *r = &h->holds.items[i];
			uint64_t t0 = max_u64(r->t0, a), t1 = min_u64(r->t1, row->t1_ns);

			if (t1 <= t0 || r->thread == row->thread)
				continue;
			credit(&c, MODEL_NONE, HOLDER_UNKNOWN, -1, 0, t0 - a);
			credit_hold(&c, h, r, t0, t1, &sight);
			a = t1;
		}
	}
	credit(&c, MODEL_NONE, HOLDER_UNKNOWN, -1, 0, row->t1_ns - a);
	flush(&c);
}

/* Of a lock without a history of holds: whoever woke a waiter of it had it until then, since the one before let go.  What the lock itself
 * said when the wait began goes before that. */
static void credit_other(struct timeline *t, const struct wait_item *w, const struct wait *row)
{
	struct credits c = { .t = t, .wait = row->wait };
	const struct releases *all = &w->other->releases;
	uint64_t a = row->t0_ns, end = row->t1_ns - row->wake_latency_ns; /* woken: nobody has it any more */
	uint32_t owner = w->owner;

	for (size_t i = releases_after(all, a); i < all->n && releases_at(all, i)->t <= row->t1_ns; i++) {
		const struct release *r = releases_at(all, i);

		if (r->thread == row->thread)
			continue;
		if (owner != MODEL_NONE && owner != r->thread) /* it let go at some time without waking anybody */
			credit(&c, owner, HOLDER_UNKNOWN, -1, 0, r->t - a);
		else
			credit(&c, r->thread, HOLDER_UNKNOWN, -1, r->stack, r->t - a);
		a = r->t;
		owner = MODEL_NONE;
	}
	if (owner != MODEL_NONE && end > a) {
		credit(&c, owner, HOLDER_UNKNOWN, -1, 0, end - a);
		a = end;
	}
	credit(&c, MODEL_NONE, HOLDER_UNKNOWN, -1, 0, row->t1_ns - a);
	flush(&c);
}

/* Stopping the world.  It stands still until the one who stopped it lets all go: no other has it in between.  Who wants to stop it waits, a
 * millisecond at a time, for the last one to stop: that one wakes him. */
static void credit_stop(struct timeline *t, const struct wait_item *w, const struct wait *row)
{
	struct credits c = { .t = t, .wait = row->wait };
	const struct releases *all = &w->other->releases;
	uint64_t end = row->t1_ns - row->wake_latency_ns, stack = 0;
	uint32_t by = w->stop == STOP_STALLED ? w->owner : MODEL_NONE;

	for (size_t i = releases_after(all, row->t0_ns); i < all->n; i++) {
		const struct release *r = releases_at(all, i);

		if (by == MODEL_NONE && r->thread != row->thread)
			by = r->thread;
		if (by != r->thread || (w->stop == STOP_STALLED && r->t > row->t1_ns))
			break;
		stack = stack ? stack : r->stack;
	}
	credit(&c, by, HOLDER_UNKNOWN, -1, stack, end - row->t0_ns);
	credit(&c, MODEL_NONE, HOLDER_UNKNOWN, -1, 0, row->t1_ns - end);
	flush(&c);
}

/* Do the credits of the wait rest on wake-ups alone? */
static bool holder_inferred(const struct wait_item *w)
{
	const struct releases *all = &w->other->releases;
	size_t i = releases_after(all, w->row.t0_ns), n = 0;
	uint32_t first = MODEL_NONE;

	if (w->stop != STOP_NOT)
		return w->stop == STOP_ASKING;

	for (; i < all->n && releases_at(all, i)->t <= w->row.t1_ns; i++) {
		if (releases_at(all, i)->thread == w->row.thread)
			continue;
		first = n++ ? first : releases_at(all, i)->thread;
	}
	return n > 1 || (n == 1 && first != w->owner);
}

/* Was the release that ended this wait demanded?  The releaser waits on switch_cond then (HOLD_F_FORCED); or, if the next holder
 * was quick, at once in take_gil again, after some waiter had slept an interval and set the drop request. */
static bool was_forced(const struct wait_item *w)
{
	struct hold_rec *r = w->release_ns ? history_ended(&w->gil->history, w->releaser, w->release_ns, 0) : NULL;

	if (!r)
		return false;
	if (r->asked && r->rewait_ns)
		r->flags |= HOLD_F_FORCED;
	return r->flags & HOLD_F_FORCED;
}

static bool after_forced(const struct wait_item *w)
{
	struct hold_rec *r = history_ended(&w->gil->history, w->row.thread, w->row.t0_ns, UINT64_MAX);

	return r && (r->flags & HOLD_F_FORCED) && r->rewait_ns == w->row.t0_ns;
}

/* A waiter that was not woken, or not by the releaser (its interval was over just then), took the lock from the hold before. */
static void find_releaser(struct wait_item *w)
{
	const struct hold_rec *r;
	size_t i = history_at(&w->gil->history, w->row.t1_ns + TAKE_GIL_SLOW_NS);

	for (int n = 0; i != HISTORY_NONE && n < 8; n++, i = i ? i - 1 : HISTORY_NONE) {
		r = &w->gil->history.holds.items[i];
		if (r->thread != w->row.thread || r->t0 < w->row.t1_ns || !i)
			continue;
		r--;
		if (r->thread == w->row.thread || r->t1 < w->row.t0_ns)
			return;
		w->releaser = r->thread;
		if (r->flags & HOLD_F_END_INFERRED)
			return;
		w->release_ns = r->t1;
		w->release_stack = history_stack(&w->gil->history, r);
		if (w->row.end == WAIT_END_UNKNOWN)
			w->row.end = WAIT_VOLUNTARY;
		return;
	}
}

static void emit_handoff(struct timeline *t, const struct wait_item *w, bool forced)
{
	struct handoff row = { .lock = w->row.lock, .from = w->releaser, .to = w->row.thread, .t_release_ns = w->release_ns,
			       .t_acquire_ns = max_u64(w->row.t1_ns, w->release_ns), .forced = forced, .stack = w->release_stack };

	if (t->sink.handoff)
		t->sink.handoff(t->sink.ctx, &row);
}

void wait_settle(struct timeline *t, struct wait_item *w)
{
	uint64_t until;
	bool forced;

	if (w->got && w->releaser == MODEL_NONE)
		find_releaser(w);
	forced = w->got && was_forced(w);
	if (forced && w->row.end == WAIT_VOLUNTARY)
		w->row.end = WAIT_FORCED;
	if (w->gil && after_forced(w))
		w->row.flags |= WAIT_F_AFTER_FORCED;
	if (loss_within(t, w->row.t0_ns, w->row.t1_ns, &until))
		w->row.flags |= WAIT_F_LOSS;
	if (w->other && holder_inferred(w))
		w->row.flags |= WAIT_F_HOLDER_INFERRED;
	w->row.wait = t->next_wait++;
	if (t->sink.wait)
		t->sink.wait(t->sink.ctx, &w->row);
	if (w->other) {
		if (w->stop != STOP_NOT)
			credit_stop(t, w, &w->row);
		else
			credit_other(t, w, &w->row);
		w->other->in_line--;
	} else {
		credit_wait(t, w, &w->row);
	}
	if (w->got)
		emit_handoff(t, w, forced);
}
