#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Copies of C stacks, for --native: the registers a thread entered the kernel with and what its stack pointer points at, to be unwound
 * in user space.  Only of the current task, whose memory is mapped.  A CPU takes NATIVE_BURST of them in NATIVE_WINDOW and no more; what is
 * over that keeps its Python stack alone.  They have a ring of their own: bulky, they must not push out what counts. */
#include "collectors/bpf/stacks.bpf.h"

#define NATIVE_WINDOW (100 * MS)
#define NATIVE_BURST 40 /* … of which waiters for a GIL, whose Python line tells as much, take half at most */
#define NATIVE_CHUNK 1024

struct native_scratch {
	__u64 window, next; /* the present one; counts copies, for their ids */
	__u32 n, pad;
	struct ev_native copy;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct native_scratch);
} natives SEC(".maps"); /* sched_switch and the sampler never run within each other on a CPU */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* with --native it is made larger */
} native_ring SEC(".maps");

static __always_inline bool native_due(struct native_scratch *n, __u32 burst)
{
	__u64 window = bpf_ktime_get_ns() / NATIVE_WINDOW;

	if (n->window != window) {
		n->window = window;
		n->n = 0;
	}
	if (n->n >= burst) {
		count(BPF_COUNT_NATIVE_SKIPPED, 1);
		return false;
	}
	n->n++;
	return true;
}

static __always_inline void copy_regs(struct ev_native *e, struct pt_regs *regs)
{
	e->regs[0] = regs->ax;
	e->regs[1] = regs->dx;
	e->regs[2] = regs->cx;
	e->regs[3] = regs->bx;
	e->regs[4] = regs->si;
	e->regs[5] = regs->di;
	e->regs[6] = regs->bp;
	e->regs[EV_REG_SP] = regs->sp;
	e->regs[8] = regs->r8;
	e->regs[9] = regs->r9;
	e->regs[10] = regs->r10;
	e->regs[11] = regs->r11;
	e->regs[12] = regs->r12;
	e->regs[13] = regs->r13;
	e->regs[14] = regs->r14;
	e->regs[15] = regs->r15;
	e->regs[EV_REG_IP] = regs->ip;
}

/* The Python frames that the last walk into s found, if that was of this stack. */
static __always_inline void copy_python(struct ev_native *e, const struct scratch *s, const struct bpf_proc *proc, __u64 stack)
{
	e->stack = stack;
	e->n_frames = e->n_entries = 0;
	e->each = proc->walk.frame_entry == WALK_NO_OWNER && proc->walk.frame_owner == WALK_NO_OWNER;
	if (!stack)
		return;
	e->n_frames = s->stack.n;
	e->n_entries = s->entries.n;
	bpf_probe_read_kernel(e->entries, sizeof(e->entries), s->entries.at);
	bpf_probe_read_kernel(e->frames, sizeof(e->frames), s->stack.frames);
}

/* A thread's stack ends below its struct pthread, the main thread's at the end of the mapping: the read fails there. */
static __always_inline __u32 copy_bytes(struct ev_native *e, __u64 sp, __u64 end)
{
	__u32 n = 0;

	for (int i = 0; i < EV_STACK_BYTES / NATIVE_CHUNK; i++) {
		if (sp < end && sp + n >= end)
			return n;
		if (bpf_probe_read_user(e->bytes + i * NATIVE_CHUNK, NATIVE_CHUNK, (void *)(sp + n)))
			return n;
		n += NATIVE_CHUNK;
	}
	e->h.flags |= EV_F_TRUNCATED;
	return n;
}

/* Id of a copy of the C stack of p, which is the current task; 0 none.  slot: where its Python stack, of the key given, was walked to
 * last. */
static __noinline __u64 take_native(struct task_struct *p, struct bpf_proc *proc, __u32 slot, __u64 stack, __u32 flags)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);
	struct native_scratch *n;
	struct scratch *s;
	struct ev_native *e;
	__u32 zero = 0, bytes;

	n = bpf_map_lookup_elem(&natives, &zero);
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!n || !s || !native_due(n, flags & EV_F_GIL_WAIT ? NATIVE_BURST / 2 : NATIVE_BURST))
		return 0;
	e = &n->copy;
	e->h.flags = flags & EV_F_GIL_WAIT;
	e->id = (++n->next << 16 | (bpf_get_smp_processor_id() & 0xffff)) + 1;
	copy_regs(e, regs);
	copy_python(e, s, proc, stack);
	bytes = copy_bytes(e, regs->sp, p->thread.fsbase);
	e->n_bytes = bytes;
	e->h.kind = EV_NATIVE;
	e->h.pid = pid_of(p);
	e->h.tid = tid_of(p);
	bytes += offsetof(struct ev_native, bytes);
	if (bytes > sizeof(*e))
		return 0;
	e->h.size = bytes;
	if (bpf_ringbuf_output(&native_ring, e, bytes, BPF_RB_NO_WAKEUP)) {
		count(EV_LOSS_RING_NATIVE, 1);
		return 0;
	}
	count(BPF_COUNT_NATIVE, 1);
	return e->id;
}
