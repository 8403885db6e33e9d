#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What a thread waits for that sleeps on a GIL: by its futex word, which lies in the GIL, or (musl) on the thread's own stack. */
#include "collectors/bpf/gil_view.bpf.h"

static __always_inline void classify_word(struct thread_rec *r, const struct walk_layout *l, struct bpf_gil *gil)
{
	__u64 at = r->arg0 - gil->addr;

	bool queues = l->gil_words == WALK_GIL_IDENT;

	r->flags |= EV_F_GIL_WAIT;
	if (at - l->gil_wait < l->gil_wait_len)
		r->flags |= queues ? EV_F_GIL_POLL : 0;
	else if (at - l->gil_forced < l->gil_forced_len)
		r->flags |= queues ? EV_F_GIL_QUEUE : EV_F_FORCED_SWITCH;
	else
		r->flags |= EV_F_GIL_MUTEX; /* … or inside pthread_cond_signal, which waits for old waiters to leave */
}

/* musl: the word on which it sleeps lies on its own stack, in the list of one of the GIL's conditions.  One that is signalled on its way to sleep is
 * on none any more, which is common when the GIL comes back at once; that it came the same way as before tells then where it is.
 * Whether it is a GIL, in r->gil_slot then. */
__noinline int listed_gil(struct thread_rec *r, struct bpf_proc *proc)
{
	struct bpf_gil *gil;
	enum cond_found found;

	if (!r || !proc || !proc->n_gils)
		return 0;
	gil = home_gil(proc, proc->n_gils > 1 ? own_tstate(proc) : 0, &r->gil_slot);
	found = cond_find(gil->addr + proc->walk.gil_cond + proc->walk.cond_list, gil->addr + proc->walk.gil_forced + proc->walk.cond_list, r->arg0);
	if (found == COND_WOKEN)
		found = r->sp == r->cond_sp[0] ? COND_FIRST : r->sp == r->cond_sp[1] ? COND_SECOND : COND_NONE;
	if (found == COND_NONE)
		return 0;
	r->cond_sp[found == COND_SECOND] = r->sp;
	r->flags |= found == COND_FIRST ? EV_F_GIL_WAIT : EV_F_GIL_WAIT | EV_F_FORCED_SWITCH;
	return 1;
}
