#pragma once
/* What a page leaves out of a very large recording, so that a browser can hold it: stretches of a thread's life that are
 * shorter than a threshold, and waits shorter than another, are added up to tallies (state time that is counted, not
 * placed), as the recorder itself does under load.  All sums of time stay exact; single short ones can no longer be looked
 * at, and the credits of waits left out are only in the summary.  The thresholds are chosen from how many there are
 * of each length.
 *
 * Owns: reduce_done frees.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stdint.h>

#include "core/timeline/model.h"

struct rows;

struct reduce_limits {
	uint64_t intervals, credits; /* more than either, and the recording is reduced */
	uint64_t to_intervals, to_credits; /* to about so many; stretches of waiting go with their waits and are not counted here */
};
extern const struct reduce_limits reduce_usual;

struct reduce {
	const struct reduce_limits *limits;
	bool on;
	uint64_t interval_ns, wait_ns; /* what is shorter is counted; 0: none */
	uint64_t intervals, waits; /* left out */
	uint64_t window_ns;
	uint64_t *lengths; /* how many intervals there are of each class, but for those of waits */
	struct reduce_wait *all_waits; /* by thread, then t0 */
	uint32_t *first, *next; /* of each thread in all_waits; next: where its intervals are */
	struct row_tally *sums; /* SUMS of each thread, being added up */
};

/* Holds are in and ordered, waits are in.  Takes the short waits out. */
void reduce_waits(struct reduce *r, struct rows *x);
/* Each interval once, then the threshold of intervals is chosen; then they are read anew. */
void reduce_look(struct reduce *r, const struct interval *i);
void reduce_choose(struct reduce *r);
/* True: the interval is counted; nothing more is to be done with it. */
bool reduce_interval(struct reduce *r, struct rows *x, const struct interval *i, uint64_t t0, uint64_t t1);
void reduce_finish(struct reduce *r, struct rows *x);
void reduce_done(struct reduce *r);
