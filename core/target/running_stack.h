#pragma once
/* Where a thread that runs stands in native code: its registers and the top of its C stack at one moment, taken by the kernel when the thread's
 * CPU clock next ticks (perf_event_open, one sample).  Nothing is stopped or written; a thread that does not come to run in user mode within
 * the limit gives none.  One's own processes need no rights for it unless perf_event_paranoid is above 2.
 * Owns: nothing.  Context: hosted; waits up to RUNNING_STACK_LIMIT_MS.  Errors: -errno; -EAGAIN it did not run, -ENOTSUP other processors. */
#include <stdint.h>
#include <sys/types.h>

#include "core/event/event.h"

#define RUNNING_STACK_LIMIT_MS 30

/* Fills regs, bytes and n_bytes; the copy ends at end, if that lies above the stack pointer. */
int running_stack_read(pid_t tid, uint64_t end, struct ev_native *ret);
