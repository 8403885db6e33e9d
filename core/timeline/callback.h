#pragma once
/* Callbacks of asyncio event loops that take long.  A thread's number of contexts (PyThreadState.context_ver) changes when a callback
 * begins and when it ends: seen with the same number at two moments, inside a callback, it ran one and the same from the first to the
 * last.  So how long it took at least is certain, however rarely the thread was seen.
 *
 * Owns: nothing.  Context: pure.  Errors: none. */
#include "core/timeline/model.h"

enum { CALLBACK_STACKS = 4 };
#define CALLBACK_LONG_NS UINT64_C(50000000) /* shorter ones are no row */

struct callback_time { uint64_t wait_gil_ns, asleep_ns, runnable_ns; };

/* Of one thread: all zero at first. */
struct callback {
	uint64_t number; /* of the callback it was last seen in, 0: none */
	uint64_t t0_ns, t1_ns; /* it was seen in it from, to */
	uint32_t looks;
	struct callback_time off, since; /* off the CPU until t1_ns; after that, if it is still the same callback */
	struct { uint64_t stack, ns; } at[CALLBACK_STACKS];
};

/* What a look at the thread showed, over [t0_ns, t1_ns] (a moment: equal). */
struct callback_look {
	uint64_t t0_ns, t1_ns;
	uint64_t wake_ns; /* from when on it only wanted a CPU, 0 unknown */
	uint64_t stack; /* 0: it was not read, nor then whether it was in a callback */
	uint64_t number; /* 0: in none */
	enum thread_state off; /* STATE_WAIT_GIL, STATE_BLOCKED (in any way), STATE_RUNNABLE; else it was on a CPU */
};

/* True: the callback it was in before is over and long, *ret is its row (but for the thread). */
bool callback_look(struct callback *c, const struct callback_look *look, struct stall *ret);
bool callback_end(struct callback *c, struct stall *ret);
