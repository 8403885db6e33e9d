#pragma once
/* One look at a process, as `gilscope dump` shows it.  agent/ takes it, viewer/ prints it.
 * All strings are escaped UTF-8.
 * Owns: the taker owns everything.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/timeline/model.h"

enum dump_state {
	DUMP_HOLDS_GIL, /* and is on a CPU or could be */
	DUMP_HOLDS_GIL_BLOCKED, /* asleep in a system call with the GIL in hand: the worst kind of hold */
	DUMP_WAITS_GIL,
	DUMP_WAITS_LOCK, /* asleep in futex on a word outside any GIL */
	DUMP_BLOCKED, /* in the system call named */
	DUMP_SLEEPS,
	DUMP_RUNNING, /* on a CPU or runnable, without the GIL */
	DUMP_STOPPED, /* by a signal or a debugger */
	DUMP_UNKNOWN, /* asleep, but where could not be read */
	DUMP_STATES
};

struct dump_frame {
	const char *function, *file;
	uint32_t line; /* 0 unknown */
	bool resolved, native; /* native: a function of a library or program, which is the file */
};

struct dump_thread {
	pid_t tid;
	const char *name, *comm; /* name: threading's own, "" if there is none */
	bool main, python;
	enum dump_state state;
	const char *syscall; /* it sleeps in, NULL none or unknown */
	int nr;
	uint64_t futex; /* waited for, with DUMP_WAITS_* and DUMP_HOLDS_GIL_BLOCKED */
	int lock; /* index of the lock waited for, other than a GIL; -1 none */
	int deadlock; /* number of the cycle it is part of, -1 none */
	int gil; /* index of the GIL held or waited for, -1 none */
	int64_t interp; /* id of the interpreter it is in, -1 none */
	const struct dump_frame *frames; /* leaf first */
	unsigned n_frames, n_below; /* so many native ones below the innermost Python frame */
	bool truncated, torn;
};

struct dump_gil {
	uint64_t address;
	const int64_t *interps; /* ids of the interpreters that share it */
	unsigned n_interps;
	bool locked, collecting;
	int holder; /* index of the thread, -1 unknown or none */
	unsigned waiters;
};

enum dump_owner {
	DUMP_OWNER_NONE, /* of its kind: what is waited for is an event, or has many */
	DUMP_OWNER_UNKNOWN,
	DUMP_OWNER_TOLD, /* by the lock itself */
	DUMP_OWNER_INFERRED, /* it is the only thread inside a `with` of the lock */
};

struct dump_lock { /* that somebody waits for, other than a GIL */
	enum lock_kind kind;
	uint64_t address; /* of the word */
	const char *name; /* what the program calls it, "" unknown */
	enum dump_owner owner_known;
	int owner; /* index of the thread, -1 */
	unsigned waiters;
};

enum dump_task_state { DUMP_TASK_WAITS, DUMP_TASK_NEW /* not begun */, DUMP_TASK_RUNS /* its thread's stack has the rest of its frames */, DUMP_TASK_STATES };
struct dump_task { /* of asyncio */
	const char *name; /* "task worker" */
	enum dump_task_state state;
	const char *awaits; /* what the innermost coroutine waits for: a type, or a task's name; "" unknown */
	const struct dump_frame *frames; /* of its coroutines, innermost first */
	unsigned n_frames;
	bool cut;
};

enum dump_tasks_known {
	DUMP_TASKS_NONE, /* asyncio is not imported */
	DUMP_TASKS_NOT_READ, /* of this version */
	DUMP_TASKS_TORN, /* the list changed each time it was read; these are not all */
	DUMP_TASKS_READ,
	DUMP_TASKS_KNOWN_N
};

struct dump_snapshot {
	pid_t pid;
	const char *command, *runtime, *module;
	uint64_t switch_interval_ns;
	bool consistent; /* no GIL changed hands while it was read */
	uint64_t took_ns;
	const struct dump_gil *gils;
	unsigned n_gils;
	const struct dump_thread *threads;
	unsigned n_threads;
	const struct dump_lock *locks;
	unsigned n_locks;
	const struct dump_task *tasks;
	unsigned n_tasks;
	enum dump_tasks_known tasks_known;
	bool more_tasks; /* than were read */
	unsigned n_deadlocks; /* cycles of threads that wait for each other, seen twice */
};
