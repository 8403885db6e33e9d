#pragma once
/* What the page of a check shows beside its verdict: all recordings of base and of head added up (difference.h, stack_difference.h).
 * Recordings are added one by one, as each is about to be removed.
 *
 * Owns: check_page_done frees.  Context: main thread.  Errors: struct fail when a recording cannot be read. */
#include <stdbool.h>
#include <stdio.h>

#include "core/analysis/difference.h"
#include "core/analysis/stack_difference.h"

struct check_report;

struct check_page {
	bool wanted; /* false: nothing is read, nothing written */
	struct difference difference;
	struct stack_difference stacks;
};

void check_page_start(struct check_page *ret, bool wanted);
int check_page_add(struct check_page *p, const char *recording, bool head, double ops, struct fail *why);
void check_page_write(struct check_page *p, FILE *out, const struct check_report *r);
void check_page_done(struct check_page *p);
