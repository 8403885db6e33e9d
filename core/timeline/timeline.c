/* The entry: checks an event, finds its thread, and lets the steps of timeline_priv.h work on it in their order.
 * Nothing here trusts an event: times that run backwards are clipped to the thread's cursor and counted. */
#include "core/timeline/timeline.h"

#include <string.h>

#include "core/event/event_names.h"
#include "core/timeline/timeline_priv.h"
#include "core/util/xalloc.h"

#define TIME_LIMIT (UINT64_C(1) << 62) /* no monotonic clock runs that long: keeps sums of times from wrapping */

struct timeline *timeline_new(const struct timeline_config *config, const struct timeline_sink *sink)
{
	struct timeline *t = xcalloc(1, sizeof(*t));

	t->config = *config;
	t->sink = *sink;
	return t;
}

void timeline_free(struct timeline *t)
{
	if (!t)
		return;
	memset(&t->sink, 0, sizeof(t->sink)); /* what was not finished is not given out */
	registries_free(t);
	free(t->line.items);
	free(t->shares.items);
	free(t);
}

const struct timeline_oddities *timeline_oddities(const struct timeline *t)
{
	return &t->odd;
}

/* --- lives -------------------------------------------------------------------------------------------------- */

/* The thread of the event; made up if its first sight was lost.  NULL: too many threads. */
static struct thread *thread_of(struct timeline *t, const struct ev_hdr *h, uint64_t now)
{
	struct thread *th = thread_by_tid(t, h->tid);

	if (th && th->proc->pid == h->pid)
		return th;
	t->odd.unknown_thread++;
	if (th) /* of another process: its exit was lost */
		life_end(t, th, now);
	th = thread_new(t, h, 0, now);
	if (th)
		thread_emit(t, th);
	return th;
}

/* A waiter that comes to its end on the CPU: woken by a releaser it most likely got the GIL for its last instructions;
 * not woken by anybody it was torn out of its wait. */
static enum episode_step last_step(struct timeline *t, struct thread *th, uint64_t at, enum wait_end end)
{
	struct episode *w = &th->wait;
	bool ran = at - th->in_ns > TAKE_GIL_NS;

	if (!w->lock)
		return EPISODE_NONE;
	if (th->has_tail) /* still asleep */
		return EPISODE_GOES_ON;
	if (th->woke_ns > th->in_ns || (ran && (w->releaser != MODEL_NONE || end == WAIT_UNFINISHED))) {
		episode_got(t, th);
		return EPISODE_GOT;
	}
	return EPISODE_GOES_ON;
}

static void last_stretch(struct timeline *t, struct thread *th, uint64_t at, enum wait_end end)
{
	struct sight s = { .t = at, .gil = th->gil };
	enum episode_step step = last_step(t, th, at, end);

	if (step != EPISODE_GOES_ON && end == WAIT_GAVE_UP)
		stretch_evidence(th, &s, STRETCH_BLOCKS);
	stretch_put(t, th, at, step);
	episode_close(t, th, at, end);
	for (struct lock *l = t->gils; l && end == WAIT_GAVE_UP; l = l->next_gil)
		history_lost(&l->history, th->row.thread, at, false);
}

/* --- callbacks of event loops --------------------------------------------------------------------------------------- */

static void emit_stall(struct timeline *t, const struct thread *th, struct stall *row)
{
	row->thread = th->row.thread;
	if (t->sink.stall)
		t->sink.stall(t->sink.ctx, row);
}

static void callback_over(struct timeline *t, struct thread *th)
{
	struct stall row;

	if (callback_end(&th->callback, &row))
		emit_stall(t, th, &row);
}

static void callback_seen(struct timeline *t, struct thread *th, const struct callback_look *look)
{
	struct stall row;

	if (callback_look(&th->callback, look, &row))
		emit_stall(t, th, &row);
}

static void callback_in_off(struct timeline *t, struct thread *th, const struct ev_off *e)
{
	struct callback_look look = { .t0_ns = e->t_out_ns, .t1_ns = e->t_in_ns, .wake_ns = e->t_wake_ns, .stack = e->own_stack,
				      .number = e->context, .off = STATE_BLOCKED };

	if (e->h.flags & EV_F_GIL_WAIT)
		look.off = STATE_WAIT_GIL;
	else if (!(e->h.flags & EV_F_BLOCKED))
		look.off = STATE_RUNNABLE;
	callback_seen(t, th, &look);
}

