#pragma once
/* What stopped event loops, by place in the program: a part of the summary.
 * Owns: nothing, it is the summary's.  Context, errors: as summary.h. */
#include "core/analysis/summary.h"

/* Callbacks of event loops that took long, by the line that is the program's own and the task.  How long each took at least. */
#define STALL_LONG_NS UINT64_C(100000000) /* as asyncio's own debug mode has it (loop.slow_callback_duration) */
struct summary_stall {
	struct summary_stack stack; /* of the first of them */
	unsigned own; /* index of that line in it */
	const struct summary_frame *task; /* NULL: none, or not known */
	uint64_t n, ns, max_ns;
	uint64_t wait_gil_ns, asleep_ns, runnable_ns; /* parts of ns */
	struct summary_place place; /* of the longest */
};
