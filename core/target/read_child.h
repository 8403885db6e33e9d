#pragma once
/* Reads of other processes' memory, done by a disposable child (disposable.h): each thread that reads has one of its own, started
 * at its first read, which serves every target of that thread.  One that does not answer in time is left behind.
 * In a process that is disposable itself reads are done at once; its starter sees by a watch how long one takes.
 * Owns: the child and the page it shares, until the thread ends.  Context: any thread.
 * Errors: -EFAULT unreadable or partly so, -ETIMEDOUT, -ESRCH gone, -EPERM; -EAGAIN no child could be started. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define READ_LIMIT_NS (UINT64_C(250) * 1000000) /* a read takes 1 us, from a slow swap 100 ms */

int read_child_read(pid_t pid, uint64_t addr, void *ret, size_t len);

struct read_watch { /* in shared memory: the read under way */
	atomic_uint_fast64_t since_ns; /* 0: none */
	atomic_uint_fast64_t addr, len;
	atomic_int pid;
};
/* This process is disposable: it reads by itself from now on, and notes it there; watch may be NULL. */
void read_child_be_disposable(struct read_watch *watch);
bool read_child_is_disposable(void);
bool read_watch_stuck(const struct read_watch *watch); /* the read under way takes longer than READ_LIMIT_NS */
