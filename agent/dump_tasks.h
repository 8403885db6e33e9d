#pragma once
/* The asyncio tasks of a snapshot: what each waits for, and where.
 * Owns: dump_tasks_free ends what dump_tasks_find made; strings are kept by `keep`.  Context: one thread, in the process that takes the
 * snapshot.  Errors: none: what could not be read is said in tasks_known. */
#include "core/event/event.h"
#include "viewer/dump_snapshot.h"

struct target;

struct dump_task_input {
	struct target *target;
	const char *(*keep)(void *ctx, const char *text); /* escaped, as long as the snapshot */
	void (*frame)(void *ctx, const struct ev_frame *frame, struct dump_frame *ret);
	void *ctx;
};

void dump_tasks_find(const struct dump_task_input *in, struct dump_snapshot *ret);
void dump_tasks_free(struct dump_snapshot *d);
