#pragma once
/* The small text files of /proc/PID and /proc/PID/task/TID: stat, status, syscall, schedstat.  Parsed by fields; comm may hold
 * blanks, parentheses and newlines.
 * Owns: proc_read hands over memory.  Context: hosted.  Errors: -errno of open and read, -EPROTO what does not parse. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_SIZE 64 /* kernel threads' names are longer than 15 */

/* Whole file relative to a directory fd, at most max bytes; NUL-terminated. */
int proc_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_n);

struct proc_stat {
	char comm[PROC_COMM_SIZE]; /* raw bytes */
	char state;
	bool kernel_thread;
	uint64_t start_ns; /* CLOCK_BOOTTIME, in steps of a clock tick */
	uint64_t progress; /* page faults and ticks of CPU time: a figure that grows while it gets on, if only by pages of a slow disk */
};
int proc_stat_read(int dir_fd, const char *name, struct proc_stat *ret);
int proc_stat_parse(const char *text, size_t n, struct proc_stat *ret);

struct proc_status {
	pid_t tgid;
	pid_t ns_tid; /* id in the innermost pid namespace; equals the outer one when there is but one */
	bool other_namespace;
	bool vm; /* has memory: no kernel thread, no zombie */
	uid_t uid;
};
int proc_status_read(int dir_fd, const char *name, struct proc_status *ret);
int proc_status_parse(const char *text, struct proc_status *ret);

struct proc_syscall {
	int32_t nr; /* -1: running, or asleep outside a system call */
	uint64_t arg[6];
	uint64_t sp, pc; /* in user space; 0 while it runs */
	bool running;
};
int proc_syscall_read(int dir_fd, const char *name, struct proc_syscall *ret);
int proc_syscall_parse(const char *text, struct proc_syscall *ret);

/* Of a thread so far.  Added up when it gets a CPU (kernel/sched/stats.h sched_info_arrive), so while it waits for one nothing changes. */
struct proc_schedstat {
	uint64_t queued_ns; /* ready to run, without a CPU */
	uint64_t arrivals; /* how often it got one; 0: the kernel keeps no such numbers (CONFIG_SCHEDSTATS) */
};
int proc_schedstat_parse(const char *text, struct proc_schedstat *ret);
