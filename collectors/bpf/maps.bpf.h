#pragma once
// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What all the programs share: state per thread, the maps, the dials, counting.
 * Must not: insert into shared hash maps (a runqueue lock may be held: user space inserts), wake the consumer per event; births
 * and new programs (process context, no lock held) may do both. */
#include "collectors/bpf/kernel_types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "core/event/event.h"

#define WALK_READ(dst, len, addr) bpf_probe_read_user(dst, len, (const void *)(addr))
#define WALK_FN static __always_inline
#define WALK_PART __noinline
#define WALK_RUN(w) run_walk(w)
#define WALK_ENTRY(w, addr) note_entry(w, addr)
struct walk_state;
static __always_inline void run_walk(struct walk_state *w); /* stacks.bpf.h */
static __always_inline void note_entry(struct walk_state *w, __u64 addr);
#include "core/interp/frame_walk.h" /* with the walk: before anything that includes it without */
#include "core/interp/parked.h"
#include "core/interp/cond_list.h"

#include "collectors/bpf/wire.h"

#define MS 1000000ULL
#define BLOCKED_STACK_PERIOD MS /* stacks of plain system calls: once per so much blocked time of a thread */
#define AGG_MAX_N 512 /* counted stretches are sent at the latest after so many … */
#define AGG_MAX_AGE (50 * MS) /* … or so long */
#define WAKE_RACE (50 * MS / 1000) /* a waker may come so long before the switch it belongs to is seen */
#define WAKE_BYTES (1U << 20) /* wake the consumer when so much waits in the ring */
#define WAKE_EVERY 16

/* Where a thread's Python stood at its last sleep on a GIL. */
struct place {
	__u64 frame, instr; /* innermost frame and its instruction */
	__u64 tstate, top; /* its thread state, and where that keeps the innermost frame */
	__u64 sp[2]; /* user stack pointers (asleep on the condition, on the mutex) with which `top` was found */
};

/* Stretches that were only counted since the last ev_agg, which has them in full.  Narrow: AGG_MAX_N of them, and no longer
 * than AGG_MAX_AGE and one stretch more, which a dial keeps below 50 ms (detail.c). */
struct sums {
	__u64 t0_ns, t1_ns, gil; /* t0_ns 0: none */
	__u32 ns[EV_AGG_N];
	__u16 n[EV_AGG_N], total;
	__u32 flags;
	__u16 hist[EV_AGG_BUCKETS];
	__u32 held_ns[EV_AGG_N];
};

/* Of one thread, in its task storage, whose first cache line has room for 56 bytes.  Sorted by use: what every switch touches, what a
 * stretch that is only counted does, what looks into the target and events need. */
struct thread_rec {
	__u64 t_out, t_wake;
	__u64 arg0, gil;
	__u32 flags, arg1;
	__s32 nr;
	__u32 cpu_out;
	__u32 wake_flags; /* flags of the stretch that are known when it is woken or comes back */
	__u8 announced, dead;
	__u8 has; /* HAS_* */
	__u8 after_wait; /* it slept on a GIL last, but for preemptions */

	__u64 t_in, looked_at;
	__u64 sp;
	__u64 tstate; /* its own, if it was known when it left the CPU */
	__u64 in_number; /* with EV_F_IN_SEEN */
	__u32 since_stack[EV_AGG_N]; /* off-CPU time by class that no stack was taken for, up to 4 s */
	__u32 waker_tid; /* 0: none was seen */

	__u32 python; /* EV_F_PYTHON when it had a thread state at the last look */
	__u32 moved; /* EV_F_MOVED of a sleep that was only counted, for the next event */
	struct sums sums;
	__u32 waker_pid; /* with HAS_WAKER_PID; else it is of the same process */

	struct place place;
	__u64 cond_sp[2]; /* musl: the user stack pointers of its last sleeps on the GIL's two conditions */
	__u64 listed, listed_at; /* its thread state as found on a list, and when it was last looked for there */
	__u64 holder_ident, switch_number; /* with EV_F_LOCKED, with EV_F_GIL_SEEN */
	__u64 own_stack, holder_stack; /* with HAS_STACKS */
	__u64 waker_stack; /* with HAS_WAKER_STACK */
	__u64 parked, lock_owner; /* with HAS_LOCK */
	__u64 native; /* with HAS_STACKS: id of the copy of its C stack */
	__u64 context; /* with HAS_STACKS */
	__u32 parked_as;
	__u64 wait_gil, wait_switch_number, wait_stack; /* the last sleep on a GIL: a re-wait of the same take_gil has the same stack */
	__u32 gil_slot, wake_slot;
};
enum { HAS_STACKS = 1, HAS_LOCK = 2, HAS_WAKER_PID = 4, HAS_WAKER_STACK = 8 }; /* so much was noted of the present stretch */

struct walk_entries { /* calls of the evaluation loop that the last walk came by, with --native */
	__u64 cframe; /* 3.11: where the next one keeps its _PyCFrame on the C stack, 0 unknown */
	__u32 n, pad;
	struct ev_entry at[EV_MAX_ENTRIES];
};

struct scratch {
	struct ev_stack stack;
	struct walk_buf buf;
	struct walk_entries entries; /* right behind buf: note_entry */
	__u32 gil_slot;
};
enum scratch_slot { SCRATCH_SWITCH, SCRATCH_WAKING, SCRATCH_SAMPLE, SCRATCH_N };

#define RECENT 1024
struct recent { /* stack keys this CPU sent a short while ago, until user space has put them into `seen` */
	__u64 key[RECENT];
	__u64 t[RECENT];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPF_MAX_PROCS);
	__type(key, __u32);
	__type(value, struct bpf_proc);
} procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_rec);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, __u8);
} seen SEC(".maps"); /* filled by user space only */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_N);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recent);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_counters);
} counters SEC(".maps");

struct bpf_dials dials;
const volatile bool follow_children = false; /* a child of a target is a target */
const volatile bool native = false; /* C stacks are copied too */
const volatile bool own_pid_namespace = false; /* we run in one, not in the initial: false costs nothing, it is known at load */
struct bpf_proc only_proc; /* while there is one target only */

static __always_inline void count(__u32 what, __u64 by)
{
	__u32 zero = 0;
	struct bpf_counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c && what < BPF_COUNT_N)
		c->n[what] += by;
}

/* The task's number where we run; 0 when it is released already. */
static __always_inline __u32 nested_tid(struct task_struct *p)
{
	struct pid *pid = p->thread_pid;
	int nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr), (char *)pid + bpf_core_field_offset(pid->numbers) +
			      dials.pid_level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
	return nr;
}

static __always_inline __u32 tid_of(struct task_struct *p)
{
	return own_pid_namespace ? nested_tid(p) : p->pid;
}

static __always_inline __u32 pid_of(struct task_struct *p)
{
	return own_pid_namespace ? nested_tid(p->group_leader) : p->tgid;
}

static __always_inline __u64 pid_tid_of(struct task_struct *p)
{
	return (__u64)pid_of(p) << 32 | tid_of(p);
}

static __always_inline struct bpf_proc *proc_of(struct task_struct *p)
{
	__u32 tgid = p->tgid;

	if (dials.only_pid)
		return tgid == dials.only_pid ? &only_proc : 0;
	return bpf_map_lookup_elem(&procs, &tgid);
}
