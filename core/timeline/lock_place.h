#pragma once
/* What a thread that sleeps on a lock waits for, told by the functions of Python's standard library it stands in; and which frame
 * of its stack is the program's own.  A Lock or RLock that the program takes itself leaves no such frame: LOCK_FUTEX then.
 * Owns: nothing.  Context: pure.  Errors: none. */
#include "core/timeline/model.h"

struct place_frame {
	const char *function, *file; /* qualified or not; path, or <frozen …> */
};

struct lock_place {
	enum lock_kind kind; /* LOCK_FUTEX: these frames do not tell */
	unsigned where; /* index of the first frame that is not the standard library's; n if there is none */
};

/* What a wait is for, of what its stack and the lock itself tell. */
static inline enum lock_kind lock_place_kind(enum lock_kind place, enum lock_kind own)
{
	if (lock_kind_anywhere(own))
		return own;
	/* the stack tells a queue from a lock, only the lock itself a Lock from an RLock */
	return place == LOCK_FUTEX || (place == LOCK_LOCK && own == LOCK_RLOCK) ? own : place;
}

/* frames: leaf first; at: one of them, called while it counts. */
struct lock_place lock_place(unsigned n, struct place_frame (*at)(const void *ctx, unsigned i), const void *ctx);
