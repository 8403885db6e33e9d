#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One stretch of a thread off the CPU: begun by switched_out, ended by switched_in, sent as an event or only counted. */
#include "collectors/bpf/call.bpf.h"
#include "collectors/bpf/counting.bpf.h"
#include "collectors/bpf/gil_view.bpf.h"
#include "collectors/bpf/lock.bpf.h"
#include "collectors/bpf/place.bpf.h"
#include "collectors/bpf/stacks.bpf.h"

/* --- threads -------------------------------------------------------------------------------------------------- */

static __noinline bool send_thread(struct task_struct *p, __u64 now, __u32 flags, const char *comm, bool wake)
{
	struct ev_thread *e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);

	if (!e)
		return false;
	fill_hdr(&e->h, EV_THREAD, sizeof(*e), flags, p);
	e->t_ns = now;
	e->start_ns = p->start_boottime;
	e->ident = p->thread.fsbase;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), comm);
	bpf_ringbuf_submit(e, wake ? BPF_RB_FORCE_WAKEUP : wakeup_flag());
	return true;
}

static __always_inline void announce(struct thread_rec *r, struct task_struct *p, __u64 now, __u32 flags)
{
	if (!r->announced)
		r->announced = send_thread(p, now, flags, p->comm, false);
}

static __always_inline struct thread_rec *rec_of(struct task_struct *p, bool create)
{
	struct thread_rec *r = bpf_task_storage_get(&threads, p, 0, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (!r && create)
		count(EV_LOSS_STORAGE, 1);
	return r;
}

/* --- off and on the CPU ------------------------------------------------------------------------------------- */

static __always_inline bool stack_due(struct thread_rec *r)
{
	__u64 period = dials.stack_period_ns;
	__u32 cls = agg_class(r->flags, r->nr);

	if (cls >= EV_AGG_N || dials.no_stacks)
		return false;
	if (cls != EV_AGG_GIL && cls != EV_AGG_LOCK && period < BLOCKED_STACK_PERIOD)
		period = BLOCKED_STACK_PERIOD;
	if (r->since_stack[cls] < period)
		return false;
	if (cls == EV_AGG_RUNNABLE && !(r->flags & EV_F_SELF_HOLDS))
		return false; /* merely preempted: the samples tell where */
	r->since_stack[cls] = 0;
	return true;
}

/* Own stack, and for a waiter the holder's. */
static __noinline void take_stacks(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *p, __u64 tstate,
					const struct gil_view *v)
{
	count(BPF_COUNT_STACK_RUNS, 1);
	if (!(r->flags & EV_F_GIL_WAIT)) {
		r->own_stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SWITCH, 0);
		return;
	}
	/* A re-wait of the same take_gil: nobody took the GIL since, so this thread has run no Python either. */
	if (r->wait_stack && r->wait_gil == r->gil && r->wait_switch_number == v->switch_number && v->switch_number != EV_NO_NUMBER)
		r->own_stack = r->wait_stack;
	else
		r->own_stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SWITCH, 0);
	r->wait_gil = r->gil;
	r->wait_switch_number = v->switch_number;
	r->wait_stack = r->own_stack;
	if ((v->flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED)
		r->holder_stack = take_stack(proc, v->holder_tstate, pid_tid_of(p), SCRATCH_SWITCH, 1);
}

/* Under load not every look is worth its reads: the word alone still says that the thread waits for the GIL. */
static __always_inline bool look_due(struct thread_rec *r, __u64 now)
{
	if (now - r->looked_at >= dials.look_period_ns)
		return true;
	if ((r->flags & EV_F_GIL_WAIT) && r->place.sp[r->flags & EV_F_GIL_MUTEX ? 1 : 0] == r->sp)
		r->tstate = r->place.tstate;
	r->place.frame = 0; /* or an older sleep would be compared with the next one */
	r->flags |= r->python | (r->flags & EV_F_GIL_WAIT ? r->moved : 0);
	if (r->flags & EV_F_GIL_WAIT)
		r->moved = 0;
	return false;
}

static __always_inline void look_at_python(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *p, __u64 now)
{
	struct bpf_gil *gil = 0;
	struct gil_view v;
	__u64 tstate = 0;

	if (r->flags & EV_F_FUTEX_WAIT)
		gil = gil_of_word(proc, r->arg0, &r->gil_slot);
	if (gil) {
		classify_word(r, &proc->walk, gil);
		r->gil = gil->addr;
	} else if (r->flags & EV_F_FUTEX_WAIT) {
		look_at_lock(r);
	}
	if (!look_due(r, now))
		return;
	if (gil) {
		note_place(r, proc, p, now);
		tstate = r->place.tstate;
	}
	r->looked_at = now;
	count(BPF_COUNT_LOOKS, 1);
	if (!tstate)
		tstate = own_tstate(proc, p);
	r->tstate = tstate;
	r->python = tstate ? EV_F_PYTHON : 0;
	r->flags |= r->python;
	if (!gil) {
		if (!tstate)
			return; /* a native thread: the GIL is none of its business */
		gil = home_gil(proc, tstate, &r->gil_slot);
		r->gil = gil->addr;
	}
	look_at_gil(proc, gil, p, tstate, &v);
	r->flags |= v.flags;
	r->holder_ident = v.holder_ident;
	r->switch_number = v.switch_number;
	if (!stack_due(r))
		return;
	r->flags |= gc_flag(gil);
	take_stacks(r, proc, p, tstate, &v);
}

