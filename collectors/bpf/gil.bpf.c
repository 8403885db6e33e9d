// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What the scheduler tells about the threads of the targets, turned into events.
 *
 * sched_switch sees a thread leave the CPU while its memory is still mapped: the futex word says whether it waits for
 * a GIL, the GIL's words say who holds it, and both Python stacks can be read there and then.  Everything is kept
 * in task storage and sent as one event when the thread runs again; short stretches are only counted when the dials say so.
 *
 * Must not: insert into shared hash maps (runqueue lock held: user space inserts), wake the consumer per event, decide
 * what an event means (core/timeline does).  Per-CPU scratch is safe here: sched_switch and sched_waking run with
 * interrupts off, the sampler (hard interrupt) has scratch of its own, nothing runs in NMI (cpu-clock is an hrtimer). */
#include "collectors/bpf/kernel_types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "core/event/event.h"

#define WALK_READ(dst, len, addr) bpf_probe_read_user(dst, len, (const void *)(addr))
#define WALK_FN static __noinline
#define WALK_RUN(w) run_walk(w)
struct walk_state;
static __always_inline void run_walk(struct walk_state *w);
#include "core/interp/frame_walk.h"

#include "collectors/bpf/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MS 1000000ULL
#define BLOCKED_STACK_PERIOD MS /* stacks of plain system calls: once per so much blocked time of a thread */
#define AGG_MAX_N 512 /* counted stretches are sent at the latest after so many … */
#define AGG_MAX_AGE (50 * MS) /* … or so long */
#define WAKE_BYTES (1U << 20) /* wake the consumer when so much waits in the ring */

struct thread_rec { /* of one thread, in its task storage */
	__u64 t_out, t_wake;
	__u64 arg0, gil, holder_ident, switch_number;
	__u64 own_stack, holder_stack, waker_stack;
	__u64 wait_gil, wait_switch_number, wait_stack; /* the last sleep on a GIL: a re-wait of the same take_gil has the same stack */
	__u64 since_stack[EV_AGG_N]; /* off-CPU time by class since a stack was last taken */
	__u32 flags, arg1;
	__s32 nr;
	__u32 waker_pid, waker_tid, cpu_out;
	__u32 announced, dead, python; /* python: EV_F_PYTHON when it had a thread state at the last look */
	__u64 looked_at;
	__u32 agg_total, gil_slot;
	struct ev_agg agg;
};

struct scratch {
	struct ev_stack stack;
	struct walk_buf buf;
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
	__uint(max_entries, BPF_COUNT_N);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct bpf_dials dials;
struct bpf_proc only_proc; /* while there is one target only */

static __always_inline void count(__u32 what, __u64 by)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &what);

	if (n)
		*n += by;
}

