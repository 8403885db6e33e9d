#pragma once
/* What one run amounts to, as numbers to compare runs by: each is one observation, however many waits went into it.
 * The table (metrics.c) says of each what it is called, its unit, by how much it may grow before that matters, and
 * below which difference it is noise whatever the ratio.
 *
 * Owns: struct run_metrics owns its sites.  Units: seconds, shares and rates as the table says.  Context: one thread.
 * Errors: metrics_of_recording fills struct fail (FAIL_DATA). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/util/fail.h"

enum metric {
	METRIC_WAIT_PER_OP, /* seconds waited for GILs per unit of work */
	METRIC_WAIT_RATIO, /* waiting for GILs, of the time threads ran, wanted to run, or waited for one */
	METRIC_WAIT_P99, /* seconds */
	METRIC_HOLD_P99, /* seconds a GIL was kept while somebody waited for it, or without */
	METRIC_CONVOY_RATE, /* per second: three threads or more queued for one GIL for a switch interval or longer */
	METRIC_HELD_BLOCKED, /* share of the run in which a GIL was held by a thread asleep in a system call */
	METRIC_N
};

struct metric_info {
	const char *name; /* gil_wait_per_op … */
	const char *unit; /* "s", "" or "/s" */
	const char *help;
	double max_regress; /* relative growth that fails: 0.10 */
	double floor; /* absolute growth below which nothing fails */
	enum metric_need { NEEDS_SUMS, NEEDS_DURATIONS, NEEDS_SCHEDULER } needs; /* what a collector must have seen */
};
extern const struct metric_info metric_infos[METRIC_N];
enum metric metric_find(const char *name); /* METRIC_N: none */

/* Waiting by pair of lines, for the blame of a regression. */
struct metric_site {
	const char *waiter, *holder; /* "function (file:line)", escaped */
	const char *waiter_key, *holder_key; /* the same of another version of the program, elsewhere: "function (last part of file)" */
	const char *file; /* of the holder, raw as recorded; "" unknown */
	uint32_t line;
	double wait_s;
};

/* Where and how a run was recorded: runs that differ in it differ for reasons of their own.  Raw text, "" unknown. */
struct run_origin {
	const char *cpu_model, *kernel, *runtime, *gilscope_version, *collector;
	const char *collector_choice; /* why that collector */
	uint32_t cpus, sample_hz;
	enum metric_need seen; /* metrics that need more are not known: samples give sums, only the scheduler says who sleeps with a GIL */
};

struct run_metrics {
	double value[METRIC_N];
	bool known[METRIC_N]; /* wait_per_op needs a number of operations, hold_p99 holds that were seen … */
	double duration_s, ops; /* ops 0: unknown */
	uint64_t waits; /* for GILs */
	bool wait_p99_about; /* read off a size class of waits that were only counted, a factor of two wide */
	uint64_t lost_events;
	double lost_share; /* lost of (recorded + lost) */
	bool complete;
	struct run_origin origin;
	struct metric_site *sites; /* most first */
	size_t n_sites;
	struct metrics_priv *priv;
};

/* ops: units of work done in the run, 0 unknown. */
int metrics_of_recording(struct run_metrics *ret, const char *path, double ops, struct fail *why);
void metrics_done(struct run_metrics *m);
