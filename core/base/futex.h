#pragma once
/* Waiting for a word in memory shared between processes.
 * Owns: nothing.  Context: any, async-signal-safe.  Errors: none; a wait may end early, look at the word again. */
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* While *word is `seen`, until woken or for limit_ns; 0: without a limit. */
static inline void futex_wait(atomic_uint *word, unsigned seen, uint64_t limit_ns)
{
	struct timespec limit = { (time_t)(limit_ns / 1000000000), (long)(limit_ns % 1000000000) };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, limit_ns ? &limit : NULL, NULL, 0);
}
