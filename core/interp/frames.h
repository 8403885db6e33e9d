#pragma once
/* The Python stack of a thread state, and what a thread waits for that sleeps on its own stack, read from outside by the same code that
 * runs in the kernel (frame_walk.h, parked.h, cond_list.h).
 * Owns: nothing.  Context: one thread at a time per thread (the memory walked is in thread-local storage).
 * Errors: none; what could not be read is marked in ret->h.flags (EV_F_TORN, EV_F_TRUNCATED). */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event/event.h"
#include "core/interp/frame_walk.h"
#include "core/interp/mem.h"
#include "core/interp/parked.h"

/* Returns the stack's key, 0 if there are no frames.  seed: the kernel pid, for a key equal to the one the bpf programs make. */
struct frames_entries { /* the calls of the evaluation loop that these frames run in, innermost first */
	unsigned n;
	struct ev_entry at[EV_MAX_ENTRIES];
};
uint64_t frames_read_entries(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t seed, struct ev_stack *ret,
			     struct frames_entries *ret_entries);
uint64_t frames_read(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t seed, struct ev_stack *ret);
/* What a thread waits for that sleeps on the word sema of its own stack (parked.h). */
void frames_parked(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t ident, uint64_t sema, struct parked *ret);
/* Is the waiter that sleeps on that word in the lists of this GIL's conditions? */
bool frames_listed(const struct walk_layout *walk, const struct mem *mem, uint64_t gil, uint64_t word);
/* What the walk makes of the name of an asyncio task: a str or int at that address. */
void frames_task_name(const struct walk_layout *walk, const struct mem *mem, uint64_t name, struct ev_frame *ret);
