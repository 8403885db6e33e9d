/* One wait for a GIL: from the first sleep on its words until the thread has it or gives up.
 *
 * CPython 3.2 and newer (ceval_gil): a waiter sleeps on gil.cond for one switch interval at a time, may bounce on gil.mutex before and
 * after, and after a whole interval asks the holder to drop the GIL; a holder that was asked waits on gil.switch_cond until another thread
 * has it.  While the waiter sleeps the scheduler tells all; when it is back on the CPU nothing says whether it got the GIL.
 * Its next event decides, or another thread that sees it holding.  gil.switch_number changes when the GIL changes hands: the same number
 * as at the last sleep, with the GIL locked by another thread, proves that the waiter did not have it meanwhile.
 *
 * PyPy (thread_gil.c): the first waiter sleeps on a condition for 0.1 ms at a time and looks whether the GIL is free; the others sleep on a
 * mutex behind it (EV_F_GIL_POLL, EV_F_GIL_QUEUE).  A holder that yields signals the condition, one that lets go around a call wakes nobody.
 * Who has got the GIL wakes the next of the queue. */
#include "core/event/event_parked.h"
#include "core/timeline/timeline_priv.h"

#include <string.h>
#include <sys/syscall.h>

bool episode_is_sleep(const struct ev_off *e, const struct sight *s)
{
	return s->gil && (e->h.flags & EV_F_BLOCKED) && (e->h.flags & EV_F_FUTEX_WAIT) && (e->h.flags & EV_F_GIL_WAIT) && !s->self;
}

static bool on_condition(const struct ev_off *e)
{
	return !(e->h.flags & (EV_F_GIL_MUTEX | EV_F_FORCED_SWITCH | EV_F_GIL_QUEUE));
}

/* It ran between two sleeps: was that only the way through take_gil, which takes up to limit_ns? */
static bool passed_through(const struct thread *th, uint64_t until, uint64_t stack, uint64_t limit_ns)
{
	uint64_t ran = until - max_u64(th->in_ns, th->wait.wants_ns);
	bool timed_out = th->wait.waker == MODEL_NONE && !th->wait.polls; /* nobody woke it: it asks the holder to drop the GIL and sleeps again */

	if (th->wait.stack && !(th->wait.flags & WAIT_F_STACK_CARRIED) && stack && stack != th->wait.stack)
		return false;
	if (th->woke_ns > th->in_ns)
		return false; /* only a thread that had the GIL wakes a waiter */
	return ran < (timed_out ? TAKE_GIL_SLOW_NS : limit_ns);
}

/* switch_number counts the turns of threads other than the last holder.  None since the waiter was seen not to be that: it did not
 * get the GIL.  One: the last holder's of now; had the waiter had the GIL before that one, it were two. */
enum turns { TURNS_UNKNOWN, TURNS_OF_OTHERS, TURNS_ENOUGH };
static enum turns turns_since(const struct thread *th, const struct ev_off *e, const struct sight *s)
{
	if (!s->seen || s->gil != th->wait.lock || !th->wait.number_known || (e->h.flags & EV_F_SELF_LAST))
		return TURNS_UNKNOWN;
	return e->switch_number - th->wait.number <= 1 ? TURNS_OF_OTHERS : TURNS_ENOUGH;
}

/* What the next look at switch_number is to be compared with. */
static void note_number(struct episode *w, const struct ev_off *e, const struct sight *s)
{
	bool came_back = e->h.flags & EV_F_IN_SEEN;

	if ((came_back ? e->in_number : e->switch_number) == EV_NO_NUMBER)
		return;
	if (s->gil != w->lock || (!came_back && (!s->seen || s->self || (e->h.flags & EV_F_SELF_LAST))))
		return; /* an older one still holds */
	w->number = came_back ? e->in_number : e->switch_number;
	w->number_known = true;
	w->number_fresh = came_back;
}

static enum episode_step step(struct timeline *t, struct thread *th, bool goes_on)
{
	if (goes_on)
		return EPISODE_GOES_ON;
	episode_got(t, th);
	return EPISODE_GOT;
}

/* System calls inside take_gil: the futex, and the clock where it is not read in user mode. */
static bool take_gil_calls(int32_t nr)
{
	return nr == SYS_futex || nr == SYS_clock_gettime || nr == SYS_gettimeofday || nr == SYS_restart_syscall;
}

