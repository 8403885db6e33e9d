#pragma once
/* Work that may never come back, because it reads memory of a target that does not answer: done in a thread of its own, which
 * is left behind when the time is over or the user wants to stop.  The process ends soon after that, and the thread with it.
 *
 * Owns: nothing; ctx must live as long as the process when the work was left behind.
 * Context: any thread.  Errors: -ETIMEDOUT, -EINTR (stopped), -EAGAIN no thread; else what the work returned in *ret. */
#include <signal.h>
#include <stdint.h>

#define PATIENCE_ATTACH_NS (UINT64_C(5) * 1000000000) /* an attach takes 0.1 s, on a machine that swaps perhaps ten times that */

struct fail;

int patience_do(int (*work)(void *ctx), void *ctx, uint64_t limit_ns, const volatile sig_atomic_t *stop, int *ret);
/* What to tell when the memory of a process did not answer while `doing` it ("attach to"). */
int patience_refuse(int err, const char *doing, int pid, struct fail *why);
