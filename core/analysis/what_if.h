#pragma once
/* What would be gained if things were otherwise: the waiting that vanishes when a line's holds no longer need the GIL (by
 * replay, replay.h), and by how much a process could do its work faster at most (from what its threads were seen doing).
 * Both are bounds with assumptions, not promises: the replay is believed only where it reproduces what was recorded.
 *
 * Owns: nothing; texts are constant or the arena's.  Context: one thread, pure.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/analysis/hold_log.h"
#include "core/analysis/summary.h"
#include "core/util/arena.h"

/* Replayed with nothing removed, the total may be off by this share of what was recorded; else nothing is predicted. */
#define WHAT_IF_ERROR_MAX 0.10

struct what_if_line {
	uint32_t line; /* as the logs number them */
	uint64_t credited_ns; /* waiting that the blame has for it */
	uint64_t waited_ns; /* in its holds, by the logs */
	uint64_t replayed_ns, holds; /* waiting that vanishes in the replay; holds at the line */
	uint64_t saved_ns, queue_ns; /* of it: at most what is credited; the rest, by shorter queues and other timing */
};

struct what_if_total { uint64_t recorded_ns, replayed_ns; };

/* Adds the holds of one GIL.  credited_ns of each line is set, the rest is added to. */
void what_if_replay(struct what_if_line *lines, size_t n, struct what_if_total *total, const struct hold_log *log,
		    uint64_t interval_ns);
/* Once all GILs are in.  What holds of a line cost may be credited to other lines too: then only its part is saved. */
void what_if_settle(struct what_if_line *lines, size_t n, const struct what_if_total *total);
double what_if_error(const struct what_if_total *total); /* as a share; 0 of nothing */

/* Fills p->what_if.bounds. */
void what_if_bounds(const struct summary *s, struct summary_process *p, struct arena *arena);
