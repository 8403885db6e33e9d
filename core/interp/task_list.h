#pragma once
/* All asyncio tasks that an interpreter lists, and where each one's coroutines stand while it does not run: for a snapshot.
 *  - 3.14 and newer: lists that begin in each thread's state and in the interpreter; the section .AsyncioDebug says where.
 *  - 3.11 to 3.13: the WeakSet of asyncio.all_tasks(), of the main interpreter.
 *  - before 3.11: not read.
 * Tasks written in Python are on neither.  The target runs meanwhile: a task is believed when its type is Task or derived from it.
 * Owns: nothing.  Context: hosted, one thread.  Errors: -errno of the read.  Untrusted: all that is read; lists, chains and names bounded. */
#include <stdbool.h>
#include <stdint.h>

#include "core/event/event.h"
#include "core/interp/mem.h"
#include "core/interp/runtime.h"

#define TASK_LIST_MAX 10000
#define TASK_FRAMES_MAX 64
#define TASK_TYPE_MAX 64

enum task_state { TASK_SUSPENDED, TASK_NEW /* it has not run yet */, TASK_RUNS /* or its coroutine's state cannot be told */ };

struct task_seen {
	enum task_state state;
	struct ev_frame name; /* as of a task in a stack: for task_label */
	struct ev_frame frames[TASK_FRAMES_MAX]; /* of its coroutines, innermost first */
	unsigned n;
	bool cut; /* more of them outside */
	char awaits[TASK_TYPE_MAX]; /* type of what the innermost awaits, "" unknown */
	uint64_t awaited_task; /* … when that is a task; 0 */
};

struct task_list { /* what is looked up once */
	const struct runtime *r; /* borrowed, as mem */
	const struct mem *mem;
	uint64_t task_type, module_names; /* _asyncio.Task; that module's dict */
};

enum { TASK_LIST_NOT_READ = 1 /* this version */, TASK_LIST_NO_ASYNCIO, TASK_LIST_TORN, TASK_OVER = 1 };
int task_list_begin(struct task_list *ret, const struct runtime *r, const struct mem *mem);
/* Addresses of the tasks, at most max; *ret_more: there were others.  0, TASK_LIST_TORN with what was found, -errno */
int task_list_read(const struct task_list *l, uint64_t *ret, unsigned max, unsigned *ret_n, bool *ret_more);
/* 0, TASK_OVER (its coroutine has ended, or that is no task any more), -errno */
int task_list_look(const struct task_list *l, uint64_t task, struct task_seen *ret);
void task_list_name(const struct task_list *l, uint64_t task, struct ev_frame *ret);