static __noinline void send_off(struct thread_rec *r, struct task_struct *p, __u64 now, __u32 flags)
{
	struct ev_off *e;

	send_agg(r, p);
	e = reserve(sizeof(*e), EV_LOSS_RING_OFF);
	if (!e)
		return;
	fill_hdr(&e->h, EV_OFF, sizeof(*e), r->flags | r->wake_flags | flags, p);
	e->t_out_ns = r->t_out;
	e->t_in_ns = now;
	e->t_wake_ns = r->t_wake > r->t_out ? r->t_wake : r->waker_tid ? r->t_out : 0; /* woken while it was about to sleep */
	e->arg0 = r->arg0;
	e->arg1 = r->arg1;
	e->nr = r->nr;
	e->gil = r->gil;
	e->holder_ident = r->holder_ident;
	e->switch_number = r->switch_number;
	e->in_number = r->in_number;
	e->own_stack = r->own_stack;
	e->holder_stack = r->holder_stack;
	e->waker_stack = r->waker_stack;
	e->waker_pid = r->waker_pid;
	e->waker_tid = r->waker_tid;
	e->cpu_out = r->cpu_out;
	e->cpu_in = bpf_get_smp_processor_id();
	e->parked = r->parked;
	e->lock_owner = r->lock_owner;
	submit(e);
}

/* How often the GIL has changed hands when a thread that may want it goes on: what it reads at its next sleep tells whether it got it.
 * In the context of another thread of the process, whose memory is the same. */
static __always_inline void note_number(struct thread_rec *r, const struct gil_words *w)
{
	r->in_number = w->switch_number;
	r->wake_flags &= ~EV_F_IN_SEEN;
	if (r->in_number != EV_NO_NUMBER && r->tstate && w->last_holder != r->tstate)
		r->wake_flags |= EV_F_IN_SEEN;
}

static __noinline void end_stretch(struct thread_rec *r, struct task_struct *p, __u64 now)
{
	__u64 ns = now > r->t_out ? now - r->t_out : 0;
	__u32 cls = agg_class(r->flags, r->nr);

	if (cls < EV_AGG_N)
		r->since_stack[cls] += ns;
	if (r->own_stack || ns >= min_length(r)) {
		send_off(r, p, now, 0);
		if (ns < BPF_SHORT_NS && (r->flags & EV_F_GIL_WAIT))
			count(BPF_COUNT_SHORT, 1);
	} else {
		r->moved |= r->flags & EV_F_MOVED;
		count_stretch(r, p, cls, ns, now);
	}
	if (r->flags & EV_F_BLOCKED)
		r->after_wait = r->flags & EV_F_GIL_WAIT;
	/* waker_* are cleared here and not at switch-out: a waker may come between leaving the runqueue and the tracepoint */
	r->t_in = now;
	r->t_out = r->t_wake = r->waker_stack = 0;
	r->waker_pid = r->waker_tid = r->wake_flags = 0;
}

static __always_inline void switched_out(struct task_struct *p, struct bpf_proc *proc, bool blocked, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);

	if (!r || r->dead)
		return;
	announce(r, p, now, 0);
	/* Its way onto the CPU was not seen (a virtual machine hides switches away from its own tasks): soon after its wake-up. */
	if (r->t_out)
		end_stretch(r, p, r->t_wake > r->t_out ? r->t_wake : now);
	if (now - r->t_wake > WAKE_RACE)
		r->waker_pid = r->waker_tid = r->wake_flags = 0; /* woken while it was about to sleep, and did not sleep then */
	r->t_out = now;
	r->gil = r->holder_ident = r->switch_number = r->tstate = 0;
	r->own_stack = r->holder_stack = r->parked = r->lock_owner = 0;
	r->cpu_out = bpf_get_smp_processor_id();
	read_call(r, p, blocked);
	if (proc->python && proc->n_gils)
		look_at_python(r, proc, p, now);
}

static __always_inline void switched_in(struct task_struct *p, struct bpf_proc *proc, bool same_memory, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);
	struct gil_words w;

	if (!r || r->dead)
		return;
	announce(r, p, now, 0);
	if (!r->t_out)
		return;
	/* asleep on the GIL, or preempted without it: perhaps on its way to it */
	if (same_memory && r->gil && r->tstate && !(r->flags & EV_F_SELF_HOLDS) && (r->flags & (EV_F_GIL_WAIT | EV_F_BLOCKED)) != EV_F_BLOCKED &&
	    read_gil(proc, r->gil, &w))
		note_number(r, &w);
	end_stretch(r, p, now);
}