/* The thread ended. */
void life_end(struct timeline *t, struct thread *th, uint64_t at)
{
	if (th->gone)
		return;
	at = max_u64(at, th->cursor_ns);
	last_stretch(t, th, at, WAIT_GAVE_UP);
	callback_over(t, th);
	th->row.last_ns = at;
	th->row.exited = true;
	thread_leave(t, th);
}

static void end_others(struct timeline *t, const struct proc *p, const struct thread *but, uint64_t at)
{
	struct thread *th, *next;

	HASH_ITER(hh_tid, t->by_tid, th, next)
		if (th->proc == p && th != but)
			life_end(t, th, at);
}

static void feed_thread(struct timeline *t, const struct ev_thread *e)
{
	struct thread *th = thread_by_tid(t, e->h.tid);
	struct proc *p = proc_find(t, e->h.pid);

	if (p && e->h.tid == e->h.pid && p->start_ns && e->start_ns && p->start_ns != e->start_ns) {
		end_others(t, p, NULL, e->t_ns); /* the pid is used again */
		proc_leave(t, p);
		th = thread_by_tid(t, e->h.tid);
	}
	if (th && (th->proc->pid != e->h.pid || (th->row.start_ns && e->start_ns && th->row.start_ns != e->start_ns))) {
		life_end(t, th, e->t_ns); /* the tid is used again */
		th = NULL;
	}
	if (th && !(e->h.flags & EV_F_RENAMED) && th->row.start_ns)
		t->odd.duplicate++;
	if (!th)
		th = thread_new(t, &e->h, e->start_ns, e->t_ns);
	if (th)
		thread_learn(t, th, e);
	else
		t->odd.unknown_thread++;
}

static void emit_process_event(struct timeline *t, const struct process_event *row)
{
	if (t->sink.process_event)
		t->sink.process_event(t->sink.ctx, row);
}

static void feed_exit(struct timeline *t, const struct ev_exit *e)
{
	struct thread *th = thread_by_tid(t, e->h.tid);
	struct process_event row = { .t_ns = e->t_ns, .kind = PROCESS_EXIT, .code = e->code };
	struct proc *p = proc_find(t, e->h.pid);

	if (th && th->proc->pid == e->h.pid)
		life_end(t, th, e->t_ns);
	else
		t->odd.duplicate++;
	if (!p || !(e->h.flags & EV_F_PROCESS))
		return;
	end_others(t, p, NULL, e->t_ns);
	row.proc = p->id;
	emit_process_event(t, &row);
	proc_leave(t, p);
}

static void feed_fork(struct timeline *t, const struct ev_fork *e)
{
	struct proc *p = proc_find(t, e->h.pid);
	struct process_event row = { .t_ns = e->t_ns, .kind = PROCESS_FORK, .other_pid = e->child_pid };

	if (!p) {
		t->odd.unknown_thread++;
		return;
	}
	row.proc = p->id;
	emit_process_event(t, &row);
}

/* All threads but one end, and that one has another program now.  The kernel gives it the leader's tid before it tells. */
static void feed_exec(struct timeline *t, const struct ev_exec *e)
{
	struct thread *th = thread_by_tid(t, e->h.tid);
	struct process_event row = { .t_ns = e->t_ns, .kind = PROCESS_EXEC };

	if (!th || th->proc->pid != e->h.pid) {
		t->odd.unknown_thread++;
		return;
	}
	end_others(t, th->proc, th, e->t_ns);
	last_stretch(t, th, max_u64(e->t_ns, th->cursor_ns), WAIT_GAVE_UP);
	callback_over(t, th);
	th->in_ns = th->cursor_ns;
	th->gil = NULL;
	th->python = false;
	row.proc = th->row.proc;
	memcpy(row.text, e->comm, strnlen(e->comm, sizeof(e->comm)));
	emit_process_event(t, &row);
}

/* --- what an event shows of the GIL -------------------------------------------------------------------------- */

static void look(struct timeline *t, struct thread *th, const struct ev_hdr *h, uint64_t gil, uint64_t ident, struct sight *ret)
{
	bool waits_for_it = (h->flags & EV_F_GIL_WAIT) && !(h->flags & EV_F_GIL_MUTEX);

	th->observed = true;
	th->estimated = h->flags & EV_F_INFERRED;
	th->python = h->flags & EV_F_PYTHON;
	if (gil)
		ret->gil = lock_of(t, th, LOCK_GIL, gil);
	if (!ret->gil)
		return;
	if (!th->gil)
		th->gil = ret->gil;
	ret->seen = h->flags & EV_F_GIL_SEEN;
	ret->locked = ret->seen && (h->flags & EV_F_LOCKED);
	ret->self = ret->locked && (h->flags & EV_F_SELF_HOLDS);
	ret->gc = ret->locked && (h->flags & EV_F_GC);
	if (ret->self && waits_for_it) /* take_gil of another thread sets locked before last_holder: the words are of two moments */
		ret->self = ret->locked = ret->seen = false;
	if (ret->locked && !ret->self) {
		ret->holder = thread_by_ident(t, th->proc, ident, ret->t);
		if (ret->holder == th)
			ret->holder = NULL;
	}
	/* Seen holding after it came back from its wait: that is how it ended. */
	if (ret->holder && ret->holder->wait.lock == ret->gil && ret->t > ret->holder->in_ns)
		episode_got(t, ret->holder);
}

