#pragma once
/* Two versions of a program as one page: what threads, locks and pairs of functions waited in each, differential flame graphs, and
 * of a check its verdict.  One file that asks for nothing else; without its script (diff.js) the tables and graphs are there all
 * the same, with it they zoom, sort and search.
 *
 * Owns: nothing.  Context: one thread.  Errors: none of its own; write errors stay in the FILE. */
#include <stdio.h>

struct check_report;
struct difference;
struct stack_difference;

struct diff_page {
	const struct difference *difference; /* finished */
	const struct stack_difference *stacks; /* finished with its units */
	const struct check_report *check; /* NULL: none */
};
void diff_html(FILE *out, const struct diff_page *page);
