#pragma once
/* struct mem of a live process, by process_vm_readv: no stop, no signal, no write.  Needs PTRACE_MODE_ATTACH.
 * A read may block for ever: a page may be served by a userfaultfd or a FUSE file of the target's own, and no signal ends that but
 * a fatal one.  So a disposable child reads (read_child.h); pages that did not answer within READ_LIMIT_NS are refused from then on.
 * Owns: nothing; embed it and keep pid valid (a pidfd elsewhere tells whether it still is the same process).
 * Context: one reading thread at a time.
 * Errors: -EFAULT unreadable or partly so, -ETIMEDOUT where a read was given up, -ESRCH gone, -EPERM. */
#include <stdbool.h>
#include <sys/types.h>

#include "core/interp/mem.h"

#define PROCESS_MEM_GIVEN_UP_MAX 16

struct process_mem {
	struct mem mem;
	pid_t pid;
	bool strict; /* the first page that does not answer makes all of it unreadable: who attaches needs all or nothing */
	struct {
		uint64_t start, end;
	} given_up[PROCESS_MEM_GIVEN_UP_MAX];
	unsigned n_given_up; /* PROCESS_MEM_GIVEN_UP_MAX: all of the memory */
};

void process_mem_init(struct process_mem *m, pid_t pid);
void process_mem_refuse(struct process_mem *m, uint64_t addr, uint64_t len); /* its pages did not answer */