/* What a thread saw of others while it did not hold the GIL itself. */
static void apply_sight(struct timeline *t, const struct sight *s)
{
	struct thread *holder = s->holder;
	struct history *h;

	if (!s->seen || s->self)
		return;
	h = &s->gil->history;
	if (!holder) {
		t->odd.holder_unknown += s->locked;
		history_free_at(h, s->t);
		return;
	}
	thread_saw_gil(holder, s->gil);
	/* what it did before its cursor it told itself, and better */
	if (s->t >= holder->cursor_ns && holder->wait.lock != s->gil)
		history_seen(h, holder->row.thread, holder->cursor_ns, s->t);
	history_add_sight(h, holder->row.thread, s->t, s->holder_stack, 0);
	if (s->gc)
		history_mark(h, holder->row.thread, s->t, HOLD_F_GC);
}

static enum stretch_end how_it_ended(const struct thread *th, const struct ev_off *e, const struct sight *s)
{
	if (s->self)
		return STRETCH_HOLDS;
	if (episode_is_sleep(e, s) && (e->h.flags & EV_F_FORCED_SWITCH))
		return STRETCH_DROPPED;
	/* it had no reason to let go just here; one of whom it is only concluded that it slept had some */
	if (!(e->h.flags & EV_F_BLOCKED) || (e->nr == -1 && !(e->h.flags & EV_F_INFERRED)))
		return s->seen ? STRETCH_RELEASED : STRETCH_NOTHING;
	if ((e->h.flags & EV_F_GIL_WAIT) && e->t_out_ns - th->cursor_ns < TAKE_GIL_NS && s->gil &&
	    !history_covers(&s->gil->history, th->row.thread, e->t_out_ns))
		return STRETCH_NOTHING; /* straight from elsewhere into take_gil */
	return STRETCH_BLOCKS;
}

/* --- stretches ---------------------------------------------------------------------------------------------- */

/* Makes the times of a stretch run forward from the thread's cursor.  False: all of it lies in the past. */
static bool clip_off(struct timeline *t, const struct thread *th, struct ev_off *e)
{
	if (e->t_in_ns < e->t_out_ns) {
		t->odd.out_of_order++;
		e->t_in_ns = e->t_out_ns;
	}
	if (e->t_out_ns < th->cursor_ns) {
		if (e->t_in_ns <= th->cursor_ns) {
			t->odd.out_of_order++;
			return false;
		}
		t->odd.overlapping++;
		e->t_out_ns = th->cursor_ns;
	}
	if (e->t_wake_ns < e->t_out_ns || e->t_wake_ns > e->t_in_ns)
		e->t_wake_ns = 0; /* not seen; from here on it lies within the stretch */
	return true;
}

/* The stretch on the CPU from the cursor to s->t is over. */
static void stretch_done(struct timeline *t, struct thread *th, const struct sight *s, enum stretch_end how, enum episode_step step)
{
	struct lock *was = th->gil;
	bool moved = was && s->gil && was != s->gil && history_covers(&was->history, th->row.thread, s->t);

	if (moved) /* it works for another interpreter now; the stretch was with the GIL of the former one */
		history_lost(&was->history, th->row.thread, s->t, false);
	else if (s->gil)
		th->gil = s->gil;
	if (step != EPISODE_GOES_ON && (!moved || s->self))
		stretch_evidence(th, s, how);
	stretch_put(t, th, s->t, step);
	if (s->gil)
		th->gil = s->gil;
}

