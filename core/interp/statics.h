#pragma once
/* Interpreters older than 3.7, and PyPy, have no _PyRuntime: what begins their lists and locks are static variables, found one by one
 * (core/target/find_statics.c, find_pypy.c).  Here they become a layout like any other's, counted from the lowest of them.
 *
 * Owns: nothing.  Context: any.  Errors: -EPROTO a variable that is needed is missing or too far from the others. */
#include <stdint.h>

#include "core/interp/layout.h"

/* Addresses, 0 not found.  Python/pystate.c, Python/ceval.c (2.7), Python/ceval_gil.h (3.6), Modules/gcmodule.c */
struct static_vars {
	uint64_t interp_head; /* PyInterpreterState * */
	uint64_t current; /* _PyThreadState_Current: the thread state that has the GIL */
	uint64_t gil_lock; /* 2.7 interpreter_lock: pointer to a semaphore */
	uint64_t gil_mutex, gil_cond, switch_mutex, switch_cond; /* 3.6 */
	uint64_t gil_interval; /* 3.6, microseconds */
	uint64_t tls_key; /* 3.6 autoTLSkey: an int */
	uint64_t gc_collecting; /* an int */
	/* PyPy, rpython/translator/c/src/thread_gil.c and threadlocal.c; its mutex_gil is in gil_mutex and gil_cond */
	uint64_t gil_ident; /* rpy_fastgil: the pthread id of who has the GIL, 0 nobody */
	uint64_t gil_queue; /* mutex_gil_stealer: all waiters but the first one */
	uint64_t thread_ring; /* linkedlist_head of each thread's struct pypy_threadlocal_s */
	uint64_t thread_ident; /* offset in that struct: its pthread id */
};

/* Completes a row for one process; *ret_base stands for the address of _PyRuntime. */
int static_vars_layout(const struct static_vars *vars, struct layout *l, uint64_t *ret_base);
