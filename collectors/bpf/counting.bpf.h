#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Short stretches off the CPU that are only counted, by class, and sent as one ev_agg now and then. */
#include "collectors/bpf/sending.bpf.h"

static __always_inline __u32 agg_class(__u32 flags, __s32 nr)
{
	if (!(flags & EV_F_BLOCKED))
		return EV_AGG_RUNNABLE;
	if (flags & EV_F_GIL_WAIT)
		return EV_AGG_GIL;
	if (flags & EV_F_FUTEX_WAIT)
		return EV_AGG_LOCK;
	return nr == NR_NANOSLEEP || nr == NR_CLOCK_NANOSLEEP ? EV_AGG_SLEEP : EV_AGG_BLOCKED;
}

/* From which length on a stretch is sent by itself.  A preemption on the way back from a sleep on the GIL is part of that wait. */
static __always_inline __u64 min_length(struct thread_rec *r)
{
	if ((r->flags & EV_F_GIL_WAIT) || (r->after_wait && !(r->flags & (EV_F_BLOCKED | EV_F_SELF_HOLDS))))
		return dials.min_wait_ns;
	return r->flags & (EV_F_FUTEX_WAIT | EV_F_SELF_HOLDS) ? dials.min_off_ns : dials.min_other_ns;
}

/* What has been counted.  A global function, as send_off is: verified once, not again for every path that comes here.  Always 0. */
__noinline int send_agg(struct thread_rec *r, __u64 pid_tid)
{
	const struct sums *a;
	struct ev_agg *e;

	if (!r || !r->sums.t0_ns)
		return 0;
	a = &r->sums;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (e) {
		fill_hdr(&e->h, EV_AGG, sizeof(*e), a->flags, pid_tid);
		e->t0_ns = a->t0_ns;
		e->t1_ns = a->t1_ns;
		e->gil = a->gil;
		for (int i = 0; i < EV_AGG_N; i++) {
			e->ns[i] = a->ns[i];
			e->held_ns[i] = a->held_ns[i];
			e->n[i] = a->n[i];
		}
		for (int i = 0; i < EV_AGG_BUCKETS; i++)
			e->hist[i] = a->hist[i];
		e->pad = 0;
		submit(e);
	}
	__builtin_memset(&r->sums, 0, sizeof(r->sums));
	return 0;
}

static __always_inline __u32 log2_bucket(__u64 ns)
{
	__u32 v = ns >> 25 ? ~0U : (__u32)(ns >> 10), b = 0; /* bucket 0: up to 2 * 1024 ns */

	if (v >> 8)
		b += 8, v >>= 8;
	if (v >> 4)
		b += 4, v >>= 4;
	if (v >> 2)
		b += 2, v >>= 2;
	return b + (v >> 1 ? 1 : 0);
}

/* Whether it is time to send what has been counted. */
static __always_inline bool count_stretch(struct thread_rec *r, __u32 cls, __u64 ns, __u64 now)
{
	struct sums *a = &r->sums;

	if (!a->t0_ns)
		a->t0_ns = r->t_out;
	a->t1_ns = now;
	a->n[cls]++;
	a->ns[cls] += ns;
	if (r->flags & EV_F_SELF_HOLDS)
		a->held_ns[cls] += ns;
	if (cls == EV_AGG_GIL) {
		a->flags |= (r->flags & EV_F_MOVED) | (r->place.frame ? 0 : EV_F_UNPLACED);
		a->gil = r->gil;
		a->hist[log2_bucket(ns) & (EV_AGG_BUCKETS - 1)]++;
	}
	return ++a->total >= AGG_MAX_N || now - a->t0_ns > AGG_MAX_AGE;
}
