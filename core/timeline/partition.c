/* The partition of a thread's life: every nanosecond of it goes into exactly one segment, and from there into rows.
 * Segments follow each other without a gap up to thread.cursor_ns.  What a thread did while on the CPU (with the GIL or without)
 * is looked up in the holder history only when the segment is settled; short stretches off the CPU that were only counted
 * (tallies) are then taken out of the on-CPU segments, so that the sums still equal the life. */
#include "core/timeline/timeline_priv.h"

#include <string.h>

#include "core/util/xalloc.h"

/* System calls that wait for nothing but time, x86-64: struct ev_off carries the first two arguments. */
enum sleep_rule { SLEEP_ALWAYS, SLEEP_IF_ARG0_ZERO, SLEEP_IF_ARG1_ZERO };
static const struct { int32_t nr; enum sleep_rule rule; } sleeps[] = {
	{ 7, SLEEP_IF_ARG1_ZERO }, /* poll(fds, 0) */
	{ 23, SLEEP_IF_ARG0_ZERO }, /* select(0, …): time.sleep of CPython 3.8 to 3.10 */
	{ 35, SLEEP_ALWAYS }, /* nanosleep */
	{ 230, SLEEP_ALWAYS }, /* clock_nanosleep: time.sleep since 3.11 */
	{ 270, SLEEP_IF_ARG0_ZERO }, /* pselect6(0, …) */
	{ 271, SLEEP_IF_ARG1_ZERO }, /* ppoll(fds, 0) */
};

static bool is_sleep(const struct ev_off *e)
{
	for (size_t i = 0; i < sizeof(sleeps) / sizeof(sleeps[0]); i++) {
		if (sleeps[i].nr != e->nr)
			continue;
		return sleeps[i].rule == SLEEP_ALWAYS || (sleeps[i].rule == SLEEP_IF_ARG0_ZERO ? e->arg0 : e->arg1) == 0;
	}
	return false;
}

/* --- into the line ------------------------------------------------------------------------------------------ */

static void segment_put(struct timeline *t, struct thread *th, const struct segment *s)
{
	if (s->t1 > s->t0)
		line_add(t, ITEM_SEGMENT, th)->segment = *s;
}

static void note_run(struct thread *th, uint64_t t0, uint64_t t1)
{
	if (th->n_runs && th->runs[th->n_runs - 1].t1 == t0) {
		th->runs[th->n_runs - 1].t1 = t1;
		return;
	}
	if (th->n_runs == RUNS_MAX)
		memmove(th->runs, th->runs + 1, sizeof(th->runs[0]) * --th->n_runs);
	th->runs[th->n_runs].t0 = t0;
	th->runs[th->n_runs++].t1 = t1;
}

struct hold_rec *let_go_just_now(const struct thread *th, struct lock *gil, uint64_t t)
{
	uint64_t since = th->n_runs ? min_u64(th->runs[0].t0, th->cursor_ns) : th->cursor_ns, cpu;
	struct hold_rec *r = t >= since ? history_ended(&gil->history, th->row.thread, t, t - since) : NULL;

	if (!r)
		return NULL;
	cpu = t - max_u64(r->t1, min_u64(th->cursor_ns, t));
	for (uint32_t i = 0; i < th->n_runs; i++) {
		uint64_t t0 = max_u64(th->runs[i].t0, r->t1), t1 = min_u64(th->runs[i].t1, th->cursor_ns);

		cpu += t1 > t0 ? t1 - t0 : 0;
	}
	return cpu <= REWAIT_NS ? r : NULL;
}

/* What the end of a stretch on the CPU says about who held the GIL during it. */
void stretch_evidence(struct thread *th, const struct sight *s, enum stretch_end how)
{
	struct lock *gil = s->gil ? s->gil : th->gil;
	struct history *h;
	uint32_t id = th->row.thread;
	uint64_t a = th->cursor_ns;

	if (!gil)
		return;
	h = &gil->history;
	switch (how) {
	case STRETCH_HOLDS:
		history_seen(h, id, a, s->t);
		history_add_sight(h, id, s->t, s->stack, s->native);
		if (s->gc)
			history_mark(h, id, s->t, HOLD_F_GC);
		break;
	case STRETCH_DROPPED: /* it sleeps inside drop_gil: it held the GIL until just now */
		if (let_go_just_now(th, gil, s->t))
			break; /* the waiter it woke has told already */
		history_seen(h, id, a, s->t);
		history_add_sight(h, id, s->t, s->stack, s->native);
		history_lost(h, id, s->t, false);
		break;
	case STRETCH_BLOCKS:
		if (history_covers(h, id, s->t)) {
			history_lost(h, id, s->t, false);
			history_add_sight(h, id, s->t, s->stack, s->native);
		} else if (th->python && s->t > a && !history_ended(h, id, s->t, s->t - a - 1)) {
			history_claim(h, id, a, s->t, s->holder ? s->holder->row.thread : MODEL_NONE, s->seen);
			history_add_sight(h, id, s->t, s->stack, s->native);
		}
		break;
	case STRETCH_RELEASED:
		history_lost(h, id, s->t, true);
		break;
	case STRETCH_NOTHING:
		break;
	}
}

