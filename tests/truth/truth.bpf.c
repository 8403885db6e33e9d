// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* Truth tracer, kernel half: entry and return probes on take_gil (and drop_gil) and what the scheduler did with the
 * thread in between.  Shares nothing with gilscope's own programs, on purpose: it reads no registers, no futex words
 * and no interpreter memory, so a mistake there cannot repeat itself here.
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

struct open_call {
	struct truth_call c;
	__u64 t_out; /* of the sleep going on, 0 none */
};

struct thread_calls {
	struct open_call kind[TRUTH_KINDS];
};

const volatile __u32 target_tgid;
const volatile __u64 min_ns; /* calls that did not sleep are recorded from here on */

__u64 lost; /* records that found the ring full, or threads without storage */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
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

static __always_inline int enter(int kind)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u64 id = bpf_get_current_pid_tgid();
	struct thread_calls *t;

	if (id >> 32 != target_tgid)
		return 0;
	t = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	__builtin_memset(&t->kind[kind], 0, sizeof(t->kind[kind]));
	t->kind[kind].c.t_entry = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void count(__u32 tid, __u64 ns, int slept)
{
	struct truth_totals zero = {}, *sum = bpf_map_lookup_elem(&totals, &tid);

	if (!sum) {
		bpf_map_update_elem(&totals, &tid, &zero, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&totals, &tid);
		if (!sum)
			return;
	}
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
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct thread_calls *t;
	struct truth_call *c, *out;

	if (id >> 32 != target_tgid)
		return 0;
	t = bpf_task_storage_get(&threads, task, 0, 0);
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
	if (!o->c.t_entry)
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

static __always_inline void switched_in(struct open_call *o, __u64 now)
{
	if (!o->c.t_entry)
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

	if (prev->tgid == target_tgid) {
		t = bpf_task_storage_get(&threads, prev, 0, 0);
		if (t) {
			/* a blocked task that is switched out by preemption stays runnable */
			switched_out(&t->kind[TRUTH_TAKE], now, prev_state && !preempt);
			switched_out(&t->kind[TRUTH_DROP], now, prev_state && !preempt);
		}
	}
	if (next->tgid == target_tgid) {
		t = bpf_task_storage_get(&threads, next, 0, 0);
		if (t) {
			switched_in(&t->kind[TRUTH_TAKE], now);
			switched_in(&t->kind[TRUTH_DROP], now);
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
