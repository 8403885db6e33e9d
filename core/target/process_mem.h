#pragma once
/* struct mem of a live process, by process_vm_readv: no stop, no signal, no write.  Needs PTRACE_MODE_ATTACH.
 * Owns: nothing; embed it and keep pid valid (a pidfd elsewhere tells whether it still is the same process).
 * Context: any thread.  Errors: -EFAULT unreadable or partly so, -ESRCH gone, -EPERM. */
#include <sys/types.h>

#include "core/interp/mem.h"

struct process_mem {
	struct mem mem;
	pid_t pid;
};

void process_mem_init(struct process_mem *m, pid_t pid);
