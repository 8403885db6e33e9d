#pragma once
/* One thread as a sequence of looks: what it was found in, since when; and the estimates that follow when it is found in something
 * else.  The change lies between two looks, so it is put in the middle: off by half their distance at most, and by nothing on average.
 * Owns: nothing; plain memory, may be shared.  Context: any, pure.  Errors: none. */
#include <stdbool.h>
#include <stdint.h>

#include "collectors/remote/inside.h"

struct ev_off;

enum track_state { TRACK_CPU, TRACK_GIL_WAIT, TRACK_OFF };

struct track_place { /* where its Python code stands: in take_gil a thread runs none */
	uint64_t frame, instr;
};

enum { TRACK_STACKS = 4 };
struct track_stack { /* read there lately */
	struct track_place place;
	uint64_t key, read_ns;
};

struct track {
	uint32_t pid, tid; /* tid 0: free */
	uint64_t start_ns, ident, tstate, interp;
	uint64_t gil; /* that it works for, 0 none */
	uint32_t slot; /* of its process */
	bool announced, gone, at_start;
	uint8_t state; /* enum track_state … */
	bool held; /* … and whether it held its GIL meanwhile; on the CPU, at the last look */
	int32_t nr;
	uint32_t arg1;
	uint64_t arg0;
	uint64_t since_ns, looked_ns; /* 0: not looked at yet */
	struct track_place place; /* of a GIL wait */
	uint64_t slept_ns; /* last found asleep on a GIL */
	struct track_stack stacks[TRACK_STACKS];
	uint64_t stack; /* at its begin; on the CPU, of the last sample */
	uint64_t context; /* of the last stack: as of ev_off */
	uint64_t sampled_ns;
	uint64_t queued_ns; /* of the last look on the CPU, as in struct track_sight */
	bool queue_known;
	struct inside inside;
};

struct track_sight { /* one look */
	uint64_t t_ns;
	enum track_state state;
	bool held;
	int32_t nr;
	uint32_t arg1;
	uint64_t arg0;
	struct track_place place;
	/* How long it was ready to run but had no CPU, in all its life; what has just ended is in it, what goes on is not.
	 * Only to be told on the CPU, and at the first look after that. */
	uint64_t queued_ns;
	bool queue_known;
	bool again; /* in the same state, but not without a break: it ran Python code between the two looks */
};

/* Fills *ret and returns true when the look ends a stretch off the CPU (or a wait), or tells that it was ready to run without a CPU. */
bool track_look(struct track *t, const struct track_sight *s, struct ev_off *ret);
/* The thread ended, or (unfinished) the recording did. */
bool track_end(struct track *t, uint64_t t_ns, bool unfinished, struct ev_off *ret);
/* When it was found in something else than before. */
static inline uint64_t track_between(uint64_t before_ns, uint64_t now_ns)
{
	return before_ns + (now_ns - before_ns) / 2;
}