static void feed_off(struct timeline *t, const struct ev_off *event)
{
	struct thread *th = thread_of(t, &event->h, min_u64(event->t_out_ns, event->t_in_ns));
	struct ev_off e = *event;
	struct sight s = { 0 };
	enum episode_step step;
	enum stretch_end how;
	bool waits, sight_first;
	uint64_t from;

	if (!th || !clip_off(t, th, &e))
		return;
	callback_in_off(t, th, &e);
	s.t = e.t_out_ns;
	s.stack = e.own_stack;
	s.native = e.native;
	s.holder_stack = e.holder_stack;
	look(t, th, &e.h, e.gil, e.holder_ident, &s);
	if (e.h.flags & EV_F_SAMPLED) {
		estimate_off(t, th, &e, &s);
		return;
	}
	waits = episode_is_sleep(&e, &s);
	step = episode_decide(t, th, &e, &s);
	/* A thread that wants the GIL did not hold it just before: whoever is seen holding it has the better claim. */
	sight_first = waits && s.gil && !history_covers(&s.gil->history, th->row.thread, s.t);
	if (sight_first)
		apply_sight(t, &s);
	how = how_it_ended(th, &e, &s);
	from = th->in_ns;
	stretch_done(t, th, &s, how, step);
	if (how == STRETCH_BLOCKS && step != EPISODE_GOES_ON && th->gil && counted_lately(&th->counted, s.t))
		line_add_share(t, th, counted_stretch(&th->counted, from, s.t));
	if (!sight_first)
		apply_sight(t, &s);
	if (waits) {
		episode_sleep(t, th, &e, &s);
		step = EPISODE_GOES_ON;
	}
	off_put(t, th, &e, &s, step);
	counted_forget(&th->counted);
	th->in_ns = e.t_in_ns;
}

static void feed_sample(struct timeline *t, const struct ev_sample *e)
{
	struct thread *th = thread_of(t, &e->h, e->t_ns);
	struct sight s = { .t = e->t_ns, .stack = e->stack, .native = e->native };
	struct sample_row row = { .t_ns = e->t_ns, .state = STATE_NOGIL, .stack = e->native ? e->native : e->stack };

	if (!th)
		return;
	if (e->stack)
		callback_seen(t, th, &(struct callback_look){ .t0_ns = e->t_ns, .t1_ns = e->t_ns, .stack = e->stack, .number = e->context });
	row.thread = th->row.thread;
	row.flags = (e->h.flags & EV_F_WANTS_GIL ? SAMPLE_F_WANTS_GIL : 0) | (e->h.flags & EV_F_KERNEL ? SAMPLE_F_KERNEL : 0);
	if (e->h.flags & EV_F_SAMPLED) {
		estimate_sample(t, th, e);
	} else if (e->t_ns < th->cursor_ns) {
		t->odd.out_of_order++;
	} else {
		look(t, th, &e->h, e->gil, e->holder_ident, &s);
		if (episode_decide_sample(t, th, e, &s) != EPISODE_GOES_ON && s.seen)
			stretch_done(t, th, &s, s.self ? STRETCH_HOLDS : STRETCH_RELEASED, EPISODE_NONE);

		apply_sight(t, &s);
		if (s.seen)
			counted_sample(&th->counted, s.self);
	}
	if ((e->h.flags & EV_F_LOCKED) && (e->h.flags & EV_F_SELF_HOLDS)) {
		row.state = STATE_GIL;
		row.flags |= e->h.flags & EV_F_GC ? SAMPLE_F_GC : 0;
	}
	if (t->sink.sample)
		t->sink.sample(t->sink.ctx, &row);
}

static void feed_hold(struct timeline *t, const struct ev_hold *e)
{
	struct thread *th = e->t1_ns > e->t0_ns ? thread_of(t, &e->h, e->t0_ns) : NULL;

	if (th)
		estimate_hold(t, th, e);
}

static bool agg_blocked_without_gil(const struct ev_agg *e)
{
	uint64_t n = 0, held = 0;

	for (int c = EV_AGG_LOCK; c <= EV_AGG_SLEEP; c++) {
		n += e->n[c];
		held |= e->held_ns[c];
	}
	return n && !held;
}

/* It came back, and these were counted.  A sample that came after them may have been told before. */
static void window_done(struct timeline *t, struct thread *th, const struct sight *s, const struct ev_agg *e, enum episode_step step)
{
	uint64_t from = th->in_ns;

	if (e->t1_ns <= from)
		return;
	if (e->t1_ns > th->cursor_ns)
		stretch_done(t, th, s, STRETCH_NOTHING, step);
	if (step != EPISODE_GOES_ON && th->gil) {
		if (agg_blocked_without_gil(e))
			history_lost(&th->gil->history, th->row.thread, e->t1_ns, false);
		line_add_share(t, th, counted_window(&th->counted, from, e, th->python));
	}
	counted_forget(&th->counted);
	th->in_ns = e->t1_ns;
}

