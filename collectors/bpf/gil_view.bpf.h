#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The GIL as the current task's memory shows it: which one, who holds it. */
#include "collectors/bpf/maps.bpf.h"

struct gil_words { /* as they lie together from 3.7 on (checked in user space) */
	__u64 last_holder;
	__s32 locked, pad;
	__u64 switch_number;
};

/* The slot goes through memory (`slot`, in some map value): a register would make the verifier follow every slot apart. */
static __always_inline struct bpf_gil *gil_at(struct bpf_proc *proc, volatile __u32 *slot)
{
	return &proc->gils[*slot & (BPF_MAX_GILS - 1)];
}

static __always_inline struct bpf_gil *gil_of_word(struct bpf_proc *proc, __u64 word, volatile __u32 *slot)
{
	__u32 n = proc->n_gils;

	if (n == 1) {
		*slot = 0;
		return word - proc->gils[0].addr < proc->walk.gil_size ? &proc->gils[0] : 0;
	}
	*slot = BPF_MAX_GILS;
	for (__u32 i = 0; i < BPF_MAX_GILS; i++) {
		if (i >= n)
			break;
		if (word - proc->gils[i].addr < proc->walk.gil_size) {
			*slot = i;
			break;
		}
	}
	return *slot < BPF_MAX_GILS ? gil_at(proc, slot) : 0;
}

#define LIST_STEPS 256
#define LIST_AGAIN (10 * MS) /* a thread that was on no list is looked for again */

struct list_search {
	const struct walk_layout *l;
	__u64 ident, interp, tstate; /* interp: the next one */
	__u64 found;
};

/* One thread state further; returns 1 when the search is over. */
static __always_inline int search_step(struct list_search *s)
{
	const struct walk_layout *l = s->l;
	__u64 named = 0;

	if (!s->tstate)
		return !s->interp ||
		       bpf_probe_read_user(&s->tstate, sizeof(s->tstate), (void *)(s->interp + l->interp_tstate_head)) ||
		       bpf_probe_read_user(&s->interp, sizeof(s->interp), (void *)s->interp); /* next comes first there */
	if (bpf_probe_read_user(&named, sizeof(named), (void *)(s->tstate + l->tstate_thread_id)))
		return 1;
	if (named == s->ident) {
		s->found = s->tstate;
		return 1;
	}
	return bpf_probe_read_user(&s->tstate, sizeof(s->tstate), (void *)(s->tstate + l->tstate_next)) != 0;
}

static long search_step_loop(__u32 i, void *s)
{
	return search_step(s);
}

/* The thread state that names the thread, on the list of each interpreter: 2.7 keeps thread-specific data in a list of its own.
 * Not static: the verifier then looks at it by itself, once a program; in every state of every caller it took a second. */
__noinline __u64 listed_tstate(struct bpf_proc *proc, struct thread_rec *r, __u64 ident)
{
	struct list_search s = { .ident = ident };
	__u64 named = 0, now = bpf_ktime_get_ns();

	if (!proc || !r)
		return 0;
	s.l = &proc->walk;
	if (r->listed && !bpf_probe_read_user(&named, sizeof(named), (void *)(r->listed + s.l->tstate_thread_id)) && named == ident)
		return r->listed;
	r->listed = 0;
	if (now - r->listed_at < LIST_AGAIN)
		return 0;
	r->listed_at = now;
	bpf_probe_read_user(&s.interp, sizeof(s.interp), (void *)s.l->interpreters);
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) { /* as the walk of frames, stacks.bpf.h */
		bpf_loop(LIST_STEPS, search_step_loop, &s, 0);
	} else {
		for (int i = 0; i < LIST_STEPS; i++)
			if (search_step(&s))
				break;
	}
	r->listed = s.found;
	return s.found;
}

/* The current thread's, 0 if it has none or it is not known. */
__noinline __u64 own_tstate(struct bpf_proc *proc)
{
	struct task_struct *p = bpf_get_current_task_btf();
	__u64 at = p->thread.fsbase, tstate = 0;

	if (!proc)
		return 0;
	if (proc->walk.interpreters) {
		struct thread_rec *r = bpf_task_storage_get(&threads, p, 0, 0);

		return r ? listed_tstate(proc, r, at) : 0;
	}
	if (!proc->tss_offset && !proc->walk.tss_pointer) /* behind the pointer the first key lies at 0 */
		return 0;
	if (proc->walk.tss_pointer && bpf_probe_read_user(&at, sizeof(at), (void *)(at + proc->walk.tss_pointer))) /* musl: it has a place of its own */
		return 0;
	bpf_probe_read_user(&tstate, sizeof(tstate), (void *)(at + proc->tss_offset));
	return tstate;
}

