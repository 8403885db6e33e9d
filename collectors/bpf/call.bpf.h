#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The system call a thread that leaves the CPU is in, from the registers it entered the kernel with. */
#include "collectors/bpf/maps.bpf.h"

static __always_inline bool futex_waits(__s32 nr, __u32 op)
{
	__u32 cmd = op & FUTEX_CMD_MASK;

	return nr == NR_FUTEX && (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI ||
				  cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI);
}

/* System call and futex word, from the registers the thread entered the kernel with.  orig_ax keeps its value in a
 * thread preempted inside futex(WAKE): only the state bits and the operation say that it waits. */
static __always_inline void read_call(struct thread_rec *r, struct task_struct *p, bool blocked)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);
	__s32 nr = (__s32)regs->orig_ax;

	r->sp = regs->sp;
	if (nr == NR_RESTART_SYSCALL && r->nr == NR_FUTEX && r->arg0) {
		nr = NR_FUTEX; /* an interrupted wait goes on: same word */
	} else {
		r->arg0 = regs->di;
		r->arg1 = (__u32)regs->si;
	}
	if (nr < 0)
		nr = -1;
	r->nr = nr;
	r->flags = blocked ? EV_F_BLOCKED : 0;
	if (blocked && futex_waits(nr, r->arg1))
		r->flags |= EV_F_FUTEX_WAIT;
}
