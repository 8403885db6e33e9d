#pragma once
/* What a parked thread waits for.  CPython 3.13 and newer let a thread that must wait sleep on a semaphore on its own C stack; the address
 * it waits for stands beside it (Python/parking_lot.c: struct wait_entry { park_arg, addr, sema … }).  What lies at that address tells the rest:
 *   its own tstate->state           another thread has stopped the world (pystate.c: tstate_wait_attach)
 *   a struct _stoptheworld_state    it wants to stop the world: its stop_event says that all others have stopped, its mutex that one after
 *                                   the other does so
 *   ob_mutex of an object           the object's own lock, which a critical section takes
 *   the first byte of an object's body, locked    threading.Lock, or RLock
 *   another locked byte             a mutex of the interpreter or of an extension, in a critical section or not
 * Freestanding, as frame_walk.h, with whose WALK_READ it is compiled.
 *
 * Owns: nothing.  Context: any, BPF included; the thread sleeps.  Untrusted: every pointer and value.  Bounded: fifteen reads. */
#include "core/event/event.h"
#include "core/event/event_parked.h"
#include "core/interp/frame_walk.h"

#define PARKED_WITHIN 4096 /* bytes from the stack pointer to the semaphore: 256 to 296 were seen, the frames of _PySemaphore_Wait */
#define PARKED_LOCKED 3 /* _Py_LOCKED | _Py_HAS_PARKED (lock.h): an event has the second only */

struct parked {
	__u64 at; /* what it waits for: of a stopped world its struct, 0: it is not parked */
	__u64 owner; /* ident of who has it, as the lock says itself; not to be believed unless it names a thread */
	__u32 as; /* enum ev_parked */
};

/* struct _stoptheworld_state (pycore_interp.h) */
struct parked_world {
	__u8 mutex, requested, stopped, global;
	__u8 stop_event, pad[3];
	__u64 countdown, requester;
};

#ifdef WALK_READ

/* The type of a type … of it is its own: `type`. */
static inline __attribute__((always_inline)) int parked_is_object(const struct walk_layout *l, __u64 object)
{
	__u64 type = object, up = 0;

	if (object & 7)
		return 0;
	for (int i = 0; i < 4; i++) {
		if (WALK_READ(&up, sizeof(up), type + l->object_type) || (up & 7) || !up)
			return 0;
		if (up == type)
			return 1;
		type = up;
	}
	return 0;
}

/* Is it about the stopping of the world that this address belongs to?  at: the struct's. */
static inline __attribute__((always_inline)) int parked_in_world(const struct walk_layout *l, __u64 world, int stalled, struct parked *ret)
{
	struct parked_world w = { 0 };

	if (!world || (!stalled && ret->at - world >= sizeof(w)) || WALK_READ(&w, sizeof(w), world))
		return 0;
	if (stalled && !w.requester)
		return 0;
	ret->as = stalled || ret->at == world ? EV_PARKED_STOPPED : EV_PARKED_STOPPING;
	if (ret->as == EV_PARKED_STOPPED) {
		ret->at = world;
		if (w.requester) /* from the request until the last one has been let go */
			WALK_READ(&ret->owner, sizeof(ret->owner), w.requester + l->tstate_thread_id);
	}
	return 1;
}

/* Returns whether that is what it waits for. */
static inline __attribute__((always_inline)) int parked_by_world(const struct walk_layout *l, __u64 tstate, __u64 ident, struct parked *ret)
{
	__u64 own = ret->at - l->tstate_state, named = 0, interp = 0; /* it has one for each interpreter */
	int stalled = !WALK_READ(&named, sizeof(named), own + l->tstate_thread_id) && ident && named == ident;

	if (stalled)
		tstate = own;
	if (!tstate || WALK_READ(&interp, sizeof(interp), tstate + l->tstate_interp) || !interp)
		return 0;
	if (parked_in_world(l, interp + l->interp_world, stalled, ret) || parked_in_world(l, l->world, stalled, ret))
		return 1;
	if (stalled) { /* it goes on already */
		ret->as = EV_PARKED_STOPPED;
		ret->at = interp + l->interp_world;
	}
	return stalled;
}

/* tstate, ident: the thread's own, 0 unknown; sema: the word it sleeps on, on its own stack. */
WALK_FN void parked_read(const struct walk_layout *l, __u64 tstate, __u64 ident, __u64 sema, struct parked *ret)
{
	__u64 section = 0;
	__u8 word = 0;

	ret->at = ret->owner = 0;
	ret->as = EV_PARKED_NOT;
	if (sema & 7) /* no struct wait_entry: musl's waiter (cond_list.h) */
		return;
	if (WALK_READ(&ret->at, sizeof(ret->at), sema - 8) || !ret->at)
		return;
	ret->as = EV_PARKED_ELSEWHERE;
	if (l->interp_world != WALK_NO_FIELD && parked_by_world(l, tstate, ident, ret))
		return;
	if (WALK_READ(&word, sizeof(word), ret->at) || word != PARKED_LOCKED)
		return;
	ret->as = EV_PARKED_MUTEX;
	if (l->object_mutex != WALK_NO_OWNER && parked_is_object(l, ret->at - l->object_mutex)) {
		ret->as = EV_PARKED_OBJECT;
	} else if (parked_is_object(l, ret->at - (l->object_type + 8))) {
		ret->as = EV_PARKED_LOCK;
		WALK_READ(&ret->owner, sizeof(ret->owner), ret->at + 8); /* of an RLock (3.14) */
	} else if (tstate && l->tstate_critical != WALK_NO_FIELD) {
		WALK_READ(&section, sizeof(section), tstate + l->tstate_critical);
		ret->as = section ? EV_PARKED_SECTION : EV_PARKED_MUTEX;
	}
}
#endif
