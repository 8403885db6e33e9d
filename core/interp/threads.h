#pragma once
/* The thread states of an interpreter, one by one, checked as they go: every tstate must name its interpreter and its
 * predecessor.  The target runs meanwhile, so a contradiction is an outcome (read again), not an error.
 * Owns: nothing.  Context: async-signal-safe.  Errors: -errno of the read.  Bounded: THREADS_MAX steps. */
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

#define THREADS_MAX 100000

struct py_thread {
	uint64_t tstate, interp; /* of PyPy the ident stands for the state */
	uint64_t ident; /* pthread id; 0 until the thread has started */
	uint64_t native_tid; /* gettid() in the target's pid namespace; 0 where the version does not keep it */
};

struct thread_walk {
	const struct layout *l;
	const struct mem *mem;
	uint64_t interp, next, prev, end; /* end: 0, or of a ring where it began */
	unsigned n;
};

enum { THREADS_END = 1, THREADS_TORN = 2 };
int thread_walk_begin(struct thread_walk *w, const struct layout *l, const struct mem *mem, uint64_t interp);
/* 0 and *ret, THREADS_END, THREADS_TORN, or -errno. */
int thread_walk_next(struct thread_walk *w, struct py_thread *ret);