/* It certainly had the GIL since its last sleep. */
static bool had_it(const struct thread *th, const struct ev_off *e, const struct sight *s)
{
	const struct episode *w = &th->wait;

	if (e->h.flags & EV_F_TAKE_SEEN)
		return e->h.flags & EV_F_MOVED;
	/* drop_gil sleeps on gil.mutex, on switch_mutex and then on switch_cond; it may wake somebody in between */
	if (w->in_drop && episode_is_sleep(e, s) && s->gil == w->lock && (e->h.flags & EV_F_FORCED_SWITCH))
		return e->t_out_ns - th->in_ns >= TAKE_GIL_SLOW_NS;
	if (s->self || (e->h.flags & EV_F_MOVED) || (w->number_known && s->seen && (e->h.flags & EV_F_SELF_LAST)))
		return true;
	return episode_is_sleep(e, s) && (s->gil != w->lock || (e->h.flags & EV_F_FORCED_SWITCH));
}

/* PyPy: who woke it from the queue, and so had just taken the GIL, has it still. */
static bool still_behind(const struct episode *w, const struct sight *s)
{
	return (w->polls & EV_F_GIL_QUEUE) && s->holder && s->holder->row.thread == w->waker;
}

enum episode_step episode_decide(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s)
{
	enum turns turns = turns_since(th, e, s);
	bool preempted = !(e->h.flags & EV_F_BLOCKED);
	uint64_t limit_ns = TAKE_GIL_NS;

	if (!th->wait.lock)
		return EPISODE_NONE;
	if (had_it(th, e, s))
		return step(t, th, false);
	if ((e->h.flags & (EV_F_TAKE_SEEN | EV_F_STAYED)) == (EV_F_TAKE_SEEN | EV_F_STAYED) && (episode_is_sleep(e, s) || e->nr == -1))
		return EPISODE_GOES_ON;
	/* asleep in a system call it made: only Python code makes any (a page fault, nr -1, may also be take_gil's) */
	if (!episode_is_sleep(e, s) && (e->h.flags & EV_F_BLOCKED) && e->nr != -1)
		return step(t, th, false);
	/* preempted in one */
	if (e->nr != -1 && !take_gil_calls(e->nr))
		return step(t, th, false);
	if (turns == TURNS_ENOUGH && th->wait.number_fresh) {
		if (preempted)
			return step(t, th, false); /* two turns in so short a time: its own, and of who has it now */
	} else if (s->seen && !s->self && preempted) {
		limit_ns = TAKE_GIL_SLOW_NS; /* preempted without the GIL, so most likely still on its way to it */
	} else if ((e->h.flags & EV_F_STAYED) || still_behind(&th->wait, s)) {
		limit_ns = TAKE_GIL_STAYED_NS;
	}
	if (turns != TURNS_OF_OTHERS && !passed_through(th, e->t_out_ns, e->own_stack, limit_ns))
		return step(t, th, false);
	if (!episode_is_sleep(e, s))
		note_number(&th->wait, e, s);
	return EPISODE_GOES_ON;
}

enum episode_step episode_decide_sample(struct timeline *t, struct thread *th, const struct ev_sample *e, const struct sight *s)
{
	if (!th->wait.lock)
		return EPISODE_NONE;
	if (s->self || ((e->h.flags & EV_F_TAKE_SEEN) && (e->h.flags & EV_F_MOVED)))
		return step(t, th, false);
	if (e->h.flags & (EV_F_WANTS_GIL | EV_F_TAKE_SEEN)) {
		th->wait.wants_ns = e->t_ns;
		return EPISODE_GOES_ON;
	}
	return step(t, th, passed_through(th, e->t_ns, e->stack, TAKE_GIL_NS));
}

enum episode_step episode_decide_agg(struct timeline *t, struct thread *th, const struct ev_agg *e)
{
	bool elsewhere = e->n[EV_AGG_LOCK] || e->n[EV_AGG_BLOCKED] || e->n[EV_AGG_SLEEP] || e->held_ns[EV_AGG_RUNNABLE];
	uint64_t ran = e->t1_ns - e->t0_ns, off = e->ns[EV_AGG_GIL] + e->ns[EV_AGG_RUNNABLE];
	struct episode *w = &th->wait;
	uint64_t limit_ns = TAKE_GIL_NS;