/* Everything up to `until` was on the CPU (or, inside take_gil, belongs to the wait). */
void stretch_put(struct timeline *t, struct thread *th, uint64_t until, enum episode_step step)
{
	struct segment s = { .t0 = th->cursor_ns, .t1 = until, .nr = -1, .lock = MODEL_NONE, .on_cpu = true,
			     .flags = th->estimated ? INTERVAL_F_INFERRED : 0 };

	if (step == EPISODE_GOES_ON) {
		s.state = STATE_WAIT_GIL;
		s.lock = th->wait.lock->id;
		s.stack = episode_stack(&th->wait);
	} else {
		s.state = STATE_N;
		s.gil = th->gil;
	}
	segment_put(t, th, &s);
	note_run(th, th->cursor_ns, until);
	th->prev_on_ns = th->cursor_ns;
	th->prev_out_ns = until;
	th->cursor_ns = until;
}

static void held_off(struct lock *gil, struct thread *th, const struct segment *s)
{
	struct off_rec o = { .t0 = s->t0, .t1 = s->t1, .thread = th->row.thread, .nr = s->nr,
			     .state = s->state == STATE_RUNNABLE ? HOLDER_PREEMPTED : HOLDER_BLOCKED };

	history_add_off(&gil->history, &o);
}

static void off_state(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s, struct segment *ret)
{
	ret->state = STATE_BLOCKED;
	ret->nr = e->nr;
	if (!(e->h.flags & EV_F_BLOCKED)) {
		ret->state = STATE_RUNNABLE;
		ret->nr = -1;
	} else if (e->h.flags & EV_F_FUTEX_WAIT) {
		/* a holder that sleeps on the GIL's own mutex is inside drop_gil */
		struct lock *l = s->self && (e->h.flags & EV_F_GIL_MUTEX) ? s->gil : lock_of(t, th, LOCK_FUTEX, e->parked ? e->parked : e->arg0);

		ret->state = STATE_WAIT_LOCK;
		ret->nr = -1;
		if (l)
			ret->lock = l->id;
		if (l && l->key.kind == LOCK_FUTEX)
			episode_futex(t, th, e, l);
	} else if (is_sleep(e)) {
		ret->state = STATE_SLEEP;
	}
}

/* The stretch off the CPU from cursor_ns to e->t_in_ns. */
void off_put(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s, enum episode_step step)
{
	uint64_t wake = e->t_wake_ns, t0 = th->cursor_ns, t1 = e->t_in_ns;
	struct segment first = { .t0 = t0, .t1 = t1, .nr = -1, .lock = MODEL_NONE, .stack = stack_shown(e) };
	struct segment second = { .t0 = t1, .t1 = t1, .state = STATE_RUNNABLE, .nr = -1, .lock = MODEL_NONE, .stack = stack_shown(e) };

	if (e->h.flags & EV_F_UNFINISHED)
		first.flags |= INTERVAL_F_UNFINISHED;
	if (e->h.flags & EV_F_AT_START)
		first.flags |= INTERVAL_F_AT_START;
	if (th->estimated)
		second.flags = first.flags |= INTERVAL_F_INFERRED;
	if (step == EPISODE_GOES_ON) {
		first.state = STATE_WAIT_GIL;
		first.lock = th->wait.lock->id;
		first.stack = episode_stack(&th->wait);
	} else {
		off_state(t, th, e, s, &first);
		if ((e->h.flags & EV_F_BLOCKED) && wake && wake < t1)
			first.t1 = second.t0 = wake;
		if (s->self) {
			first.flags |= INTERVAL_F_HELD | (s->gc ? INTERVAL_F_GC : 0);
			second.flags = first.flags;
			if (first.lock == MODEL_NONE)
				first.lock = s->gil->id;
			second.lock = s->gil->id;
			if (!(e->h.flags & EV_F_SAMPLED))
				history_through(&s->gil->history, th->row.thread, th->prev_on_ns, t0, t1);
			history_add_sight(&s->gil->history, th->row.thread, t1, e->own_stack, e->native); /* it stood there all the time */
			held_off(s->gil, th, &first);
			held_off(s->gil, th, &second);
		}
	}
	segment_put(t, th, &first);
	segment_put(t, th, &second);
	th->tail = second.t1 > second.t0 ? second : first;
	th->has_tail = e->h.flags & EV_F_UNFINISHED;
	if (e->h.flags & EV_F_BLOCKED)
		th->n_runs = 0;
	th->cursor_ns = t1;
}

