/* See metrics.h: the table of metrics. */
#include <string.h>

#include "core/analysis/metrics.h"

/* Limits: a guess at what runs of one and the same program differ by on a shared CI machine; `gilscope check --aa` measures it
 * on yours. */
const struct metric_info metric_infos[METRIC_N] = {
	[METRIC_WAIT_PER_OP] = {"gil_wait_per_op", "s", "time waited for the GIL per unit of work", 0.10, 0, NEEDS_SUMS},
	[METRIC_WAIT_RATIO] = {"gil_wait_ratio", "", "waiting for the GIL, of the time threads ran, wanted a CPU or waited", 0.10, 0.01, NEEDS_SUMS},
	[METRIC_WAIT_P99] = {"gil_wait_p99", "s", "99 of 100 waits for the GIL were shorter", 0.25, 200e-6, NEEDS_DURATIONS},
	[METRIC_HOLD_P99] = {"gil_hold_p99", "s", "99 of 100 holds of the GIL were shorter", 0.25, 200e-6, NEEDS_DURATIONS},
	[METRIC_CONVOY_RATE] = {"convoy_rate", "/s", "three or more threads queued for a switch interval", 0.25, 1, NEEDS_DURATIONS},
	[METRIC_HELD_BLOCKED] = {"gil_held_blocked", "", "share of the run in which the holder was asleep in a system call", 0.25, 0.01, NEEDS_SCHEDULER},
};

enum metric metric_find(const char *name)
{
	for (unsigned i = 0; i < METRIC_N; i++)
		if (!strcmp(metric_infos[i].name, name))
			return (enum metric)i;
	return METRIC_N;
}
