#pragma once
/* What the machine took away from a run: CPU time stolen by a hypervisor, time a cgroup's quota kept it from running.
 * Read before and after; shares of the time between.
 * Owns: nothing.  Units: shares from 0 to 1.  Context: main thread.  Errors: none, what cannot be read is not known. */
#include <stdbool.h>
#include <stdint.h>

struct conditions {
	uint64_t t_ns, ticks, steal_ticks, throttled_ns;
	bool ticks_known, throttled_known;
};
struct conditions_shares { double steal, throttled; bool steal_known, throttled_known; };
struct conditions_limits { double steal, throttled; }; /* a run that lost more was disturbed */

void conditions_read(struct conditions *ret);
struct conditions_shares conditions_between(const struct conditions *before, const struct conditions *after);
bool conditions_disturbed(const struct conditions_shares *c, const struct conditions_limits *max);