static const enum thread_state agg_states[EV_AGG_N] = {
	[EV_AGG_GIL] = STATE_WAIT_GIL,
	[EV_AGG_LOCK] = STATE_WAIT_LOCK,
	[EV_AGG_BLOCKED] = STATE_BLOCKED,
	[EV_AGG_SLEEP] = STATE_SLEEP,
	[EV_AGG_RUNNABLE] = STATE_RUNNABLE,
};

static void one_tally(struct timeline *t, struct thread *th, const struct ev_agg *e, int cls, uint64_t n, uint64_t ns, bool held)
{
	struct tally row = { .thread = th->row.thread, .t0_ns = e->t0_ns, .t1_ns = e->t1_ns, .state = agg_states[cls],
			     .flags = held ? INTERVAL_F_HELD : 0, .lock = MODEL_NONE, .n = n, .ns = ns };

	if (!ns && !n)
		return;
	if (th->gil && (held || cls == EV_AGG_GIL))
		row.lock = th->gil->id;
	if (cls == EV_AGG_GIL && !held)
		for (int i = 0; i < EV_AGG_BUCKETS; i++)
			row.hist[i] = e->hist[i];
	th->debt[held].ns += ns;
	th->debt[held].later_ns += ns;
	line_add(t, ITEM_TALLY, th)->tally = row;
}

void tally_put(struct timeline *t, struct thread *th, const struct ev_agg *e)
{
	uint64_t left = e->t1_ns - e->t0_ns; /* they cannot last longer than that, nor overlap */

	for (int c = 0; c < EV_AGG_N; c++) {
		uint64_t ns = min_u64(e->ns[c], left), held = min_u64(e->held_ns[c], ns);

		if (ns < e->ns[c])
			t->odd.overlapping++;
		left -= ns;
		/* how many of them were held is not told: the larger part gets the number */
		one_tally(t, th, e, c, held * 2 <= ns ? e->n[c] : 0, ns - held, false);
		one_tally(t, th, e, c, held * 2 > ns ? e->n[c] : 0, held, true);
	}
}

/* --- out of the line ---------------------------------------------------------------------------------------- */

void merge_flush(struct timeline *t, struct thread *th)
{
	if (th->merging && t->sink.interval)
		t->sink.interval(t->sink.ctx, &th->merge);
	th->merging = false;
}

static bool mergeable(const struct interval *a, const struct interval *b)
{
	return a->t1_ns == b->t0_ns && a->state == b->state && a->flags == b->flags && a->nr == b->nr && a->lock == b->lock &&
	       a->stack == b->stack && b->t1_ns - a->t0_ns <= MERGE_MAX_NS;
}

static void piece(struct timeline *t, struct thread *th, const struct segment *s, uint64_t t0, uint64_t t1)
{
	struct interval row = { .thread = th->row.thread, .t0_ns = t0, .t1_ns = t1, .state = s->state, .flags = s->flags,
				.nr = s->nr, .lock = s->lock, .stack = s->stack };

	if (t1 <= t0)
		return;
	if (th->merging && mergeable(&th->merge, &row)) {
		th->merge.t1_ns = t1;
		return;
	}
	merge_flush(t, th);
	th->merge = row;
	th->merging = true;
}

/* A part of a stretch on the CPU, but for short stretches off it that were only counted. */
static void on_cpu_piece(struct timeline *t, struct thread *th, const struct segment *s, bool held, uint64_t t0, uint64_t t1)
{
	uint64_t absorbed = t1 > t0 ? min_u64(th->debt[held].ns, t1 - t0) : 0;

	th->debt[held].ns -= absorbed;
	piece(t, th, s, t0 + absorbed, t1);
}

