#pragma once
/* Where an interpreter keeps the asyncio task that a thread runs, for the walk of its frames (task_walk.h).
 *  - 3.14 and newer: in the thread state; the table in the section .AsyncioDebug of the _asyncio module says where.
 *  - 3.11 to 3.13: in the dict _asyncio._current_tasks, by event loop; fields of a task by version, of one's own loop only.
 *  - before 3.11 frames do not tell which coroutine they are of: tasks are not read.
 * Only the main interpreter's tasks are known up to 3.13; a task written in Python (asyncio.tasks._PyTask) never is.
 *
 * Owns: nothing.  Context: hosted.  Errors: -errno of the read.  Untrusted: all that is read. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

struct walk_tasks;
struct walk_layout;
struct ev_frame;

enum { TASKS_NOT_READ = 1, TASKS_NOT_LOADED, TASKS_WANT_TABLE }; /* this version; asyncio is not imported (yet); the section's address */
#define TASKS_SECTION ".AsyncioDebug"

/* Is a change of it worth a look?  The number of modules that are imported, 0 unknown. */
uint64_t tasks_modules(const struct layout *l, const struct mem *mem, uint64_t interp);
/* The names of an imported module, a dict. */
int tasks_module_names(const struct layout *l, const struct mem *mem, uint64_t interp, const char *module, uint64_t *ret);
/* Is a module imported whose event loops run callbacks without asyncio's Handle._run (uvloop)? */
bool tasks_loops_in_c(const struct layout *l, const struct mem *mem, uint64_t interp);
/* interp: the main interpreter; table: address of the section's bytes in the process, 0 not looked for.  0, TASKS_… or -errno */
int tasks_find(const struct layout *l, const struct mem *mem, uint64_t interp, uint64_t table, struct walk_tasks *ret);

#define TASK_LABEL_SIZE 1060
/* What a task's frame says: "task worker".  A name that must be read and is another one by now, or gone, is said to be so. */
void task_label(const struct layout *l, const struct walk_layout *walk, const struct mem *mem, const struct ev_frame *frame,
		char ret[TASK_LABEL_SIZE]);
