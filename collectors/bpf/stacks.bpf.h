#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Python stacks: walked, hashed, and sent once. */
#include "collectors/bpf/sending.bpf.h"

static __always_inline void note_entry(struct walk_state *w, __u64 addr)
{
	struct walk_entries *e = (struct walk_entries *)(w->b + 1);
	__u64 cframe = e->cframe;

	if (!native || e->n >= EV_MAX_ENTRIES)
		return;
	if (!addr && cframe) { /* struct _PyCFrame: current_frame, then previous */
		addr = cframe;
		if (bpf_probe_read_user(&e->cframe, sizeof(e->cframe), (void *)(cframe + w->l->cframe_frame + 8)))
			e->cframe = 0;
	}
	e->at[e->n & (EV_MAX_ENTRIES - 1)] = (struct ev_entry){ .addr = addr, .frames = w->out->n };
	e->n++;
}

static long walk_step_loop(__u32 i, void *w)
{
	return walk_step(w);
}

/* bpf_loop (5.17, commit e6f2dd0f8067) is verified once; the unrolled walk costs 0.2 s to verify and is for older kernels. */
static __always_inline void run_walk(struct walk_state *w)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(WALK_STEPS, walk_step_loop, w, 0);
	} else {
		for (int i = 0; i < WALK_STEPS; i++)
			if (walk_step(w))
				break;
	}
}

/* --- stacks ------------------------------------------------------------------------------------------------- */

/* Sends the frames unless user space has them or this CPU sent them within the last second. */
static __always_inline void send_stack(struct scratch *s, __u64 key, __u64 pid_tid)
{
	__u32 zero = 0, bytes;
	struct recent *r;
	__u64 now;

	if (bpf_map_lookup_elem(&seen, &key))
		return;
	now = bpf_ktime_get_ns();
	r = bpf_map_lookup_elem(&recent, &zero);
	if (!r)
		return;
	__u32 slot = key & (RECENT - 1);
	if (r->key[slot] == key && now - r->t[slot] < 1000 * MS)
		return;
	s->stack.key = key;
	s->stack.inner = 0;
	bytes = offsetof(struct ev_stack, frames) + (s->stack.n & 0xff) * sizeof(struct ev_frame);
	if (bytes > sizeof(s->stack))
		bytes = sizeof(s->stack);
	s->stack.h.kind = EV_STACK;
	s->stack.h.size = bytes;
	s->stack.h.pid = pid_tid >> 32;
	s->stack.h.tid = (__u32)pid_tid;
	if (bpf_ringbuf_output(&ring, &s->stack, bytes, wakeup_flag())) {
		count(EV_LOSS_RING_STACK, 1);
		return;
	}
	r->key[slot] = key;
	r->t[slot] = now;
	count(BPF_COUNT_STACKS, 1);
}

/* One walk into s; returns the stack's key.  A global function: verified once, not again for every path that comes here. */
__noinline __u64 walk_into(struct scratch *s, struct bpf_proc *proc, __u64 tstate, __u64 seed)
{
	return s && proc ? walk_frames(&proc->walk, tstate, seed, &s->buf, &s->stack) : 0;
}

/* Key of the Python stack of a thread state, which the current task's memory must hold; moving: another thread's, which runs. */
__noinline __u64 take_stack(struct bpf_proc *proc, __u64 tstate, __u64 pid_tid, __u32 slot, __u32 moving)
{
	struct scratch *s;
	__u64 key, top;

	if (!proc || !tstate)
		return 0;
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	if (native) {
		s->entries.n = 0;
		s->entries.cframe = 0;
		if (proc->walk.frame_entry != WALK_NO_OWNER)
			bpf_probe_read_user(&s->entries.cframe, sizeof(s->entries.cframe), (void *)(tstate + proc->walk.tstate_frame));
	}
	top = moving ? walk_top(&proc->walk, tstate) : 0;
	key = walk_into(s, proc, tstate, pid_tid >> 32);
	if (moving && walk_top(&proc->walk, tstate) != top) { /* once more, then as it is */
		key = walk_into(s, proc, tstate, pid_tid >> 32);
		s->stack.h.flags |= EV_F_TORN;
	}
	count(BPF_COUNT_FRAMES, s->stack.n + 1);
	if (s->stack.h.flags & EV_F_TORN)
		count(BPF_COUNT_STACKS_TORN, 1);
	if (s->stack.h.flags & EV_F_TRUNCATED)
		count(BPF_COUNT_STACKS_TRUNCATED, 1);
	if (key)
		send_stack(s, key, pid_tid);
	return key;
}
