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
void text_about(struct page *page, const struct summary *s);

/* "name (app.py:38)", escaped; free() it. */
char *text_place(const struct summary_stack *stack, size_t max);
