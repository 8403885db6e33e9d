#pragma once
/* The sections of a text report, in the order they appear.  text.c calls them. */
#include "core/analysis/summary.h"
#include "viewer/text/page.h"

struct text_context {
	const struct summary *s;
	const struct summary_process *p;
	unsigned top; /* 0: the usual number */
};

void text_verdict_lines(struct page *page, const struct text_context *c);
void text_findings(struct page *page, const struct text_context *c);
void text_threads(struct page *page, const struct text_context *c);
void text_pairs(struct page *page, const struct text_context *c);
void text_what_if(struct page *page, const struct text_context *c);
void text_waits(struct page *page, const struct text_context *c);
void text_other_locks(struct page *page, const struct text_context *c);
void text_about(struct page *page, const struct summary *s);

/* processes.c: most waiting first; the first `full` have a section each, all are told by text_processes when those are not all. */
struct text_order {
	const struct summary_process **processes;
	size_t n, full, lines;
};
void text_order_init(struct text_order *o, const struct summary *s, unsigned top, bool verdict);
void text_order_done(struct text_order *o);
void text_processes(struct page *page, const struct text_order *o);
const char *text_process_name(const struct summary_process *p); /* raw bytes */

/* "name (app.py:38)", escaped; free() it. */
char *text_place(const struct summary_stack *stack, size_t max);
