#pragma once
/* The one clock of recordings: CLOCK_MONOTONIC in nanoseconds.  Wall clock appears once, in the recording's header.
 * Owns: nothing.  Context: any, async-signal-safe, also inside the target.  Errors: none. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* Right also for two times either side of a wrap, as sequence numbers are compared. */
static inline bool ts_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}
