#pragma once
/* Unwinding in a disposable process (core/target/disposable.h): hostile files may crash it or keep it busy, and then it is left behind and
 * another one started.  A process whose stacks did that twice is refused from then on.
 * Owns: the child and the block shared with it.  Context: one thread, that of unwind_child_new.
 * Errors: -errno of unwind.h; -ETIMEDOUT, -EIO (it crashed), -EPERM refused. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/event/event.h"
#include "core/symbols/unwound.h"

struct unwind_child;

#define UNWIND_LIMIT_NS (UINT64_C(2000) * 1000000) /* a stack takes 0.1 ms, the first one of a process, whose files are opened, some more */

struct unwind_child *unwind_child_new(void); /* NULL: no memory */
void unwind_child_free(struct unwind_child *c);
/* *ret is valid until the next call, and to be trusted as far as unwound.h says. */
int unwind_child_run(struct unwind_child *c, const struct ev_native *copy, const struct unwound **ret);
bool unwind_child_refuses(const struct unwind_child *c, uint32_t pid);
void unwind_child_forget(struct unwind_child *c, uint32_t pid); /* it has ended, or runs another program */
unsigned unwind_child_ends(const struct unwind_child *c); /* how often it crashed, hung or was killed */
uint64_t unwind_child_cpu_ns(const struct unwind_child *c); /* of the one that lives; any thread */
