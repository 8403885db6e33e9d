#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What is read in the memory of a thread that leaves the CPU, as often as the dials allow: its Python, the GIL, both stacks. */
#include "collectors/bpf/asleep.bpf.h"
#include "collectors/bpf/counting.bpf.h"
#include "collectors/bpf/gil_view.bpf.h"
#include "collectors/bpf/lock.bpf.h"
#include "collectors/bpf/native.bpf.h"
#include "collectors/bpf/place.bpf.h"
#include "collectors/bpf/stacks.bpf.h"

/* Stacks that a wait for a lock may leave to those after it.  Threads do the same things in the same order: if a long wait earned but one, the short
 * wait behind it would always have it, and the long one none. */
#define STACKS_LEFT 4

static __always_inline bool stack_due(struct thread_rec *r)
{
	__u64 period = dials.stack_period_ns, left;
	__u32 cls = agg_class(r->flags, r->nr);

	if (cls >= EV_AGG_N || dials.no_stacks)
		return false;
	if (cls != EV_AGG_GIL && cls != EV_AGG_LOCK && period < BLOCKED_STACK_PERIOD)
		period = BLOCKED_STACK_PERIOD;
	if (r->since_stack[cls] < period)
		return false;
	if (cls == EV_AGG_RUNNABLE && !(r->flags & EV_F_SELF_HOLDS))
		return false; /* merely preempted: the samples tell where */
	left = cls == EV_AGG_LOCK ? r->since_stack[cls] - period : 0;
	r->since_stack[cls] = left < STACKS_LEFT * period ? left : STACKS_LEFT * period;
	return true;
}

static __always_inline void take_own_stack(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *p)
{
	__u32 slot = SCRATCH_SWITCH;
	struct scratch *s;

	r->own_stack = take_stack(proc, r->tstate, pid_tid_of(p), SCRATCH_SWITCH, 0);
	s = bpf_map_lookup_elem(&scratch, &slot);
	r->context = s ? s->buf.context : 0;
	if (native)
		r->native = take_native(p, proc, SCRATCH_SWITCH, r->own_stack, r->flags);
}

/* After a look that said so: own stack, and for a waiter the holder's.  Always 0. */
__noinline int take_stacks(struct thread_rec *r, struct bpf_proc *proc, __u64 holder_tstate)
{
	struct task_struct *p = bpf_get_current_task_btf();

	if (!r || !proc)
		return 0;
	count(BPF_COUNT_STACK_RUNS, 1);
	r->holder_stack = r->native = 0;
	if (!(r->flags & EV_F_GIL_WAIT)) {
		take_own_stack(r, proc, p);
		return 0;
	}
	/* A re-wait of the same take_gil: nobody took the GIL since, so this thread has run no Python either. */
	if (r->wait_stack && r->wait_gil == r->gil && r->wait_switch_number == r->switch_number && r->switch_number != EV_NO_NUMBER)
		r->own_stack = r->wait_stack; /* and r->context is of it */
	else
		take_own_stack(r, proc, p);
	r->wait_gil = r->gil;
	r->wait_switch_number = r->switch_number;
	r->wait_stack = r->own_stack;
	if ((r->flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED)
		r->holder_stack = take_stack(proc, holder_tstate, pid_tid_of(p), SCRATCH_SWITCH, 1);
	return 0;
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

/* What it does besides, of which the GIL tells nothing: there is none, or it is switched off. */
static __always_inline bool without_gil(struct thread_rec *r, struct bpf_proc *proc, __u64 tstate)
{
	return tstate && !proc->n_gils && stack_due(r);
}

/* waits: for the GIL at r->gil_slot.  The thread is the one that runs still: in sched_switch that is who leaves.
 * Says with HAS_STACKS that stacks are to be taken, which is not done from here: a program's calls have 512 bytes of stack together.
 * Returns the holder's thread state, 0 if none was seen. */
__noinline __u64 look(struct thread_rec *r, struct bpf_proc *proc, __u64 now, __u32 waits)
{
	struct bpf_gil *gil = 0;
	struct gil_view v = {};
	__u64 tstate = 0;
	bool stack;

	if (!r || !proc)
		return 0;
	if (waits) {
		gil = gil_at(proc, &r->gil_slot);
		note_place(r, proc, gil, now);
		tstate = r->place.tstate;
	}
	r->looked_at = now;
	count(BPF_COUNT_LOOKS, 1);
	if (!tstate)
		tstate = own_tstate(proc);
	r->tstate = tstate;
	r->python = tstate ? EV_F_PYTHON : 0;
	r->flags |= r->python;
	stack = !gil && without_gil(r, proc, tstate);
	if (gil || (tstate && proc->n_gils)) { /* the GIL is none of a native thread's business */
		if (!gil) {
			gil = home_gil(proc, tstate, &r->gil_slot);
			r->gil = gil->addr;
		}
		look_at_gil(proc, gil->addr, tstate, &v);
		r->flags |= v.flags;
		r->holder_ident = v.holder_ident;
		r->switch_number = v.switch_number;
		stack = proc->walk.tstate_frame != WALK_NO_FIELD && stack_due(r);
		if (stack)
			r->flags |= gc_flag(gil);
	}
	if (stack)
		r->has |= HAS_STACKS;
	return v.holder_tstate;
}

/* What the current thread sleeps on, and all of the above as often as the dials allow. */
static __always_inline void look_at_python(struct thread_rec *r, struct bpf_proc *proc, __u64 now)
{
	struct bpf_gil *gil = 0;
	__u64 holder_tstate;

	if (r->flags & EV_F_FUTEX_WAIT) {
		gil = gil_of_word(proc, r->arg0, &r->gil_slot);
		if (gil)
			classify_word(r, &proc->walk, gil);
		else if (proc->walk.cond_list && cond_may_list(r->arg0, r->sp) && listed_gil(r, proc))
			gil = gil_at(proc, &r->gil_slot);
		if (gil)
			r->gil = gil->addr;
		else
			look_at_lock(r, proc);
	}
	if (!look_due(r, now))
		return;
	holder_tstate = look(r, proc, now, gil != 0);
	if (r->has & HAS_STACKS)
		take_stacks(r, proc, holder_tstate);
}
