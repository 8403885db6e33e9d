#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Where the Python code of a thread stands when it sleeps on a GIL, compared with its last sleep on one. */
#include "collectors/bpf/gil_view.bpf.h"

/* A thread in take_gil runs no Python code: at another instruction than at its last sleep, it had the GIL in between.
 * A read of user memory costs about as much as the rest together, so as few as will do.  The same user stack pointer means
 * the same path of calls from the thread's start to the futex, so its thread state and evaluation are those of last time. */
#define TAKE_GIL_NS 30000 /* soon enough for core/timeline to go on without EV_F_STAYED */

static __noinline void find_place(struct thread_rec *r, struct bpf_proc *proc, __u32 mutex)
{
	__u64 top, tstate = own_tstate(proc);

	if (r->place.tstate != tstate || !tstate)
		__builtin_memset(&r->place, 0, sizeof(r->place));
	if (!tstate)
		return;
	top = tstate + proc->walk.tstate_frame;
	if (proc->walk.cframe_frame != WALK_NO_FIELD) {
		__u64 cframe = 0;

		if (bpf_probe_read_user(&cframe, sizeof(cframe), (void *)top) || !cframe)
			return;
		top = cframe + proc->walk.cframe_frame;
	}
	if (top != r->place.top)
		r->place.sp[0] = r->place.sp[1] = 0;
	r->place.tstate = tstate;
	r->place.top = top;
	r->place.sp[mutex & 1] = r->sp;
}

/* PyPy's waiters leave the queue's head only with the GIL (thread_gil.c, RPyGilAcquireSlowPath), and none but its head sleeps on the
 * condition, which counts its sleepers (glibc: __wseq, first in it, by twos).  `frame` keeps that count. */
static __always_inline void note_turn(struct thread_rec *r, struct bpf_proc *proc, struct bpf_gil *gil)
{
	__u64 count = 0, was = r->place.frame;

	if (r->flags & EV_F_GIL_MUTEX)
		return;
	if (r->flags & EV_F_GIL_POLL)
		bpf_probe_read_user(&count, sizeof(count), (void *)(gil->addr + proc->walk.gil_cond));
	count >>= 1;
	if (r->moved || (was && count - was > 1))
		r->flags |= EV_F_MOVED;
	else if (was)
		r->flags |= EV_F_STAYED;
	r->moved = 0;
	r->place.frame = count;
}

static __always_inline void note_place(struct thread_rec *r, struct bpf_proc *proc, struct bpf_gil *gil, __u64 now)
{
	__u64 frame = 0, instr = 0, was = r->place.frame;
	__u32 mutex = r->flags & EV_F_GIL_MUTEX ? 1 : 0;

	if (proc->walk.gil_words == WALK_GIL_IDENT) {
		note_turn(r, proc, gil);
		return;
	}
	if (r->place.sp[mutex & 1] != r->sp || proc->several_interps)
		find_place(r, proc, mutex);
	else if (was && !r->moved && now - r->t_in < TAKE_GIL_NS &&
		 !bpf_probe_read_user(&instr, sizeof(instr), (void *)(was + proc->walk.frame_instr)) && instr == r->place.instr)
		return;
	if (!r->place.top || bpf_probe_read_user(&frame, sizeof(frame), (void *)r->place.top) || !frame ||
	    bpf_probe_read_user(&instr, sizeof(instr), (void *)(frame + proc->walk.frame_instr))) {
		r->place.sp[0] = r->place.sp[1] = 0;
		return;
	}
	if (r->moved || (was && (was != frame || r->place.instr != instr)))
		r->flags |= EV_F_MOVED;
	else if (was)
		r->flags |= EV_F_STAYED;
	r->moved = 0;
	r->place.frame = frame;
	r->place.instr = instr;
}
