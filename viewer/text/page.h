#pragma once
/* A line-by-line canvas for text reports: cells of a given width, colour, bars, wrapped paragraphs.  Everything put
 * must be valid UTF-8 without control characters: what a target chose goes through page_escape first.
 *     page_put(p, INK_STRONG, "waits");  page_to(p, 20);  page_right(p, INK_PLAIN, 8, "12.3 ms");  page_end(p);
 * Owns: the line being made.  Context: one thread.  Errors: none; write errors stay in the FILE. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/util/strbuf.h"

enum ink {
	INK_PLAIN, INK_STRONG, INK_DIM,
	INK_GIL, INK_NOGIL, INK_WAIT, INK_LOCK, INK_READY, /* thread states */
	INK_CRITICAL, INK_WARNING,
	INK_N
};

struct page {
	FILE *out;
	bool color;
	unsigned columns;
	struct strbuf line;
	size_t at; /* columns used in this line */
};

void page_init(struct page *p, FILE *out, bool color, unsigned columns);
void page_done(struct page *p);

void page_put(struct page *p, enum ink ink, const char *text);
void page_putf(struct page *p, enum ink ink, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A cell: padded, or cut with … when it is too long. */
void page_left(struct page *p, enum ink ink, size_t width, const char *text);
void page_right(struct page *p, enum ink ink, size_t width, const char *text);
void page_to(struct page *p, size_t column); /* pads; nothing if already beyond */
void page_repeat(struct page *p, enum ink ink, const char *character, size_t n);
void page_end(struct page *p); /* ends the line; an empty one makes a blank line */

void page_heading(struct page *p, const char *title, const char *remark);
/* A paragraph between the columns indent and the right margin; the first line may have been begun. */
void page_wrap(struct page *p, enum ink ink, size_t indent, const char *text);
/* Eighths of a character fine; at least a sliver for anything above nothing. */
void page_bar(struct page *p, enum ink ink, double share, size_t width);

/* Cuts an escaped string in place, with … at its end. */
void page_cut(char *text, size_t max);
/* Escaped and at most max columns wide (cut at the end). */
char *page_escape(const char *bytes, size_t max);
/* The same for paths: cut at the left, at a slash where there is one near. */
char *page_escape_path(const char *bytes, size_t max);
