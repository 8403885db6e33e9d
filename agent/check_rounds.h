#pragma once
/* Runs of base and head, turn by turn: in each round both run once, which first is drawn from the seed.  Neighbours in time share
 * the machine's mood, which is what makes their difference worth something.  A round in which either
 * lost too much CPU time to others is run again, at most half as many as there are rounds; then it counts as it is.
 *
 * Owns: check_rounds_done frees the runs and removes what the rounds left in the file system, unless it was asked to be kept.
 * Context: main thread.  Errors: struct fail; a command that fails ends the rounds with FAIL_OTHER. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/check_conditions.h"
#include "agent/check_marks.h"
#include "core/analysis/metrics.h"
#include "core/analysis/paired.h"

struct check_page;
struct check_rounds_options {
	const char *recorder, *base_command, *head_command; /* base NULL: head alone */
	const char *keep; /* directory for the recordings; NULL: temporary ones */
	unsigned rounds, warmup;
	uint64_t seed;
	double ops; /* per run; 0: what gilscope_mark counted */
	struct conditions_limits disturbed;
	struct check_page *page; /* gets every run that counts */
};

/* Runs from recordings have metrics only. */
struct check_runs {
	struct run_metrics metrics[PAIRED_MAX];
	struct conditions_shares conditions[PAIRED_MAX];
	struct marks marks[PAIRED_MAX];
	size_t n, again; /* of head: rounds that were run instead of disturbed ones, and the worst of those */
	struct conditions_shares worst_again;
};

enum { ROUNDS_STOPPED = 1 };
/* base and head are empty before.  ROUNDS_STOPPED: a signal came; those rounds that were whole are there. */
int check_rounds(const struct check_rounds_options *o, struct check_runs *base, struct check_runs *head, struct fail *why);
void check_runs_done(struct check_runs *r);
