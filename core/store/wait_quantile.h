#pragma once
/* Percentiles of waits of which some were recorded, with their length, and some only counted, by size class: class b is
 * [2^b, 2^(b+1)) * 1024 ns, class 0 also takes shorter ones.  Both kinds are ranked together.  Where the rank falls into a
 * class of recorded ones only, the answer is exact; else it is read off the class, evenly within it, and said to be.
 * Owns: nothing.  Context: any.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_CLASSES 32 /* the last takes longer ones, too */

struct wait_sizes {
	const uint64_t *lengths; /* of the recorded, ascending */
	size_t n;
	uint64_t counted[WAIT_CLASSES];
};

unsigned wait_class(uint64_t ns);
/* Waits that were counted without sizes, n of them, ns long in all: they count where their mean is. */
void wait_sizes_add_mean(struct wait_sizes *s, uint64_t n, uint64_t ns);
/* Nearest rank: the smallest length with at least pct % of all at or below it; 0 of nothing. */
uint64_t wait_quantile_ns(const struct wait_sizes *s, unsigned pct, bool *ret_from_class);
