// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* What a program on sched_switch costs before it does anything of use, on this machine: `empty` does nothing, `least` does what every
 * recorder of thread states must: find what it keeps of both threads, read the clock once, and the registers of the one that leaves. */
#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	__u32 pid;
	__u32 tgid;
} __attribute__((preserve_access_index));

struct pt_regs {
	unsigned long di, si, orig_ax;
} __attribute__((preserve_access_index));

struct kept {
	__u64 t, call;
};

const volatile __u32 target_tgid;
__u64 switches; /* that a thread of the target took part in */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kept);
} threads SEC(".maps");

SEC("tp_btf/sched_switch")
int empty(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(least, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct pt_regs *regs;
	struct kept *k;
	__u64 now;

	if (prev->tgid != target_tgid && next->tgid != target_tgid)
		return 0;
	__sync_fetch_and_add(&switches, 1);
	now = bpf_ktime_get_ns();
	if (prev->tgid == target_tgid) {
		k = bpf_task_storage_get(&threads, prev, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		regs = (struct pt_regs *)bpf_task_pt_regs(prev);
		if (k) {
			k->t = now;
			k->call = regs->orig_ax + regs->di + regs->si;
		}
	}
	if (next->tgid == target_tgid) {
		k = bpf_task_storage_get(&threads, next, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (k)
			k->t = now;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
