#pragma once
/* The C stack of a thread that sleeps, for `gilscope dump --native`: what the kernel shows of it without stopping it is its stack pointer and
 * its instruction (/proc/PID/task/TID/syscall); its stack is read from its memory, in that order and once more, so that it did not move
 * meanwhile.  The other registers are not known: where a function needs them to be unwound the stack ends.
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
bool dump_native_read(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *python, const struct frames_entries *entries,
		      const struct native_stack **ret, const struct unwound **ret_names);