static __always_inline __u64 wakeup_flag(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > WAKE_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void *reserve(__u32 bytes, __u32 loss_class)
{
	void *e = bpf_ringbuf_reserve(&ring, bytes, 0);

	count(e ? BPF_COUNT_EVENTS : loss_class, 1);
	return e;
}

static __always_inline void submit(void *e)
{
	bpf_ringbuf_submit(e, wakeup_flag());
}

static __always_inline void fill_hdr(struct ev_hdr *h, __u32 kind, __u32 size, __u32 flags, struct task_struct *p)
{
	h->kind = kind;
	h->size = size;
	h->flags = flags;
	h->pid = p->tgid;
	h->tid = p->pid;
}

static __always_inline struct bpf_proc *proc_of(struct task_struct *p)
{
	__u32 tgid = p->tgid;

	if (dials.only_pid)
		return tgid == dials.only_pid ? &only_proc : 0;
	return bpf_map_lookup_elem(&procs, &tgid);
}

/* --- the walk ------------------------------------------------------------------------------------------------- */

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
	s->stack.pad = 0;
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

/* Key of the Python stack of a thread state, which the current task's memory must hold; moving: another thread's, which runs.
 * A global function: verified once, not again for every path that comes here. */
__noinline __u64 take_stack(struct bpf_proc *proc, __u64 tstate, __u64 pid_tid, __u32 slot, __u32 moving)
{
	struct scratch *s;
	__u64 key, top;

	if (!proc || !tstate)
		return 0;
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	top = moving ? walk_top(&proc->walk, tstate) : 0;
	key = walk_frames(&proc->walk, tstate, pid_tid >> 32, &s->buf, &s->stack);
	if (moving && walk_top(&proc->walk, tstate) != top) { /* once more, then as it is */
		key = walk_frames(&proc->walk, tstate, pid_tid >> 32, &s->buf, &s->stack);
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

static __always_inline __u64 pid_tid_of(struct task_struct *p)
{
	return (__u64)(__u32)p->tgid << 32 | (__u32)p->pid;
}

/* --- the GIL as the current task's memory shows it ---------------------------------------------------------- */

struct gil_words { /* last_holder, locked, switch_number lie together in every version (checked in user space) */
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

static __always_inline __u64 own_tstate(struct bpf_proc *proc, struct task_struct *p)
{
	__u64 tstate = 0;

	if (proc->tss_offset)
		bpf_probe_read_user(&tstate, sizeof(tstate), (void *)(p->thread.fsbase + proc->tss_offset));
	return tstate;
}

/* The GIL of the interpreter the thread works for. */
static __always_inline struct bpf_gil *home_gil(struct bpf_proc *proc, __u64 tstate, volatile __u32 *slot)
{
	__u64 interp = 0, gil = 0;

	if (proc->n_gils == 1 || proc->walk.interp_gil == WALK_NO_FIELD || !tstate)
		return &proc->gils[0];
	if (bpf_probe_read_user(&interp, sizeof(interp), (void *)(tstate + proc->walk.tstate_interp)) ||
	    bpf_probe_read_user(&gil, sizeof(gil), (void *)(interp + proc->walk.interp_gil)))
		return &proc->gils[0];
	return gil_of_word(proc, gil, slot) ?: &proc->gils[0];
}

struct gil_view {
	__u64 holder_tstate, holder_ident, switch_number;
	__u32 flags;
};

/* tstate: the thread's own, 0 if it has none. */
static __always_inline void look_at_gil(struct bpf_proc *proc, struct bpf_gil *gil, struct task_struct *p, __u64 tstate,
					struct gil_view *ret)
{
	struct gil_words w;

	ret->flags = 0;
	ret->holder_tstate = ret->holder_ident = ret->switch_number = 0;
	if (bpf_probe_read_user(&w, sizeof(w), (void *)(gil->addr + proc->walk.gil_last_holder)))
		return;
	ret->flags = EV_F_GIL_SEEN;
	ret->switch_number = w.switch_number;
	if (w.locked != 1 || !w.last_holder)
		return;
	ret->flags |= EV_F_LOCKED;
	ret->holder_tstate = w.last_holder;
	if (w.last_holder == tstate)
		ret->holder_ident = p->thread.fsbase;
	else
		bpf_probe_read_user(&ret->holder_ident, sizeof(ret->holder_ident),
				    (void *)(w.last_holder + proc->walk.tstate_thread_id));
	if (ret->holder_ident == p->thread.fsbase) /* also by another thread state of this thread */
		ret->flags |= EV_F_SELF_HOLDS;
}

static __always_inline __u32 gc_flag(struct bpf_gil *gil)
{
	int gc = 0;

	if (gil->gc_collecting && !bpf_probe_read_user(&gc, sizeof(gc), (void *)gil->gc_collecting) && gc)
		return EV_F_GC;
	return 0;
}

/* --- counting short stretches -------------------------------------------------------------------------------- */

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

static __always_inline void send_agg(struct thread_rec *r, struct task_struct *p)
{
	struct ev_agg *e;

	if (!r->agg.t0_ns)
		return;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (e) {
		__builtin_memcpy(e, &r->agg, sizeof(*e));
		fill_hdr(&e->h, EV_AGG, sizeof(*e), 0, p);
		submit(e);
	}
	__builtin_memset(&r->agg, 0, sizeof(r->agg));
	r->agg_total = 0;
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

static __always_inline void count_stretch(struct thread_rec *r, struct task_struct *p, __u32 cls, __u64 ns, __u64 now)
{
	struct ev_agg *a = &r->agg;

	if (cls >= EV_AGG_N)
		return;
	if (!a->t0_ns)
		a->t0_ns = r->t_out;
	a->t1_ns = now;
	a->n[cls]++;
	a->ns[cls] += ns;
	if (r->flags & EV_F_SELF_HOLDS)
		a->held_ns[cls] += ns;
	if (cls == EV_AGG_GIL) {
		a->gil = r->gil;
		a->hist[log2_bucket(ns) & (EV_AGG_BUCKETS - 1)]++;
	}
	if (++r->agg_total >= AGG_MAX_N || now - a->t0_ns > AGG_MAX_AGE)
		send_agg(r, p);
}

/* --- threads -------------------------------------------------------------------------------------------------- */

static __always_inline void announce(struct thread_rec *r, struct task_struct *p, __u64 now, __u32 flags)
{
	struct ev_thread *e;

	if (r->announced && !(flags & EV_F_RENAMED))
		return;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return;
	r->announced = 1;
	fill_hdr(&e->h, EV_THREAD, sizeof(*e), flags, p);
	e->t_ns = now;
	e->start_ns = p->start_boottime;
	e->ident = p->thread.fsbase;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), p->comm);
	submit(e);
}

static __always_inline struct thread_rec *rec_of(struct task_struct *p, bool create)
{
	struct thread_rec *r = bpf_task_storage_get(&threads, p, 0, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (!r && create)
		count(EV_LOSS_STORAGE, 1);
	return r;
}

/* --- off and on the CPU ------------------------------------------------------------------------------------- */

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

static __always_inline void classify_word(struct thread_rec *r, const struct walk_layout *l, struct bpf_gil *gil)
{
	__u64 at = r->arg0 - gil->addr;

	r->flags |= EV_F_GIL_WAIT;
	if (at >= l->gil_switch_cond)
		r->flags |= EV_F_FORCED_SWITCH;
	else if (at >= l->gil_mutex)
		r->flags |= EV_F_GIL_MUTEX;
}

static __always_inline bool stack_due(struct thread_rec *r)
{
	__u64 period = dials.stack_period_ns;
	__u32 cls = agg_class(r->flags, r->nr);

	if (cls >= EV_AGG_N)
		return false;
	if (cls != EV_AGG_GIL && period < BLOCKED_STACK_PERIOD)
		period = BLOCKED_STACK_PERIOD;
	if (r->since_stack[cls] < period)
		return false;
	if (cls == EV_AGG_RUNNABLE && !(r->flags & EV_F_SELF_HOLDS))
		return false; /* merely preempted: the samples tell where */
	r->since_stack[cls] = 0;
	return true;
}

/* Own stack, and for a waiter the holder's. */
static __always_inline void take_stacks(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *p, __u64 tstate,
					const struct gil_view *v)
{
	if (!(r->flags & EV_F_GIL_WAIT)) {
		r->own_stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SWITCH, 0);
		return;
	}
	/* A re-wait of the same take_gil: nobody took the GIL since, so this thread has run no Python either. */
	if (r->wait_stack && r->wait_gil == r->gil && r->wait_switch_number == v->switch_number)
		r->own_stack = r->wait_stack;
	else
		r->own_stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SWITCH, 0);
	r->wait_gil = r->gil;
	r->wait_switch_number = v->switch_number;
	r->wait_stack = r->own_stack;
	if ((v->flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED)
		r->holder_stack = take_stack(proc, v->holder_tstate, pid_tid_of(p), SCRATCH_SWITCH, 1);
}

static __always_inline void look_at_python(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *p, __u64 now)
{
	struct bpf_gil *gil = 0;
	struct gil_view v;
	__u64 tstate;

	if (r->flags & EV_F_FUTEX_WAIT)
		gil = gil_of_word(proc, r->arg0, &r->gil_slot);
	if (gil) {
		classify_word(r, &proc->walk, gil);
		r->gil = gil->addr;
	}
	/* Under load not every look is worth its reads: the word alone still says that the thread waits for the GIL. */
	if (now - r->looked_at < dials.look_period_ns) {
		r->flags |= r->python;
		return;
	}
	r->looked_at = now;
	tstate = own_tstate(proc, p);
	r->python = tstate ? EV_F_PYTHON : 0;
	r->flags |= r->python;
	if (!gil) {
		if (!tstate)
			return; /* a native thread: the GIL is none of its business */
		gil = home_gil(proc, tstate, &r->gil_slot);
		r->gil = gil->addr;
	}
	look_at_gil(proc, gil, p, tstate, &v);
	r->flags |= v.flags;
	r->holder_ident = v.holder_ident;
	r->switch_number = v.switch_number;
	if (!stack_due(r))
		return;
	r->flags |= gc_flag(gil);
	take_stacks(r, proc, p, tstate, &v);
}

static __always_inline void switched_out(struct task_struct *p, struct bpf_proc *proc, bool blocked, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);

	if (!r || r->dead)
		return;
	announce(r, p, now, 0);
	r->t_out = now;
	r->gil = r->holder_ident = r->switch_number = 0;
	r->own_stack = r->holder_stack = 0;
	r->cpu_out = bpf_get_smp_processor_id();
	read_call(r, p, blocked);
	if (proc->python && proc->n_gils)
		look_at_python(r, proc, p, now);
}

static __always_inline void send_off(struct thread_rec *r, struct task_struct *p, __u64 now, __u32 flags)
{
	struct ev_off *e;

	send_agg(r, p);
	e = reserve(sizeof(*e), EV_LOSS_RING_OFF);
	if (!e)
		return;
	fill_hdr(&e->h, EV_OFF, sizeof(*e), r->flags | flags, p);
	e->t_out_ns = r->t_out;
	e->t_in_ns = now;
	e->t_wake_ns = r->t_wake > r->t_out ? r->t_wake : 0;
	e->arg0 = r->arg0;
	e->arg1 = r->arg1;
	e->nr = r->nr;
	e->gil = r->gil;
	e->holder_ident = r->holder_ident;
	e->switch_number = r->switch_number;
	e->own_stack = r->own_stack;
	e->holder_stack = r->holder_stack;
	e->waker_stack = r->waker_stack;
	e->waker_pid = r->waker_pid;
	e->waker_tid = r->waker_tid;
	e->cpu_out = r->cpu_out;
	e->cpu_in = bpf_get_smp_processor_id();
	submit(e);
}

static __always_inline void switched_in(struct task_struct *p, __u64 now)
{
	struct thread_rec *r = rec_of(p, true);
	__u64 ns;
	__u32 cls;

	if (!r || r->dead)
		return;
	announce(r, p, now, 0);
	if (!r->t_out)
		return;
	ns = now > r->t_out ? now - r->t_out : 0;
	cls = agg_class(r->flags, r->nr);
	if (cls < EV_AGG_N)
		r->since_stack[cls] += ns;
	if (r->own_stack || ns >= (r->flags & (EV_F_FUTEX_WAIT | EV_F_SELF_HOLDS) ? dials.min_off_ns : dials.min_other_ns))
		send_off(r, p, now, 0);
	else
		count_stretch(r, p, cls, ns, now);
	/* waker_* are cleared here and not at switch-out: a waker may come between leaving the runqueue and the tracepoint */
	r->t_out = r->t_wake = 0;
	r->waker_pid = r->waker_tid = 0;
	r->waker_stack = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct bpf_proc *proc;
	__u64 now = 0;

	if (!dials.armed)
		return 0;
	proc = proc_of(prev);
	if (proc) {
		now = bpf_ktime_get_ns();
		/* preempted while about to sleep: still runnable, whatever __state says (5.18 and newer: commit fa2c3254d7cf) */
		switched_out(prev, proc, !preempt && prev->__state != 0, now);
	}
	if (proc_of(next))
		switched_in(next, now ?: bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *p)
{
	struct thread_rec *r;
	struct task_struct *waker;
	struct bpf_proc *proc;
	struct pt_regs *regs;

	if (!dials.armed || !(proc = proc_of(p)))
		return 0;
	r = rec_of(p, false);
	if (!r)
		return 0;
	r->t_wake = bpf_ktime_get_ns();
	if (!(r->flags & EV_F_FUTEX_WAIT))
		return 0;
	/* Woken by a thread, or by a timer that happened to interrupt one?  A futex(WAKE) on our word is the former. */
	waker = bpf_get_current_task_btf();
	regs = (struct pt_regs *)bpf_task_pt_regs(waker);
	if ((__s32)regs->orig_ax != NR_FUTEX || regs->di != r->arg0 || waker->tgid != p->tgid || futex_waits(NR_FUTEX, regs->si))
		return 0;
	r->waker_pid = waker->tgid;
	r->waker_tid = waker->pid;
	if ((r->flags & EV_F_GIL_WAIT) && r->own_stack && proc->python)
		r->waker_stack = take_stack(proc, own_tstate(proc, waker), pid_tid_of(waker), SCRATCH_WAKING, 0);
	return 0;
}

/* --- samples ------------------------------------------------------------------------------------------------- */

#define POINTS_INTO_GIL(reg) (regs->reg - gil->addr < size)

/* take_gil and the pthread functions it calls keep the GIL's address, or its condition's or mutex's, in a register. */
static __always_inline bool wants_gil(struct pt_regs *regs, struct bpf_gil *gil, __u64 size)
{
	return POINTS_INTO_GIL(di) || POINTS_INTO_GIL(si) || POINTS_INTO_GIL(bx) || POINTS_INTO_GIL(bp) ||
	       POINTS_INTO_GIL(r12) || POINTS_INTO_GIL(r13) || POINTS_INTO_GIL(r14) || POINTS_INTO_GIL(r15) ||
	       POINTS_INTO_GIL(r8) || POINTS_INTO_GIL(r9) || POINTS_INTO_GIL(ax) || POINTS_INTO_GIL(dx);
}

SEC("perf_event")
int on_sample(void *ctx)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct bpf_proc *proc;
	struct bpf_gil *gil;
	struct gil_view v = {};
	struct ev_sample *e;
	struct pt_regs *regs;
	__u64 tstate = 0, stack = 0, gil_addr = 0;
	__u32 flags = 0, slot = SCRATCH_SAMPLE;
	struct scratch *s;

	if (!dials.armed || !(proc = proc_of(p)))
		return 0;
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	__s64 nr = (__s64)regs->orig_ax;
	if (nr >= 0)
		flags |= EV_F_KERNEL;
	if (proc->python && proc->n_gils)
		tstate = own_tstate(proc, p);
	if (tstate) {
		flags |= EV_F_PYTHON;
		gil = home_gil(proc, tstate, &s->gil_slot);
		gil_addr = gil->addr;
		look_at_gil(proc, gil, p, tstate, &v);
		flags |= v.flags | gc_flag(gil);
		if ((v.flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED && wants_gil(regs, gil, proc->walk.gil_size))
			flags |= EV_F_WANTS_GIL;
		stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SAMPLE, 0);
	}
	e = reserve(sizeof(*e), EV_LOSS_RING_SAMPLE);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_SAMPLE, sizeof(*e), flags, p);
	e->t_ns = bpf_ktime_get_ns();
	e->gil = gil_addr;
	e->holder_ident = v.holder_ident;
	e->stack = stack;
	e->ip = regs->ip;
	e->nr = nr < 0 ? -1 : (__s32)nr;
	e->cpu = bpf_get_smp_processor_id();
	submit(e);
	return 0;
}

/* --- births, deaths, new programs and names ------------------------------------------------------------------- */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct ev_fork *e;

	if (!dials.armed || !proc_of(parent))
		return 0;
	if (child->tgid == parent->tgid) {
		rec_of(child, true); /* here rather than at its first switch: process context, the allocation may succeed */
		return 0;
	}
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_FORK, sizeof(*e), 0, parent);
	e->t_ns = bpf_ktime_get_ns();
	e->child_pid = child->tgid;
	e->child_tid = child->pid;
	submit(e);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p)
{
	struct bpf_proc *proc;
	struct ev_exec *e;

	if (!dials.armed || !(proc = proc_of(p)))
		return 0;
	proc->python = 0;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_EXEC, sizeof(*e), 0, p);
	e->t_ns = bpf_ktime_get_ns();
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), p->comm);
	submit(e);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	struct thread_rec *r;
	struct ev_exit *e;
	bool last;

	if (!dials.armed || !proc_of(p))
		return 0;
	r = rec_of(p, false);
	if (r) {
		send_agg(r, p);
		r->dead = 1;
	}
	last = p->signal->live.counter == 0;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_EXIT, sizeof(*e), last ? EV_F_PROCESS : 0, p);
	e->t_ns = bpf_ktime_get_ns();
	e->code = p->exit_code;
	e->pad = 0;
	submit(e);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *p, const char *comm)
{
	struct thread_rec *r;
	struct ev_thread *e;

	if (!dials.armed || !proc_of(p))
		return 0;
	r = rec_of(p, false);
	if (!r || !r->announced)
		return 0;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_THREAD, sizeof(*e), EV_F_RENAMED, p);
	e->t_ns = bpf_ktime_get_ns();
	e->start_ns = p->start_boottime;
	e->ident = p->thread.fsbase;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), comm);
	submit(e);
	return 0;
}

