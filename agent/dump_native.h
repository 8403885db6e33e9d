#pragma once
/* The C stack of a thread, for `gilscope dump --native`.  Of one that runs: by one sample of its CPU clock (core/target/running_stack.h), if its Python
 * frames are the same before and after.  Of one that sleeps: what the kernel shows of it without stopping it is its stack pointer and
 * its instruction (/proc/PID/task/TID/syscall).  These are read, its stack from its memory, its Python frames again, and these once more: it did
 * not move meanwhile, and both halves are of one moment.  The other registers are not known: where a function needs them to be unwound the stack ends.
 * Owns: dump_native_new returns an owned object.  Context: one thread.  Errors: none; a thread of which it cannot be had is left alone. */
#include <stdbool.h>

#include "core/interp/frames.h"
#include "core/symbols/native_stack.h"

struct dump_native;
struct target;
struct target_thread;

struct dump_native *dump_native_new(struct target *t);
void dump_native_free(struct dump_native *n);
/* *ret and *ret_names are valid until the next call. */
bool dump_native_read(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *python,
		      const struct native_stack **ret, const struct unwound **ret_names);
