// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Truth tracer, kernel half: entry and return probes on take_gil (and drop_gil), one where take_gil has the GIL, and what the
 * scheduler did with the thread in between.  Shares nothing with gilscope's own programs, on purpose: it reads no futex words and
 * no interpreter memory, so a mistake there cannot repeat itself here.  Nor does it use task storage: a thread preempted inside
 * such a lookup, as a probe may be, makes those of every program on that CPU fail meanwhile, gilscope's among them.
 *
 * A test tool: it may cost what it likes, but must not lie.  Calls that neither slept nor lasted are only counted. */
#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tests/truth/truth.h"

struct task_struct {
	__u32 pid;
	__u32 tgid;
} __attribute__((preserve_access_index));

struct pt_regs {
	unsigned long ip;
} __attribute__((preserve_access_index));

struct open_call {
	struct truth_call c;
	__u64 t_out; /* of the sleep going on, 0 none */
};

struct thread_calls {
	struct open_call kind[TRUTH_KINDS];
	__u64 held_since; /* it has the GIL; 0: not, or since before the probes */
};

const volatile __u32 target_tgid;
const volatile __u64 held_ip[TRUTH_SITES]; /* where take_held sits, 0 no more */
const volatile __u64 min_ns; /* calls that did not sleep are recorded from here on */

__u64 calibrated; /* when the program of that name last ran */
__u64 probe_ns; /* from the probed instruction to the clock in the program: the trap's own time, measured at the start */
__u64 lost; /* records that found the ring full, or threads without storage */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct thread_calls);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct truth_totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} records SEC(".maps");

static const struct thread_calls no_calls;

static __always_inline struct thread_calls *calls_of(__u32 tid)
{
	return bpf_map_lookup_elem(&threads, &tid);
}

/* Of the thread that runs, NULL when it is none of the target's. */
static __always_inline struct thread_calls *current_calls(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	return id >> 32 == target_tgid ? calls_of((__u32)id) : NULL;
}

static __always_inline int enter(int kind)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	struct thread_calls *t;

	if (id >> 32 != target_tgid)
		return 0;
	t = calls_of(tid);
	if (!t) {
		bpf_map_update_elem(&threads, &tid, &no_calls, BPF_NOEXIST);
		t = calls_of(tid);
	}
	if (!t) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__builtin_memset(&t->kind[kind], 0, sizeof(t->kind[kind]));
	if (kind == TRUTH_TAKE)
		t->held_since = 0;
	t->kind[kind].c.t_entry = bpf_ktime_get_ns();
	return 0;
}

static __always_inline struct truth_totals *totals_of(__u32 tid)
{
	struct truth_totals zero = {}, *sum = bpf_map_lookup_elem(&totals, &tid);

	if (sum)
		return sum;
	bpf_map_update_elem(&totals, &tid, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&totals, &tid);
}

static __always_inline void count(__u32 tid, __u64 ns, int slept)
{
	struct truth_totals *sum = totals_of(tid);

	if (!sum)
		return;
	sum->calls++;
	sum->ns += ns;
	if (slept) {
		sum->slept++;
		sum->slept_ns += ns;
	}
}

static __always_inline int leave(int kind)
{
	__u64 now = bpf_ktime_get_ns(), id = bpf_get_current_pid_tgid();
	struct thread_calls *t;
	struct truth_call *c, *out;

	if (id >> 32 != target_tgid)
		return 0;
	t = calls_of((__u32)id);
	if (!t || !t->kind[kind].c.t_entry)
		return 0;
	c = &t->kind[kind].c;
	if (kind == TRUTH_TAKE)
		count((__u32)id, now - c->t_entry, c->sleeps != 0);
	if (c->sleeps || now - c->t_entry >= min_ns) {
		out = bpf_ringbuf_reserve(&records, sizeof(*out), 0);
		if (out) {
			*out = *c;
			out->pid = id >> 32;
			out->tid = (__u32)id;
			out->kind = kind;
			out->t_return = now;
			bpf_ringbuf_submit(out, BPF_RB_NO_WAKEUP);
		} else {
			__sync_fetch_and_add(&lost, 1);
		}
	}
	c->t_entry = 0;
	return 0;
}