	if (!w->lock)
		return EPISODE_NONE;
	if (e->n[EV_AGG_GIL] && !(e->h.flags & (EV_F_MOVED | EV_F_UNPLACED)))
		limit_ns = TAKE_GIL_STAYED_NS;
	ran = ran > off ? ran - off : 0; /* on the CPU between them */
	if (elsewhere || ran >= TAKE_GIL_SLOW_NS || (e->h.flags & EV_F_MOVED) || !passed_through(th, e->t0_ns, 0, limit_ns))
		return step(t, th, false);
	w->sleeps += e->n[EV_AGG_GIL];
	w->asleep_ns += min_u64(e->ns[EV_AGG_GIL], e->t1_ns - e->t0_ns);
	return EPISODE_GOES_ON;
}

static void note_stack(struct thread *th, uint64_t stack, uint64_t native)
{
	struct episode *w = &th->wait;

	if (stack && (!w->stack || (w->flags & WAIT_F_STACK_CARRIED))) {
		w->stack = stack;
		w->flags &= ~(uint32_t)WAIT_F_STACK_CARRIED;
	} else if (!w->stack && th->wait_lock == w->lock->id && th->wait_stack) {
		w->stack = th->wait_stack;
		w->flags |= WAIT_F_STACK_CARRIED;
	}
	if (!w->native && stack == w->stack)
		w->native = native;
	th->wait_lock = w->lock->id;
	th->wait_stack = w->stack;
}

uint64_t episode_stack(const struct episode *w)
{
	return w->native ? w->native : w->stack;
}

static void begin(struct thread *th, const struct ev_off *e, const struct sight *s)
{
	struct hold_rec *own = let_go_just_now(th, s->gil, e->t_out_ns);

	memset(&th->wait, 0, sizeof(th->wait));
	th->wait.lock = s->gil;
	th->wait.t0 = e->t_out_ns;
	th->wait.waker = th->wait.releaser = MODEL_NONE;
	if (e->h.flags & EV_F_AT_START)
		th->wait.flags |= WAIT_F_AT_START;
	if (own && !own->emitted) {
		own->rewait_ns = e->t_out_ns;
		if (e->h.flags & EV_F_FORCED_SWITCH)
			own->flags |= HOLD_F_FORCED;
	}
}

/* When the thread began to run before t, or t itself if that is not known any more. */
static uint64_t ran_since(const struct thread *th, uint64_t t)
{
	if (t >= th->cursor_ns)
		return th->cursor_ns;
	return t >= th->prev_on_ns && t <= th->prev_out_ns ? th->prev_on_ns : t;
}

/* Only drop_gil signals the condition: the waker let go at that moment. */
static void note_release(struct timeline *t, struct lock *gil, struct thread *from, uint64_t at, uint64_t stack)
{
	from->woke_ns = max_u64(from->woke_ns, at);
	if (from->wait.lock == gil && at > from->in_ns)
		episode_got(t, from);
	thread_saw_gil(from, gil);
	history_release(&gil->history, from->row.thread, ran_since(from, at), at);
	history_add_sight(&gil->history, from->row.thread, at, stack, 0);
}

/* A thread waiting on switch_cond, or in PyPy's queue, is woken by the one that has just taken the GIL: take_gil signals at once after it has set gil.locked.
 * That tells when its wait was over better than its return to the CPU, which an interrupt or a bounce may have followed. */
static void note_taken(struct timeline *t, struct lock *gil, struct thread *by, uint64_t at, uint64_t stack)
{
	if (by->wait.lock == gil && at > by->in_ns) {
		if (!by->wait.polls && by->cursor_ns == by->in_ns && at - by->in_ns < TAKE_GIL_STAYED_NS) {
			stretch_put(t, by, at, EPISODE_GOES_ON);
			by->in_ns = at;
		}
		episode_got(t, by);
	}
	thread_saw_gil(by, gil);
	if (at >= by->cursor_ns)
		history_seen(&gil->history, by->row.thread, by->cursor_ns, at);
	history_add_sight(&gil->history, by->row.thread, at, stack, 0);
}

