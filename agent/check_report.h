#pragma once
/* From runs to the struct that viewer/check writes: comparison, budgets, noise, regions, blame, outcome.
 * Owns: check_report_done frees what check_report_make allocated; the report borrows from runs, options and reasons.
 * Context: main thread.  Errors: none. */
#include "agent/check_options.h"
#include "agent/check_rounds.h"
#include "agent/check_valid.h"
#include "viewer/check/check.h"

struct check_made {
	struct check_report report;
	struct regression regression;
	struct budget_row *budgets;
	struct site_growth *sites;
	struct check_floor *floors;
	struct check_region *regions;
	char *base_name, *head_name, *directory;
	struct check_reasons reasons;
};

void check_report_make(struct check_made *ret, const struct check_options *o, const struct check_runs *base, const struct check_runs *head);
void check_report_done(struct check_made *m);