SEC("uprobe")
int take_entry(void *ctx)
{
	return enter(TRUTH_TAKE);
}

/* At the instruction after gil.locked became 1 (sites.h). */
SEC("uprobe")
int take_held(void *ctx)
{
	__u64 now = bpf_ktime_get_ns() - probe_ns;
	struct thread_calls *t = current_calls();
	struct truth_call *c;

	if (!t || !t->kind[TRUTH_TAKE].c.t_entry)
		return 0;
	c = &t->kind[TRUTH_TAKE].c;
	if (!c->t_held)
		c->t_held = now > c->t_last_in ? now : c->t_last_in;
	t->held_since = c->t_held;
	return 0;
}

/* At the instruction after gil.locked became 0: what it slept before, it slept as the holder. */
SEC("uprobe")
int drop_released(void *ctx)
{
	__u64 now = bpf_ktime_get_ns() - probe_ns;
	struct thread_calls *t = current_calls();
	struct truth_totals *sum;
	struct truth_call *c;

	if (!t)
		return 0;
	sum = t->held_since ? totals_of((__u32)bpf_get_current_pid_tgid()) : NULL;
	if (sum && now > t->held_since)
		sum->held_ns += now - t->held_since;
	t->held_since = 0;
	c = &t->kind[TRUTH_DROP].c;
	c->sleeps = 0;
	c->t_first_out = c->t_sleep_in = c->asleep_ns = 0;
	return 0;
}

SEC("uprobe")
int calibrate(void *ctx)
{
	calibrated = bpf_ktime_get_ns();
	return 0;
}

SEC("uretprobe")
int take_return(void *ctx)
{
	return leave(TRUTH_TAKE);
}

SEC("uprobe")
int drop_entry(void *ctx)
{
	return enter(TRUTH_DROP);
}

SEC("uretprobe")
int drop_return(void *ctx)
{
	return leave(TRUTH_DROP);
}

static __always_inline void switched_out(struct open_call *o, __u64 now, int blocked)
{
	if (!o->c.t_entry || o->c.t_held)
		return;
	if (!blocked) {
		o->c.preempts++;
		return;
	}
	o->c.sleeps++;
	o->t_out = now;
	if (!o->c.t_first_out)
		o->c.t_first_out = now;
}

/* A probe is handled on the way back to user mode, after a due preemption: a thread that leaves the CPU at the instruction of
 * take_held has the GIL already, though the probe has not run yet. */
static __always_inline bool at_held(struct task_struct *p)
{
	__u64 ip = ((struct pt_regs *)bpf_task_pt_regs(p))->ip;

	for (int i = 0; i < TRUTH_SITES; i++)
		if (held_ip[i] && ip - held_ip[i] <= 1) /* behind the breakpoint's one byte */
			return true;
	return false;
}

static __always_inline void switched_in(struct open_call *o, __u64 now)
{
	if (!o->c.t_entry || o->c.t_held)
		return;
	o->c.t_last_in = now;
	if (o->t_out) {
		o->c.t_sleep_in = now;
		o->c.asleep_ns += now - o->t_out;
		o->t_out = 0;
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct thread_calls *t;
	__u64 now = bpf_ktime_get_ns();

	/* a blocked task that is switched out by preemption stays runnable */
	if (prev->tgid == target_tgid && (t = calls_of(prev->pid))) {
		struct truth_call *take = &t->kind[TRUTH_TAKE].c;
		bool blocked = prev_state && !preempt;

		if (!blocked && take->t_entry && !take->t_held && at_held(prev))
			take->t_held = now;
		switched_out(&t->kind[TRUTH_TAKE], now, blocked);
		switched_out(&t->kind[TRUTH_DROP], now, blocked);
	}
	if (next->tgid == target_tgid && (t = calls_of(next->pid))) {
		switched_in(&t->kind[TRUTH_TAKE], now);
		switched_in(&t->kind[TRUTH_DROP], now);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