/* --- what is already so at the start, and still so at the end -------------------------------------------------- */

static __always_inline void iter_start(struct task_struct *p, struct bpf_proc *proc)
{
	struct thread_rec *r = rec_of(p, true);
	struct bpf_gil *gil;

	if (!r || r->announced)
		return;
	announce(r, p, dials.start_ns, EV_F_AT_START);
	if (!p->__state || p->on_cpu || r->t_out)
		return;
	read_call(r, p, true);
	r->flags |= EV_F_AT_START;
	if (proc->python && (r->flags & EV_F_FUTEX_WAIT) && (gil = gil_of_word(proc, r->arg0, &r->gil_slot))) {
		classify_word(r, &proc->walk, gil);
		r->gil = gil->addr;
	}
	r->t_out = dials.start_ns;
}

SEC("iter/task")
int each_task(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct thread_rec *r;
	struct bpf_proc *proc;

	if (!p || !(proc = proc_of(p)))
		return 0;
	if (dials.iter_mode == BPF_ITER_START) {
		iter_start(p, proc);
		return 0;
	}
	r = rec_of(p, false);
	if (!r || r->dead)
		return 0;
	if (r->t_out)
		send_off(r, p, bpf_ktime_get_ns(), EV_F_UNFINISHED);
	else
		send_agg(r, p);
	return 0;
}
