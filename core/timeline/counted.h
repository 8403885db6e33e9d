#pragma once
/* How much of its time on the CPU a thread has the GIL, where that is not seen: in a window in which it left the CPU so often that the
 * collector only counted how often and for how long, and in a stretch after which it sleeps without the GIL.  How long
 * it was on the CPU is exact: the window but for what was counted.  With the GIL or without it?  A thread lets go around each system call
 * and takes a free GIL again, and nobody tells; much of its time on the CPU may be the kernel's.  The samples tell: what part of them, in
 * such times, found it holding.  That part of its time on the CPU is its share, and its holds there are made to add up
 * to it (history_share): so holds and thread states say the same, and both what the samples say.  Each sample counts for its window
 * and those that follow, so sums over a recording are unbiased; of one short window the share is a guess.  Without samples it is all.
 *
 * Owns: nothing.  Context: one thread.  Errors: none. */
#include "core/event/event.h"
#include "core/timeline/holder.h"

struct counted_ratio { /* of samples on the CPU */
	uint32_t n, held;
};

struct counted { /* of one thread; zeroed to begin with */
	struct counted_ratio all, fresh; /* in such times; since it last came back to the CPU */
	uint64_t last_ns; /* end of its last window, 0 none */
	int64_t owed_ns; /* of its holds, which earlier windows had no room for; negative: they could not be made short enough */
};

/* A sample on the CPU. */
void counted_sample(struct counted *c, bool held);
/* The stretch since it came back was none of these: its samples say nothing of them. */
void counted_forget(struct counted *c);

/* One such time, until all that others tell of it is known. */
struct counted_time {
	uint64_t from, to;
	uint64_t on_ns, held_off_ns; /* on the CPU; off it with the GIL */
	struct counted_ratio samples;
	bool may_claim; /* it may have taken the GIL without being seen */
};

/* It came back to the CPU at `from`, and then stretches off it were counted until e->t1_ns. */
struct counted_time counted_window(struct counted *c, uint64_t from, const struct ev_agg *e, bool python);
/* Detail is thinned: a stretch is as little known as a window.  Else what is told one by one is known better than by few samples. */
bool counted_lately(const struct counted *c, uint64_t t);
/* It came back at `from` and ran until it slept at `to`, without the GIL. */
struct counted_time counted_stretch(struct counted *c, uint64_t from, uint64_t to);
/* Its holds then are made to add up to its share.  threads: of all threads of the GIL. */
void counted_settle(struct counted *c, struct counted_ratio *threads, struct history *h, uint32_t thread, const struct counted_time *s);
