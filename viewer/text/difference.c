/* See difference.h: one line a thing, base and head beside each other, the change last. */
#include "viewer/text/difference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/difference.h"
#include "core/util/human.h"
#include "viewer/text/page.h"
#include "viewer/text/text.h"

enum { ROWS_SHOWN = 12, NAME_COLUMNS = 44, CELL = 12, CHANGE = 14 };
static const enum ink change_inks[CHANGE_N] = {
	[CHANGE_NONE] = INK_DIM, [CHANGE_NEW] = INK_WARNING, [CHANGE_GONE] = INK_GIL, [CHANGE_MORE] = INK_WARNING, [CHANGE_LESS] = INK_GIL,
};

static char *human_seconds(char ret[HUMAN_LEN], double s)
{
	return human_ns(ret, s > 0 ? (uint64_t)llround(s * 1e9) : 0);
}

static void put_change(struct page *p, const struct difference *d, double base, double head)
{
	enum change change = difference_change(base, head, d->nothing);
	char text[32];

	if (change == CHANGE_NONE)
		snprintf(text, sizeof(text), "-");
	else if (change == CHANGE_NEW || change == CHANGE_GONE)
		snprintf(text, sizeof(text), "%s", change_names[change]);
	else
		snprintf(text, sizeof(text), "%+.0f %%", (head / base - 1) * 100);
	page_right(p, change_inks[change], CHANGE, text);
}

static void put_wait(struct page *p, const struct difference_side *s)
{
	char b[HUMAN_LEN];

	page_right(p, INK_PLAIN, CELL, s->there ? human_seconds(b, s->wait) : "-");
}

static void put_row(struct page *p, const struct difference *d, const struct difference_row *r)
{
	char *name = page_escape(r->name, r->holder ? NAME_COLUMNS / 2 - 2 : NAME_COLUMNS), *holder;

	page_put(p, INK_PLAIN, name);
	if (r->holder) {
		holder = page_escape(r->holder, NAME_COLUMNS / 2 - 2);
		page_put(p, INK_DIM, " <- ");
		page_put(p, INK_PLAIN, holder);
		free(holder);
	}
	free(name);
	page_to(p, NAME_COLUMNS);
	put_wait(p, &r->base);
	put_wait(p, &r->head);
	put_change(p, d, r->base.wait, r->head.wait);
	page_end(p);
}

static bool worth_a_line(const struct difference *d, const struct difference_row *r)
{
	return difference_change(r->base.wait, r->head.wait, d->nothing) != CHANGE_NONE;
}

static void put_rows(struct page *p, const struct difference *d, const struct difference_rows *rows, const char *title, const char *remark, unsigned top)
{
	size_t shown = 0, left = 0;

	page_heading(p, title, remark);
	page_to(p, NAME_COLUMNS);
	page_right(p, INK_DIM, CELL, "base");
	page_right(p, INK_DIM, CELL, "head");
	page_right(p, INK_DIM, CHANGE, "change");
	page_end(p);
	for (size_t i = 0; i < rows->n; i++) {
		if (!worth_a_line(d, &rows->items[i]))
			continue;
		if (shown < top)
			put_row(p, d, &rows->items[i]);
		else
			left++;
		shown++;
	}
	if (!shown)
		page_put(p, INK_DIM, "no waiting in either"), page_end(p);
	if (left)
		page_putf(p, INK_DIM, "and %zu more (--top)", left), page_end(p);
}

static void put_recording(struct page *p, const char *what, const struct summary *s)
{
	char duration[HUMAN_LEN];
	char *path = page_escape_path(s->path, 50);

	page_put(p, INK_DIM, what);
	page_to(p, 6);
	page_put(p, INK_PLAIN, path);
	page_putf(p, INK_DIM, "  %s", human_ns(duration, s->duration_ns));
	if (s->n_processes && s->processes[0].runtime)
		page_putf(p, INK_DIM, ", %s", s->processes[0].runtime);
	if (!s->complete)
		page_put(p, INK_WARNING, ", cut off");
	if (s->lost_events)
		page_putf(p, INK_WARNING, ", %llu events lost", (unsigned long long)s->lost_events);
	page_end(p);
	free(path);
}

static void put_total(struct page *p, const struct difference *d)
{
	char base[HUMAN_LEN], head[HUMAN_LEN];

	page_putf(p, INK_STRONG, "Waiting for the GIL %s: %s -> %s", d->per_op ? "per operation" : "per second",
		  human_seconds(base, d->base.wait), human_seconds(head, d->head.wait));
	put_change(p, d, d->base.wait, d->head.wait);
	page_end(p);
	page_putf(p, INK_PLAIN, "99 of 100 waits below: %s -> %s", human_seconds(base, d->base.p99_s), human_seconds(head, d->head.p99_s));
	page_end(p);
	page_put(p, INK_DIM, "One run of each tells nothing about noise between runs: gilscope check compares many.");
	page_end(p);
}

void text_difference(FILE *out, const struct difference *d, const struct summary *base, const struct summary *head, const struct text_options *options)
{
	const char *unit = d->per_op ? "waiting per operation" : "waiting per second";
	unsigned top = options->top ? options->top : ROWS_SHOWN;
	struct page p;

	page_init(&p, out, options->color, options->columns ? options->columns : 100);
	put_recording(&p, "base", base);
	put_recording(&p, "head", head);
	page_end(&p);
	put_total(&p, d);
	put_rows(&p, d, &d->pairs, "Who blocks whom", "function that waits <- function that holds", top);
	put_rows(&p, d, &d->threads, "Threads", unit, top);
	put_rows(&p, d, &d->locks, "Locks", unit, top);
	page_done(&p);
}