/* The thread slept on the GIL from t_out_ns to t_in_ns. */
void episode_sleep(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s)
{
	struct episode *w = &th->wait;
	struct thread *waker = thread_waker(t, th, e);
	uint64_t asleep = e->t_wake_ns ? e->t_wake_ns : e->t_in_ns;

	if (!w->lock)
		begin(th, e, s);
	th->in_ns = e->t_in_ns; /* what happened before says nothing about how this sleep ended */
	note_stack(th, e->own_stack, e->native);
	lock_waited(t, w->lock, e->own_stack);
	w->sleeps++;
	w->asleep_ns += asleep - e->t_out_ns;
	w->wake_latency_ns = e->t_in_ns - asleep;
	w->waker = waker ? waker->row.thread : MODEL_NONE;
	if (e->h.flags & EV_F_FORCED_SWITCH)
		w->flags |= WAIT_F_AFTER_FORCED;
	/* the last holder of a free GIL has just dropped it */
	w->polls = e->h.flags & (EV_F_GIL_POLL | EV_F_GIL_QUEUE);
	w->in_drop = (e->h.flags & EV_F_FORCED_SWITCH) || (s->seen && !s->locked && (e->h.flags & EV_F_SELF_LAST) && w->sleeps == 1);
	note_number(w, e, s);
	if (e->h.flags & EV_F_UNFINISHED)
		return;
	if ((e->h.flags & EV_F_NOT_RELEASED) && !(e->h.flags & EV_F_FORCED_SWITCH))
		waker = NULL; /* who woke it says nothing about the GIL */
	if (on_condition(e)) {
		w->releaser = waker ? w->waker : MODEL_NONE;
		w->release_ns = waker ? asleep : 0;
		w->release_stack = e->waker_stack;
		if (waker)
			note_release(t, w->lock, waker, asleep, e->waker_stack);
		else if (s->locked && w->waker == MODEL_NONE && !w->polls)
			history_asked(&w->lock->history, e->t_out_ns, e->t_in_ns);
	} else if (waker && (e->h.flags & (EV_F_FORCED_SWITCH | EV_F_GIL_QUEUE))) {
		note_taken(t, w->lock, waker, asleep, e->waker_stack);
	} else if (waker && w->releaser == MODEL_NONE && history_covers(&w->lock->history, waker->row.thread, asleep)) {
		w->releaser = w->waker; /* it met the holder inside drop_gil */
		w->release_ns = asleep;
		w->release_stack = e->waker_stack;
		note_release(t, w->lock, waker, asleep, e->waker_stack);
	}
}

static void put_wait(struct timeline *t, struct thread *th, uint64_t t1, enum wait_end end, bool got)
{
	struct episode *w = &th->wait;
	struct wait_item *item = &line_add(t, ITEM_WAIT, th)->wait;

	*item = (struct wait_item){
		.row = { .thread = th->row.thread, .lock = w->lock->id, .t0_ns = w->t0, .t1_ns = t1, .stack = episode_stack(w), .end = end,
			 .flags = w->flags | (th->estimated ? WAIT_F_INFERRED : 0), .sleeps = w->sleeps, .asleep_ns = w->asleep_ns, .wake_latency_ns = w->wake_latency_ns,
			 .waker = w->waker },
		.gil = w->lock, .got = got, .releaser = w->releaser, .release_ns = w->release_ns, .release_stack = w->release_stack,
	};
	w->lock = NULL;
}

/* It has the GIL since it last came back to the CPU. */
void episode_got(struct timeline *t, struct thread *th)
{
	struct episode *w = &th->wait;
	enum wait_end end;

	th->gil = w->lock;
	history_acquire(&w->lock->history, th->row.thread, th->in_ns);
	end = w->waker == MODEL_NONE && w->releaser == MODEL_NONE ? WAIT_END_UNKNOWN : WAIT_VOLUNTARY;
	put_wait(t, th, th->in_ns, end, true);
}

void episode_estimated(struct timeline *t, struct thread *th, const struct ev_off *e, struct lock *gil)
{
	struct episode *w = &th->wait;

	*w = (struct episode){ .lock = gil, .t0 = e->t_out_ns, .stack = e->own_stack, .waker = MODEL_NONE, .releaser = MODEL_NONE, .sleeps = 1,
			       .asleep_ns = e->t_in_ns - e->t_out_ns, .flags = e->h.flags & EV_F_AT_START ? WAIT_F_AT_START : 0 };
	lock_waited(t, gil, e->own_stack);
	put_wait(t, th, e->t_in_ns, e->h.flags & EV_F_UNFINISHED ? WAIT_UNFINISHED : WAIT_END_UNKNOWN, !(e->h.flags & EV_F_UNFINISHED));
}

