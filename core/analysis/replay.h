#pragma once
/* What would have been waited for a lock if the holds at some line had not needed it: the recorded holds are run again.
 *
 * The model.  Each thread does what it was recorded to do, in its order: it thinks as long as it did between letting go
 * and wanting the lock again, waits until it is its turn, holds the lock as long as it did.  Those that
 * wait have their turns in the recorded order, others behind them; one that comes while the lock is free takes it, even
 * before one that is just being woken; waking takes as long as it did.  A hold that was ended by force soon after it was
 * demanded is ended so again, as long after the first waiter came, but at least a switch interval.  A hold at the removed line still waits for its turn, but lets go at once, goes on beside the
 * others, and has to get the lock back at its end; one that was ended by force would not have stopped there, so that it
 * gets the lock back only when it next runs something else.
 *
 * What keeps it modest: the getting back is charged; waking is charged as recorded, also where nobody is known to have held
 * the lock; each stretch of some hundred holds (replay_stretch) begins as recorded, so that nothing gained adds up beyond it; the work is the
 * same, nothing is added for what threads could do in the time they gain.  What it leaves out: more threads run at a
 * time, and it takes for granted that there is a CPU for each.
 *
 * Owns: replay_init … replay_done keep memory between runs.  Context: one thread, pure.  Errors: REPLAY_FAILED: it came to no end in bounded time. */
#include <stddef.h>
#include <stdint.h>

#include "core/analysis/hold_log.h"

enum { REPLAY_STRETCH_MAX = 2048 };
#define REPLAY_FAILED UINT64_MAX

struct replay {
	const struct hold_log *log;
	uint64_t interval_ns; /* switch interval, 0: nobody is made to let go */
	struct replay_memory *memory;
};

void replay_init(struct replay *r, const struct hold_log *log, uint64_t interval_ns);
void replay_done(struct replay *r);

/* How many holds to run at a time: enough for each thread to have several turns, few enough not to drift away. */
size_t replay_stretch(struct replay *r);
/* Holds from..to-1 (at most REPLAY_STRETCH_MAX): all waiting in them, in thread-seconds.  removed: a line, HOLD_LOG_NO_LINE for none. */
uint64_t replay_run(struct replay *r, size_t from, size_t to, uint32_t removed);
