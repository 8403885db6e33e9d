#pragma once
/* The few kernel structs the programs touch, as CO-RE flavours: only the fields used, found by name in the running
 * kernel's BTF when the program is loaded.  Instead of vmlinux.h: reviewable, and it works where the build machine
 * has no BTF.  x86-64. */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#define __core __attribute__((preserve_access_index))

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
} __core;

struct thread_struct {
	unsigned long fsbase;
} __core;

struct signal_struct {
	struct {
		int counter;
	} live; /* threads that have not yet begun to exit */
} __core;

struct pid_namespace;
struct mm_struct;

struct upid {
	int nr;
	struct pid_namespace *ns;
} __core;

struct pid {
	unsigned int level; /* numbers[level] is the number in the innermost namespace, numbers[0] in the initial one */
	struct upid numbers[1];
} __core;

struct task_struct {
	unsigned int __state; /* 5.14, commit 2f064a59a11f: before it was `state` */
	unsigned int flags; /* PF_* */
	int exit_code;
	int pid, tgid; /* initial namespace: thread, thread group */
	unsigned long long start_boottime; /* 5.5, commit cf25e24db61c */
	char comm[16];
	struct signal_struct *signal;
	struct thread_struct thread;
	struct task_struct *group_leader;
	struct pid *thread_pid; /* 5.0, commit 2c4704756cab; NULL when the task has been released */
	unsigned on_cpu; /* an int before 7.x, a byte since: unsigned, so that the access is narrowed */
	struct mm_struct *mm;
} __core;

struct bpf_iter_meta {
	struct seq_file *seq;
	unsigned long long session_id, seq_num;
} __core;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __core;

#undef __core

#define TASK_COMM_LEN 16
#define PF_EXITING 0x4 /* include/linux/sched.h */

/* uapi/asm-generic/unistd numbers and futex operations the programs decide by; x86-64 */
#define NR_FUTEX 202
#define NR_RESTART_SYSCALL 219
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CMD_MASK 0x7f
#define FUTEX_WAIT 0
#define FUTEX_LOCK_PI 6
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2 13
#define NR_NANOSLEEP 35
#define NR_CLOCK_NANOSLEEP 230
