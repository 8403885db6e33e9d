#pragma once
/* Which locks the threads of a snapshot wait for, whose they are, and which threads wait for each other.
 * Owns: the caller frees *ret_locks; names are kept by `keep`.  Context: one thread, in the process that takes the snapshot.
 * Errors: none: what cannot be read is unknown. */
#include "viewer/dump_snapshot.h"

struct target;
struct target_thread;

struct dump_wait_input {
	struct target *target;
	const struct target_thread *raw;
	const struct dump_gil *gils;
	unsigned n_threads;
	const char *(*keep)(void *ctx, const char *text); /* as long as the snapshot */
	void *ctx;
};

/* Fills lock of each thread, which knows its state, GIL and frames already; returns how many locks there are. */
unsigned dump_locks_find(const struct dump_wait_input *in, struct dump_thread *threads, struct dump_lock **ret_locks);
/* Fills deadlock of each thread; returns the number of cycles.  Looks at the threads of a cycle once more a little later: who has moved
 * since was not in one. */
unsigned dump_deadlocks_find(const struct dump_wait_input *in, struct dump_thread *threads, const struct dump_lock *locks);
