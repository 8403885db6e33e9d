#pragma once
/* What a thread that sleeps in futex() waits for, read from its process at that moment: which lock, whose it is, what the program calls it.
 * For a moment's snapshot and for the resolver of a recording; all of it is read while the target runs, so every answer is checked against
 * the word the thread sleeps on.
 * Owns: nothing.  Context: hosted, one thread per target.  Errors: what cannot be had stays unknown. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/object_names.h"
#include "core/interp/parked.h"
#include "core/target/target.h"

enum found_kind {
	FOUND_WORD, FOUND_LOCK, FOUND_RLOCK, FOUND_MUTEX, FOUND_SHARED,
	FOUND_PYMUTEX, FOUND_OBJECT, FOUND_SECTION, FOUND_STW, FOUND_STW_REQUEST, /* parked.h */
	FOUND_N
};

struct found_lock {
	enum found_kind kind;
	uint64_t addr; /* as recordings have it: the word, or the address a waiter is parked on */
	uint64_t object; /* the Python object, 0 unknown */
	uint64_t owner_ident; /* who has it, as it says itself: 0 unknown */
	pid_t owner_tid; /* the same of a mutex */
	uint64_t device, inode, offset; /* FOUND_SHARED: where in which file the word lies */
	char name[OBJECT_NAME_SIZE]; /* raw; "" unknown; of FOUND_OBJECT with its type */
};

/* What the thread is parked on, if it is (struct parked.at); it sleeps in futex. */
void lock_finder_parked(struct target *t, const struct target_thread *thread, struct parked *ret);
/* As recordings have the lock: the word, or the address a waiter is parked on; one read. */
uint64_t lock_finder_address(struct target *t, const struct target_thread *thread);
/* want_name costs some thousand reads at most.  The thread sleeps in futex (nr, arg0, arg1). */
void lock_finder_waited(struct target *t, const struct target_thread *thread, bool want_name, struct found_lock *ret);
/* Is the thread inside a `with` of that lock object?  Values below the handler of the innermost block of each frame are looked at. */
bool lock_finder_inside(struct target *t, const struct target_thread *thread, uint64_t object);
