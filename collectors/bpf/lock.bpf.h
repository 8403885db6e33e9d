#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A lock that is no GIL, as its waiter's memory shows it.  Read only when a thread goes to sleep on one. */
#include "collectors/bpf/gil_view.bpf.h"

/* Which lock the current thread sleeps on, when the word alone does not say (struct ev_off).  Always 0. */
__noinline int look_at_lock(struct thread_rec *r, struct bpf_proc *proc)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct parked parked;
	__u64 tstate = 0;
	__u32 tid = 0;

	if (!r || !proc)
		return 0;
	r->has |= HAS_LOCK;
	r->parked = r->lock_owner = 0;
	r->parked_as = EV_PARKED_NOT;
	if (r->arg0 - r->sp < PARKED_WITHIN) {
		if (proc->walk.interp_world != WALK_NO_FIELD)
			tstate = own_tstate(proc);
		parked_read(&proc->walk, tstate, p->thread.fsbase, r->arg0, &parked);
		r->parked = parked.at;
		r->lock_owner = parked.owner;
		r->parked_as = parked.as;
	} else if ((r->arg1 & FUTEX_CMD_MASK) == FUTEX_WAIT && !proc->walk.cond_list) { /* musl's mutex names none */
		bpf_probe_read_user(&tid, sizeof(tid), (void *)(r->arg0 + 8));
		r->lock_owner = tid;
	}
	return 0;
}
