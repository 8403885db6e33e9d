#pragma once
/* The outcome of `gilscope check`, and the ways it is written: each a file of this folder, pure over this struct.
 * Texts are raw as far as they come from outside (names, reasons, files); the sites' waiter and holder are escaped already.
 * Every writer escapes for its own sink.
 *
 * Owns: nothing.  Context: one thread.  Errors: none of their own; write errors stay in the FILE. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/analysis/regression.h"
#include "core/analysis/site_growth.h"

enum check_outcome { CHECK_PASS, CHECK_FAIL, CHECK_INCONCLUSIVE, CHECK_NOT_VALID, CHECK_OUTCOME_N };

struct check_side {
	const char *name; /* the command, or the recordings */
	const struct run_metrics *runs;
	size_t n;
};

/* --aa: what runs of the same command differ by. */
struct check_floor {
	enum metric metric;
	size_t n;
	bool known, ratio; /* known: there are enough rounds; ratio: noise and limit are relative */
	double spread; /* coefficient of variation between runs */
	double noise; /* half the width of the interval that comparing it with itself gave */
	double limit; /* proposed */
};

struct check_region { /* gilscope_mark.region(), means over the runs in which it was entered */
	const char *name;
	double base_n, head_n; /* per run */
	double base_s, head_s; /* per entry */
};

struct check_report {
	enum check_outcome outcome;
	bool aa;
	bool estimated; /* the runs were sampled: every number is an estimate, as a note says */
	struct check_side base, head; /* base.n 0: budgets only */
	size_t rounds; /* 0: from recordings */
	uint64_t seed;
	const struct regression *regression; /* NULL: nothing was compared */
	const struct regression_limits *limits;
	const struct budget_row *budgets;
	const struct site_growth *sites; /* most grown first */
	bool per_op; /* what sites are per: units of work, else seconds */
	const struct check_floor *floors;
	const struct check_region *regions;
	const char *const *invalid; /* why no verdict would mean anything */
	const char *const *notes; /* what weakens one */
	size_t n_budgets, n_sites, n_floors, n_regions, n_invalid, n_notes;
	const char *directory; /* files below it are named relative to it; "" none */
	const char *source_url; /* where the files below directory can be read, "https://…"; NULL unknown */
	double elapsed_s;
};

struct check_text_options { bool color; unsigned columns; };
void check_text(FILE *out, const struct check_report *r, const struct check_text_options *o);
void check_json(FILE *out, const struct check_report *r);
void check_junit(FILE *out, const struct check_report *r);
/* At most max_bytes, whole lines, the last of which says that something was left out. */
void check_markdown(FILE *out, const struct check_report *r, size_t max_bytes);
#define CHECK_MARKDOWN_MAX (1 << 20) /* GitHub takes no longer job summary */
/* Workflow commands for GitHub, one a line, at most 10. */
void check_github(FILE *out, const struct check_report *r);
void check_sarif(FILE *out, const struct check_report *r);