void episode_close(struct timeline *t, struct thread *th, uint64_t t1, enum wait_end end)
{
	if (th->wait.lock)
		put_wait(t, th, t1, end, false);
}

#define FUTEX_PRIVATE 128 /* FUTEX_PRIVATE_FLAG of linux/futex.h: the word is this process's own */

/* Who has the lock, as it says itself. */
static struct thread *owner_of(struct timeline *t, const struct thread *th, const struct ev_off *e)
{
	struct thread *owner = NULL;

	if (!e->lock_owner)
		return NULL;
	if (e->parked)
		owner = thread_by_ident(t, th->proc, e->lock_owner, e->t_out_ns);
	else if (e->lock_owner <= UINT32_MAX)
		owner = thread_by_tid(t, (uint32_t)e->lock_owner);
	return owner && owner != th && owner->proc == th->proc ? owner : NULL;
}

static void carry_futex_stack(struct thread *th, struct wait *row)
{
	if (!row->stack && th->futex_lock == row->lock && th->futex_stack) {
		row->stack = th->futex_stack;
		row->flags |= WAIT_F_STACK_CARRIED;
	}
	th->futex_lock = row->lock;
	th->futex_stack = row->stack;
}

/* What the event tells of the kind of lock; LOCK_FUTEX: nothing. */
static enum lock_kind kind_of(const struct ev_off *e, const struct thread *owner)
{
	static const enum lock_kind parked[EV_PARKED_N] = {
		[EV_PARKED_NOT] = LOCK_FUTEX, [EV_PARKED_ELSEWHERE] = LOCK_FUTEX, [EV_PARKED_MUTEX] = LOCK_PYMUTEX, [EV_PARKED_LOCK] = LOCK_LOCK,
		[EV_PARKED_OBJECT] = LOCK_OBJECT, [EV_PARKED_SECTION] = LOCK_SECTION, [EV_PARKED_STOPPED] = LOCK_STW,
		[EV_PARKED_STOPPING] = LOCK_STW_REQUEST,
	};

	if (e->parked && e->parked_as < EV_PARKED_N)
		return e->parked_as == EV_PARKED_LOCK && owner ? LOCK_RLOCK : parked[e->parked_as]; /* only an RLock names one */
	if (owner)
		return LOCK_MUTEX;
	return !(e->arg1 & FUTEX_PRIVATE) && e->arg1 ? LOCK_PROCESS : LOCK_FUTEX;
}

/* A sleep on any other futex is a wait of its own. */
void episode_futex(struct timeline *t, struct thread *th, const struct ev_off *e, struct lock *l)
{
	uint64_t asleep = e->t_wake_ns ? e->t_wake_ns : e->t_in_ns;
	struct thread *waker = thread_waker_anywhere(t, th, e), *owner = owner_of(t, th, e);
	enum lock_kind kind = kind_of(e, owner);
	struct wait row = { .thread = th->row.thread, .lock = l->id, .t0_ns = e->t_out_ns, .t1_ns = e->t_in_ns, .stack = stack_shown(e),
			    .end = waker ? WAIT_VOLUNTARY : WAIT_END_UNKNOWN, .sleeps = 1, .asleep_ns = asleep - e->t_out_ns,
			    .wake_latency_ns = e->t_in_ns - asleep, .waker = waker ? waker->row.thread : MODEL_NONE };

	if (e->h.flags & EV_F_UNFINISHED)
		row.end = WAIT_UNFINISHED;
	if (e->h.flags & EV_F_AT_START)
		row.flags |= WAIT_F_AT_START;
	if (th->estimated)
		row.flags |= WAIT_F_INFERRED;
	if (kind != LOCK_FUTEX)
		lock_is(t, l, kind);
	carry_futex_stack(th, &row);
	lock_waited(t, l, stack_shown(e));
	if (waker && row.end == WAIT_VOLUNTARY)
		releases_add(&l->releases, &(struct release){ .t = asleep, .stack = e->waker_stack, .thread = waker->row.thread });
	l->in_line++;
	line_add(t, ITEM_WAIT, th)->wait = (struct wait_item){
		.row = row, .other = l, .owner = owner ? owner->row.thread : kind == LOCK_STW ? row.waker : MODEL_NONE,
		.stop = kind == LOCK_STW ? STOP_STALLED : kind == LOCK_STW_REQUEST ? STOP_ASKING : STOP_NOT,
	};
}
