#pragma once
/* Child processes of what is sampled.  No event tells an unprivileged process of another one's forks (the proc connector and the events of
 * perf want rights, a pidfd only tells of the end), so /proc/PID/task/TID/children is read; but only when any process or thread was born.
 * Owns: births a descriptor, until the sampling child ends.  Context: that child.  Errors: outcomes, as said. */
#include <stdint.h>

struct proc;

/* Of anything in our pid namespace and those below it: the kernel's last process number (/proc/sys/kernel/ns_last_pid, which anybody may
 * read; CONFIG_CHECKPOINT_RESTORE).  Where that is not to be had, each 20 ms count as a birth. */
struct births {
	int fd; /* -1 */
	uint64_t n, at_ns;
	char last[16];
};
void births_init(struct births *b);
uint64_t births_look(struct births *b, uint64_t now); /* another number than before: there was one */

/* Tells of child processes that are new, if there was a birth. */
void proc_children_look(struct proc *p, uint64_t births, uint64_t now);