/* Splits a stretch on the CPU by the thread's own holds. */
static void pieces_by_hold(struct timeline *t, struct thread *th, const struct segment *s, uint64_t t0)
{
	const struct history *h = &s->gil->history;
	struct segment with = *s, without = *s;
	size_t i = history_at(h, t0);

	with.state = STATE_GIL;
	with.lock = s->gil->id;
	without.state = STATE_NOGIL;
	without.flags |= th->python ? INTERVAL_F_INFERRED : 0;
	for (i = i == HISTORY_NONE ? 0 : i; i < h->holds.n && h->holds.items[i].t0 < s->t1; i++) {
		const struct hold_rec *r = &h->holds.items[i];
		uint64_t a = max_u64(r->t0, t0), b = min_u64(r->t1, s->t1);

		if (r->thread != th->row.thread || b <= a)
			continue;
		on_cpu_piece(t, th, &without, false, t0, a);
		with.flags = s->flags | (r->flags & (HOLD_F_START_INFERRED | HOLD_F_END_INFERRED) ? INTERVAL_F_INFERRED : 0);
		on_cpu_piece(t, th, &with, true, a, b);
		t0 = b;
	}
	on_cpu_piece(t, th, &without, false, t0, s->t1);
}

void segment_settle(struct timeline *t, struct thread *th, struct segment *s)
{
	uint64_t t0 = s->t0, until;

	if (s->state != STATE_N) {
		piece(t, th, s, t0, s->t1);
		return;
	}
	/* A stretch that overlaps a loss may hide a stretch off the CPU whose event was lost. */
	if (s->t1 - t0 > TAKE_GIL_NS && loss_within(t, t0, s->t1, &until)) {
		until = min_u64(until, s->t1);
		s->state = STATE_UNKNOWN;
		on_cpu_piece(t, th, s, false, t0, until);
		t0 = until;
	}
	if (s->gil) {
		pieces_by_hold(t, th, s, t0);
	} else {
		s->state = STATE_NOGIL;
		on_cpu_piece(t, th, s, false, t0, s->t1);
	}
}

void tally_flush(struct timeline *t, struct thread *th)
{
	for (uint32_t i = 0; i < th->n_sums && t->sink.tally; i++)
		t->sink.tally(t->sink.ctx, &th->sums[i]);
	th->n_sums = 0;
}

/* Under load a thread has hundreds of tallies a second: those of one kind are added up for a while. */
static void tally_sum(struct timeline *t, struct thread *th, const struct tally *row)
{
	struct tally *sum = NULL;

	if (th->n_sums && row->t1_ns - th->sums[0].t0_ns > TALLY_SUM_NS)
		tally_flush(t, th);
	for (uint32_t i = 0; i < th->n_sums && !sum; i++)
		if (th->sums[i].state == row->state && th->sums[i].flags == row->flags && th->sums[i].lock == row->lock)
			sum = &th->sums[i];
	if (!sum) {
		if (!th->sums)
			th->sums = xcalloc(TALLY_SUMS, sizeof(*th->sums));
		if (th->n_sums == TALLY_SUMS)
			tally_flush(t, th);
		th->sums[th->n_sums++] = *row;
		return;
	}
	sum->t0_ns = min_u64(sum->t0_ns, row->t0_ns);
	sum->t1_ns = max_u64(sum->t1_ns, row->t1_ns);
	sum->n += row->n;
	sum->ns += row->ns;
	for (int i = 0; i < EV_AGG_BUCKETS; i++)
		sum->hist[i] += row->hist[i];
}

/* What no on-CPU segment had room for was counted twice: it is not given out. */
void tally_settle(struct timeline *t, struct thread *th, struct tally *row)
{
	bool held = row->flags & INTERVAL_F_HELD;
	uint64_t too_much;

	th->debt[held].later_ns -= row->ns;
	too_much = th->debt[held].ns > th->debt[held].later_ns ? th->debt[held].ns - th->debt[held].later_ns : 0;
	too_much = min_u64(too_much, row->ns);
	if (too_much)
		t->odd.overlapping++;
	th->debt[held].ns -= too_much;
	row->ns -= too_much;
	if (row->ns || row->n)
		tally_sum(t, th, row);
}