/* The GIL of the interpreter the thread works for, else the first one. */
static __always_inline struct bpf_gil *home_gil(struct bpf_proc *proc, __u64 tstate, volatile __u32 *slot)
{
	__u64 interp = 0, gil = 0;

	*slot = 0;
	if (proc->n_gils != 1 && proc->walk.interp_gil != WALK_NO_FIELD && tstate &&
	    !bpf_probe_read_user(&interp, sizeof(interp), (void *)(tstate + proc->walk.tstate_interp)) &&
	    !bpf_probe_read_user(&gil, sizeof(gil), (void *)(interp + proc->walk.interp_gil)) && !gil_of_word(proc, gil, slot))
		*slot = 0;
	return gil_at(proc, slot);
}

static __always_inline bool read_gil(struct bpf_proc *proc, __u64 gil, struct gil_words *ret)
{
	void *words = (void *)(gil + proc->walk.gil_holder);

	if (proc->walk.gil_words == WALK_GIL_TOGETHER)
		return !bpf_probe_read_user(ret, sizeof(*ret), words);
	ret->switch_number = EV_NO_NUMBER;
	if (bpf_probe_read_user(&ret->last_holder, sizeof(ret->last_holder), words))
		return false;
	ret->locked = ret->last_holder != 0;
	if (proc->walk.gil_words == WALK_GIL_IDENT) {
		char locked = 0;

		bpf_probe_read_user(&locked, sizeof(locked), (void *)(gil + proc->walk.gil_locked));
		ret->locked &= locked;
	}
	return true;
}

struct gil_view {
	__u64 holder_tstate, holder_ident, switch_number;
	__u32 flags;
};

static __always_inline struct bpf_alias *alias_of(struct bpf_proc *proc, __u64 tstate)
{
	return &proc->aliases[(tstate >> 4) & (BPF_ALIASES - 1)];
}

static __always_inline void learn_alias(struct bpf_proc *proc, __u64 tstate, __u64 ident)
{
	__u64 named = 0;

	bpf_probe_read_user(&named, sizeof(named), (void *)(tstate + proc->walk.tstate_thread_id));
	if (named == ident)
		return;
	alias_of(proc, tstate)->ident = ident;
	alias_of(proc, tstate)->tstate = tstate;
}

static __always_inline __u64 ident_of(struct bpf_proc *proc, __u64 tstate)
{
	__u64 ident = 0;

	if (proc->several_interps && alias_of(proc, tstate)->tstate == tstate)
		return alias_of(proc, tstate)->ident;
	bpf_probe_read_user(&ident, sizeof(ident), (void *)(tstate + proc->walk.tstate_thread_id));
	return ident;
}

/* The GIL at that address, of which the current thread's state is tstate, 0 if it has none.  Always 0. */
__noinline int look_at_gil(struct bpf_proc *proc, __u64 gil, __u64 tstate, struct gil_view *ret)
{
	struct task_struct *p = bpf_get_current_task_btf();
	__u64 ident = p->thread.fsbase;
	struct gil_words w;

	if (!proc || !ret)
		return 0;
	ret->flags = 0;
	ret->holder_tstate = ret->holder_ident = ret->switch_number = 0;
	if (!read_gil(proc, gil, &w))
		return 0;
	ret->flags = EV_F_GIL_SEEN;
	ret->switch_number = w.switch_number;
	if (tstate && w.last_holder == tstate)
		ret->flags |= EV_F_SELF_LAST;
	if (w.locked != 1 || !w.last_holder)
		return 0;
	ret->flags |= EV_F_LOCKED;
	ret->holder_tstate = w.last_holder;
	if (w.last_holder == tstate) {
		ret->holder_ident = ident;
		if (proc->several_interps)
			learn_alias(proc, tstate, ident);
	} else {
		ret->holder_ident = ident_of(proc, w.last_holder);
	}
	if (ret->holder_ident == ident) /* also by another thread state of this thread */
		ret->flags |= EV_F_SELF_HOLDS;
	return 0;
}

static __always_inline __u32 gc_flag(struct bpf_gil *gil)
{
	int gc = 0;

	if (gil->gc_collecting && !bpf_probe_read_user(&gc, sizeof(gc), (void *)gil->gc_collecting) && gc)
		return EV_F_GC;
	return 0;
}
