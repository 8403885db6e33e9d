#pragma once
/* What a wait without a stack was for.  A lock is known by the address of its word, and objects come and go at one: a C library whose threads
 * share one heap (musl) gives the lock that one thread has just made for a wait to the next thread.  So where all were seen to wait for one
 * lock that stays, whoever waits waits for that one.  Else a thread waits for what it was itself always seen to wait for there, and of any
 * other wait nothing is known but the address.
 * Uses are numbers of the caller's.  Waits come in the order of the recording: what is seen later changes no earlier answer.
 * Owns: its lists, until lock_words_done.  Context: one thread.  Errors: none (xalloc). */
#include <stdbool.h>
#include <stdint.h>

#include "core/timeline/model.h"
#include "core/util/pool.h"
#include "core/util/vec.h"

struct seen_use {
	uint32_t use; /* LOCK_WORDS_NEW: none was seen */
	bool fleeting; /* a lock of one wait (lock_kind_fleeting) */
};

struct lock_words {
	struct pool threads; /* (lock, thread) */
	vec(struct seen_use) of_thread, of_lock;
};

#define LOCK_WORDS_NEW UINT32_MAX /* nobody was seen here: it is whatever has the address */
#define LOCK_WORDS_SEVERAL (UINT32_MAX - 1) /* several were, and nothing tells which this is */
#define LOCK_WORDS_SEVERAL_NAME "one of several at its address, no stack" /* as it is shown */

/* A wait (thread MODEL_NONE: of one of several threads), and what its stack told that it was for. */
void lock_words_saw(struct lock_words *w, const struct wait *row, uint32_t use, bool fleeting);
/* Its stack; 0 also for one that has the stack of its thread's wait before (WAIT_F_STACK_CARRIED) where those were for several. */
uint64_t lock_words_stack(const struct lock_words *w, const struct wait *row);
/* Of one without a stack: the use, or one of the two above. */
uint32_t lock_words_use(const struct lock_words *w, uint32_t lock, uint32_t thread);
void lock_words_done(struct lock_words *w);