static void feed_agg(struct timeline *t, const struct ev_agg *e)
{
	struct thread *th = thread_of(t, &e->h, min_u64(e->t0_ns, e->t1_ns));
	struct sight s = { .t = e->t1_ns };
	enum episode_step step = EPISODE_NONE;

	if (!th)
		return;
	if (e->t1_ns < e->t0_ns || e->t0_ns < th->row.first_ns) {
		t->odd.out_of_order++;
		return;
	}
	th->observed = true;
	s.gil = e->gil ? lock_of(t, th, LOCK_GIL, e->gil) : th->gil;
	if (th->wait.lock && e->t0_ns >= th->in_ns && e->t1_ns > th->cursor_ns)
		step = episode_decide_agg(t, th, e);
	if (!th->wait.lock || step != EPISODE_NONE)
		window_done(t, th, &s, e, step);
	if (step != EPISODE_GOES_ON) /* else they are inside the wait, which has its own row */
		tally_put(t, th, e);
}

static void feed_loss(struct timeline *t, const struct ev_loss *e)
{
	struct loss_window *last = t->n_losses ? &t->losses[(t->n_losses - 1) % LOSSES_MAX] : NULL;

	if (e->cls == EV_LOSS_RING_STACK || e->cls == EV_LOSS_RING_SAMPLE || e->cls == EV_LOSS_WRITE || e->cls == EV_LOSS_RING_NATIVE ||
	    e->cls == EV_LOSS_UNWIND || e->t1_ns < e->t0_ns)
		return; /* no stretch is missing */
	if (last && e->t0_ns <= last->t1 && e->t1_ns >= last->t0) {
		last->t0 = min_u64(last->t0, e->t0_ns);
		last->t1 = max_u64(last->t1, e->t1_ns);
		return;
	}
	t->losses[t->n_losses++ % LOSSES_MAX] = (struct loss_window){ e->t0_ns, e->t1_ns };
}

/* --- the stream --------------------------------------------------------------------------------------------- */

void timeline_feed(struct timeline *t, const struct ev_hdr *event)
{
	uint64_t now;

	if (t->finished || !event_size_ok(event, event->size))
		return;
	/* losses and levels are told by a clock of their own, which settles nothing here */
	now = event->kind == EV_LOSS || event->kind == EV_LEVEL || event->kind == EV_LOOKS ? 0 : event_complete_ns(event);
	if (now > TIME_LIMIT) {
		t->odd.out_of_order++;
		return;
	}
	line_advance(t, now);
	switch (event->kind) {
	case EV_OFF: feed_off(t, (const struct ev_off *)event); break;
	case EV_HOLD: feed_hold(t, (const struct ev_hold *)event); break;
	case EV_SAMPLE: feed_sample(t, (const struct ev_sample *)event); break;
	case EV_THREAD: feed_thread(t, (const struct ev_thread *)event); break;
	case EV_EXIT: feed_exit(t, (const struct ev_exit *)event); break;
	case EV_FORK: feed_fork(t, (const struct ev_fork *)event); break;
	case EV_EXEC: feed_exec(t, (const struct ev_exec *)event); break;
	case EV_AGG: feed_agg(t, (const struct ev_agg *)event); break;
	case EV_LOSS: feed_loss(t, (const struct ev_loss *)event); break;
	default: break; /* stacks, levels and looks are the store's */
	}
}

static void finish_thread(struct timeline *t, struct thread *th, uint64_t end)
{
	uint64_t at = max_u64(end, th->cursor_ns);
	struct segment rest = { .t0 = th->cursor_ns, .t1 = at, .state = STATE_UNKNOWN, .nr = -1, .lock = MODEL_NONE };

	if (th->tail.state == STATE_WAIT_GIL && !th->wait.lock)
		th->has_tail = false; /* others saw that it got the GIL after all */
	if (th->has_tail || !th->observed) {
		if (th->has_tail)
			rest = th->tail;
		rest.t0 = th->cursor_ns;
		rest.t1 = at;
		if (rest.t1 > rest.t0)
			line_add(t, ITEM_SEGMENT, th)->segment = rest;
		th->cursor_ns = at;
	}
	last_stretch(t, th, at, WAIT_UNFINISHED);
	callback_over(t, th);
	th->row.last_ns = at;
	thread_leave(t, th);
}

void timeline_finish(struct timeline *t, uint64_t end_ns)
{
	struct thread *th, *next;

	if (t->finished)
		return;
	end_ns = min_u64(end_ns, TIME_LIMIT);
	line_advance(t, end_ns);
	HASH_ITER(hh_tid, t->by_tid, th, next)
		finish_thread(t, th, end_ns);
	for (struct lock *l = t->gils; l; l = l->next_gil)
		history_finish(&l->history, end_ns);
	line_drain(t);
	t->finished = true;
}
