#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A lock that is no GIL, as its waiter's memory shows it.  Read only when a thread goes to sleep on one. */
#include "collectors/bpf/maps.bpf.h"

#define PARKED_WITHIN 4096 /* bytes above the stack pointer: 256 to 296 were seen, the frames of _PySemaphore_Wait */

/* Which lock it sleeps on, when the word alone does not say (struct ev_off). */
static __noinline void look_at_lock(struct thread_rec *r)
{
	__u32 tid = 0;

	r->has |= HAS_LOCK;
	r->parked = r->lock_owner = 0;
	if (r->arg0 - r->sp < PARKED_WITHIN) {
		if (!bpf_probe_read_user(&r->parked, sizeof(r->parked), (void *)(r->arg0 - 8)) && r->parked)
			bpf_probe_read_user(&r->lock_owner, sizeof(r->lock_owner), (void *)(r->parked + 8));
	} else if ((r->arg1 & FUTEX_CMD_MASK) == FUTEX_WAIT) {
		bpf_probe_read_user(&tid, sizeof(tid), (void *)(r->arg0 + 8));
		r->lock_owner = tid;
	}
}
