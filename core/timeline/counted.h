#pragma once
/* A window of a thread's life in which it left the CPU so often that the collector only counted how often and for how long.  How long
 * it was on the CPU is exact: the window but for what was counted.  With the GIL or without it?  A thread lets go around each system call
 * and takes a free GIL again, and nobody tells; much of its time on the CPU may be the kernel's.  The samples tell: what part of them, in
 * such windows, found it holding.  That part of its time on the CPU is its share of the window, and its holds there are made to add up
 * to it (history_share): so holds and thread states say the same, and both what the samples say.  Each sample of a window counts for it
 * and those that follow, so sums over a recording are unbiased; of one short window the share is a guess.
 *
 * Owns: nothing.  Context: one thread.  Errors: none. */
#include "core/event/event.h"
#include "core/timeline/holder.h"

struct counted_ratio { /* of samples on the CPU */
	uint32_t n, held;
};

struct counted { /* of one thread; zeroed to begin with */
	struct counted_ratio all, fresh; /* in such windows; since it last came back to the CPU */
	int64_t owed_ns; /* of its holds, which earlier windows had no room for; negative: they could not be made short enough */
};

/* A sample on the CPU. */
void counted_sample(struct counted *c, bool held);
/* The stretch since it came back was told as an event of its own: its samples say nothing of windows. */
void counted_forget(struct counted *c);
/* It came back to the CPU at `from`, and then stretches off it were counted until e->t1_ns.  threads: of all threads of the GIL.
 * python: it may have taken the GIL without being seen. */
void counted_window(struct counted *c, struct counted_ratio *threads, struct history *h, uint32_t thread, uint64_t from,
		    const struct ev_agg *e, bool python);
