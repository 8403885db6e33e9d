#pragma once
/* struct mem of a live process, by process_vm_readv: no stop, no signal, no write.  Needs PTRACE_MODE_ATTACH.
 * A read may block for ever: a page may be served by a userfaultfd or a FUSE file of the target's own.  No signal ends that but
 * a fatal one, so the thread that reads can only be given up: another thread sees how long a read takes, has the place refused
 * from then on, and reads on; should the first ever come back, it stops where it is and touches nothing.
 * Owns: nothing; embed it and keep pid valid (a pidfd elsewhere tells whether it still is the same process).
 * Context: one reading thread at a time; pending and give_up from one other.
 * Errors: -EFAULT unreadable or partly so, -ETIMEDOUT where a read was given up, -ESRCH gone, -EPERM. */
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/interp/mem.h"

#define PROCESS_MEM_GIVEN_UP_MAX 16

struct process_mem {
	struct mem mem;
	pid_t pid;
	atomic_uint_fast64_t since_ns; /* of the read under way, and its name; 0: none */
	atomic_uint_fast64_t start, end; /* pages it reads */
	struct {
		uint64_t start, end;
	} given_up[PROCESS_MEM_GIVEN_UP_MAX];
	atomic_uint n_given_up; /* PROCESS_MEM_GIVEN_UP_MAX: all of the memory */
};

void process_mem_init(struct process_mem *m, pid_t pid);
/* Gives up the thread that reads and what it reads, if that takes longer than limit_ns; *ret_addr tells where. */
bool process_mem_give_up(struct process_mem *m, uint64_t limit_ns, uint64_t *ret_addr);
