#pragma once
/* What `gilscope check` was asked to do.
 * Owns: check_options_done frees; texts are argv's.  Context: main thread.  Errors: check_options_parse prints and gives the exit code,
 * 0 to go on. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/check_conditions.h"
#include "core/analysis/regression.h"
#include "core/util/vec.h"

enum check_output { CHECK_OUT_JSON, CHECK_OUT_JUNIT, CHECK_OUT_MARKDOWN, CHECK_OUT_SARIF, CHECK_OUT_HTML, CHECK_OUT_N };
struct check_budget { enum metric metric; double limit; };
typedef vec(const char *) path_vec;

struct check_options {
	path_vec heads, bases; /* recordings */
	const char *base_command, *head_command, *keep, *recorder, *source_url;
	unsigned rounds, warmup;
	uint64_t seed;
	double ops;
	struct regression_limits limits;
	struct conditions_limits disturbed;
	vec(struct check_budget) budgets;
	bool aa, force_unlike, fail_on_inconclusive, github, metrics_chosen, seed_given, rounds_given;
	const char *outputs[CHECK_OUT_N]; /* NULL: not wanted */
};

int check_options_parse(struct check_options *ret, int argc, char **argv);
void check_options_done(struct check_options *o);
