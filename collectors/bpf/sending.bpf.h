#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Events into the ring, counted, and lost ones counted by class. */
#include "collectors/bpf/maps.bpf.h"

/* The consumer's position is on a line of another CPU's: asked for once in WAKE_EVERY events of this one. */
static __always_inline __u64 wakeup_flag(void)
{
	__u32 zero = 0;
	struct bpf_counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c && c->n[BPF_COUNT_EVENTS] % WAKE_EVERY)
		return BPF_RB_NO_WAKEUP;
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > WAKE_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Counted when it is submitted: verifiers before 6.3 forget at a second question whether there is room that the first was answered. */
static __always_inline void *reserve(__u32 bytes, __u32 loss_class)
{
	void *e = bpf_ringbuf_reserve(&ring, bytes, 0);

	if (!e)
		count(loss_class, 1);
	return e;
}

static __always_inline void submit_with(void *e, __u64 flag)
{
	count(BPF_COUNT_EVENTS, 1);
	bpf_ringbuf_submit(e, flag);
}

static __always_inline void submit(void *e)
{
	submit_with(e, wakeup_flag());
}

/* For what user space must see soon: a new process, a new program. */
static __always_inline void submit_now(void *e)
{
	submit_with(e, follow_children ? BPF_RB_FORCE_WAKEUP : wakeup_flag());
}

static __always_inline void fill_hdr(struct ev_hdr *h, __u32 kind, __u32 size, __u32 flags, __u64 pid_tid)
{
	h->kind = kind;
	h->size = size;
	h->flags = flags;
	h->pid = pid_tid >> 32;
	h->tid = (__u32)pid_tid;
}
