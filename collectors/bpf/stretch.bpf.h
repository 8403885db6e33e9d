#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One stretch of a thread off the CPU: begun by switched_out, ended by switched_in, sent as an event or only counted. */
#include "collectors/bpf/call.bpf.h"
#include "collectors/bpf/counting.bpf.h"
#include "collectors/bpf/look.bpf.h"
#include "collectors/bpf/sending.bpf.h"

/* --- threads -------------------------------------------------------------------------------------------------- */

static __noinline bool send_thread(struct task_struct *p, __u64 now, __u32 flags, const char *comm, bool wake)
{
	struct ev_thread *e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);

	if (!e)
		return false;
	fill_hdr(&e->h, EV_THREAD, sizeof(*e), flags, pid_tid_of(p));
	e->t_ns = now;
	e->start_ns = p->start_boottime;
	e->ident = p->thread.fsbase;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), comm);
	submit_with(e, wake ? BPF_RB_FORCE_WAKEUP : wakeup_flag());
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

/* Ended at t_in.  Always 0. */
__noinline int send_off(struct thread_rec *r, __u64 pid_tid, __u64 t_in, __u32 flags)
{
	struct ev_off *e;

	if (!r)
		return 0;
	send_agg(r, pid_tid);
	e = reserve(sizeof(*e), EV_LOSS_RING_OFF);
	if (!e)
		return 0;
	flags |= r->flags | r->wake_flags;
	fill_hdr(&e->h, EV_OFF, sizeof(*e), flags, pid_tid);
	e->t_out_ns = r->t_out;
	e->t_wake_ns = r->t_wake > r->t_out ? r->t_wake : r->waker_tid ? r->t_out : 0; /* woken while it was about to sleep */
	e->arg0 = r->arg0;
	e->arg1 = r->arg1;
	e->nr = r->nr;
	e->gil = r->gil;
	e->holder_ident = flags & EV_F_LOCKED ? r->holder_ident : 0;
	e->switch_number = flags & EV_F_GIL_SEEN ? r->switch_number : 0;
	e->in_number = flags & EV_F_IN_SEEN ? r->in_number : 0;
	e->own_stack = r->has & HAS_STACKS ? r->own_stack : 0;
	e->context = r->has & HAS_STACKS ? r->context : 0;
	e->holder_stack = r->has & HAS_STACKS ? r->holder_stack : 0;
	e->waker_tid = r->waker_tid;
	e->waker_pid = !r->waker_tid ? 0 : r->has & HAS_WAKER_PID ? r->waker_pid : pid_tid >> 32;
	e->waker_stack = r->waker_tid && (r->has & HAS_WAKER_STACK) ? r->waker_stack : 0;
	e->cpu_out = r->cpu_out;
	e->cpu_in = bpf_get_smp_processor_id();
	e->parked = r->has & HAS_LOCK ? r->parked : 0;
	e->lock_owner = r->has & HAS_LOCK ? r->lock_owner : 0;
	e->native = r->has & HAS_STACKS ? r->native : 0;
	e->parked_as = r->has & HAS_LOCK ? r->parked_as : EV_PARKED_NOT;
	e->pad = 0;
	e->t_in_ns = t_in;
	submit(e);
	return 0;
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

/* The stretch is an event of its own, not only counted: then more is worth knowing.  proc: in whose memory we are, if it is the thread's. */
__noinline __u64 come_back(struct thread_rec *r, struct bpf_proc *proc, __u64 now)
{
	struct gil_words w;

	if (!r)
		return now;
	/* asleep on the GIL, or preempted without it: perhaps on its way to it */
	if (!r->gil || (r->flags & EV_F_SELF_HOLDS) || (r->flags & (EV_F_GIL_WAIT | EV_F_BLOCKED)) == EV_F_BLOCKED)
		return now;
	if (proc && r->tstate && read_gil(proc, r->gil, &w))
		note_number(r, &w);
	return bpf_ktime_get_ns(); /* until here it was us that kept it */
}

/* Whether it is long enough, or shows enough, to be sent. */
static __always_inline bool worth_sending(struct thread_rec *r, __u64 now)
{
	return (r->has & HAS_STACKS) || now - r->t_out >= min_length(r);
}

/* It ended at `now`, as an event of its own or only counted.  Returns whether what has been counted is to be sent. */
static __always_inline bool note_end(struct thread_rec *r, __u64 now, bool sent)
{
	__u64 ns = now > r->t_out ? now - r->t_out : 0, since;
	__u32 cls = agg_class(r->flags, r->nr);
	bool full = false;

	if (cls < EV_AGG_N) {
		since = r->since_stack[cls] + ns;
		r->since_stack[cls] = since < ~0U ? since : ~0U;
		if (!sent)
			full = count_stretch(r, cls, ns, now);
	}
	if (!sent)
		r->moved |= r->flags & EV_F_MOVED;
	else if (ns < BPF_SHORT_NS && (r->flags & (EV_F_GIL_WAIT | EV_F_GIL_POLL)) == EV_F_GIL_WAIT)
		count(BPF_COUNT_SHORT, 1);
	if (r->flags & EV_F_BLOCKED)
		r->after_wait = !!(r->flags & EV_F_GIL_WAIT);
	/* waker_tid is cleared here and not at switch-out: a waker may come between leaving the runqueue and the tracepoint */
	r->t_in = now;
	r->t_out = r->t_wake = 0;
	r->waker_tid = r->wake_flags = 0;
	return full;
}

/* Its way onto the CPU was not seen (a virtual machine hides switches away from its own tasks): soon after its wake-up.  Always 0. */
__noinline int end_unseen(struct thread_rec *r, __u64 pid_tid, __u64 now)
{
	__u64 t_in;
	bool send;

	if (!r)
		return 0;
	t_in = r->t_wake > r->t_out ? r->t_wake : now;
	send = worth_sending(r, t_in);
	if (send)
		send_off(r, pid_tid, t_in, 0);
	if (note_end(r, t_in, send))
		send_agg(r, pid_tid);
	return 0;
}

/* Returns the clock: anew if stacks were walked, whose time is not the next thread's. */
static __always_inline __u64 switched_out(struct task_struct *p, struct bpf_proc *proc, bool blocked, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);

	if (!r || r->dead)
		return now;
	announce(r, p, now, 0);
	if (r->t_out)
		end_unseen(r, pid_tid_of(p), now);
	if (now - r->t_wake > WAKE_RACE)
		r->waker_tid = r->wake_flags = 0; /* woken while it was about to sleep, and did not sleep then */
	r->t_out = now;
	r->gil = r->tstate = 0;
	r->has = 0;
	r->cpu_out = bpf_get_smp_processor_id();
	read_call(r, p, blocked);
	if (proc->python)
		look_at_python(r, proc, now);
	return r->has & HAS_STACKS ? bpf_ktime_get_ns() : now;
}

static __always_inline void switched_in(struct task_struct *p, struct bpf_proc *proc, bool same_memory, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);
	bool send;

	if (!r || r->dead)
		return;
	announce(r, p, now, 0);
	if (!r->t_out)
		return;
	send = worth_sending(r, now);
	if (send) {
		now = come_back(r, same_memory ? proc : 0, now);
		send_off(r, pid_tid_of(p), now, 0);
	}
	if (note_end(r, now, send))
		send_agg(r, pid_tid_of(p));
}
