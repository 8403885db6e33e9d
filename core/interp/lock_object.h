#pragma once
/* Python's own lock objects, read from outside: _thread.lock (threading.Lock) and _thread.RLock.
 * Up to CPython 3.12 (3.13.2 for Lock, 3.13 for RLock) an object points to a semaphore, on which its waiters sleep; since then the lock is a
 * byte inside the object, on whose address waiters are parked (Modules/_threadmodule.c).  The size of the type tells which.
 * Owns: nothing.  Context: any, no allocation.  Errors: -errno of the read. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

struct lock_object {
	uint64_t object;
	uint64_t word; /* what its waiters sleep on or are parked on */
	uint64_t owner; /* ident of the thread that has it: an RLock's only; 0 nobody, or not told */
	bool recursive; /* an RLock */
};

enum { LOCK_OBJECT_NOT_ONE = 1 };
/* The object at addr: 0, LOCK_OBJECT_NOT_ONE, -errno. */
int lock_object_read(const struct layout *l, const struct mem *mem, uint64_t addr, struct lock_object *ret);
/* The lock that parks its waiters at word, if it is a Python lock. */
int lock_object_parked(const struct layout *l, const struct mem *mem, uint64_t word, struct lock_object *ret);
/* The same of a value in a frame, which may also be a bound method of a lock: what `with` keeps is its __exit__. */
int lock_object_of_value(const struct layout *l, const struct mem *mem, uint64_t value, struct lock_object *ret);
/* Name of an object's type, cut to size; 0 or -errno. */
int object_type_name(const struct layout *l, const struct mem *mem, uint64_t object, char *ret, unsigned size);
