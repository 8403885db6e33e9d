#pragma once
/* What locks are used for.  A row of table lock is an address, which other objects have before and after: the stack of a wait tells
 * what it was for (lock_place.h), and of locks that each wait makes for itself only the line where it waits counts.  So waits are
 * gathered by use, as the summary gathers them (core/analysis/other_locks.c).  A use is known by a number: that of the lock as long
 * as the lock itself is what is waited for, else one behind all locks.
 * Owns: names, until lock_uses_done.  Context: one thread; lock_uses_wait asks the reader for stacks, lock_uses_find does not.
 * Errors: those of the reader (lock_uses_load). */
#include <stdbool.h>

#include "core/analysis/lock_words.h"
#include "core/timeline/model.h"
#include "core/util/arena.h"
#include "core/util/pool.h"
#include "core/util/vec.h"

struct reader;

struct lock_use {
	const char *name; /* "GIL", "GIL 1", "__main__.LOCK", "0x7f…", "consumer (app.py:19)": kind and name together tell which */
	const char *where; /* the program's own line that waited first, "" unknown */
	uint64_t addr; /* 0: many */
	int64_t interp_id; /* of a GIL, -1 unknown */
	uint32_t proc;
	enum lock_kind kind;
	bool known; /* there is such a row */
};

struct lock_own {
	enum lock_kind kind; /* as far as it tells itself */
	bool taken; /* its number means a use */
};

struct lock_uses {
	struct reader *reader;
	struct arena arena;
	vec(struct lock_use) items;
	vec(struct lock_own) locks;
	struct pool waits, keys; /* (lock, stack) seen; what makes a use one */
	vec(uint32_t) of_wait, of_key; /* their uses, by their numbers */
	struct lock_words words; /* of waits without a stack */
	bool several_gils;
};

int lock_uses_load(struct lock_uses *ret, struct reader *r);
void lock_uses_done(struct lock_uses *u);
uint32_t lock_uses_wait(struct lock_uses *u, const struct wait *w); /* its thread may be MODEL_NONE: one of several */
/* Once the waits are in: of a stretch or count that has no wait of its own. */
uint32_t lock_uses_find(const struct lock_uses *u, uint32_t lock, uint32_t thread, uint64_t stack);
const struct lock_use *lock_use(const struct lock_uses *u, uint32_t use); /* never NULL */
