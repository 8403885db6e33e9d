/* The page's tables: threads, locks, pairs of functions, base and head beside each other.  A cell's number for sorting is its
 * data-v, as people's units do not sort. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/analysis/stack_difference.h"
#include "core/util/human.h"
#include "viewer/diff/diff_priv.h"
#include "viewer/html/markup.h"

enum { ROWS_SHOWN = 300, FUNCTIONS_SHOWN = 40 };

char *seconds_text(char ret[SECONDS_LEN], double s)
{
	char b[HUMAN_LEN];

	if (s > 0 && s < 1e-9)
		snprintf(ret, SECONDS_LEN, "%.3g ns", s * 1e9); /* per operation there may be less than the clock's unit */
	else
		snprintf(ret, SECONDS_LEN, "%s", s < 1e9 ? human_ns(b, s > 0 ? (uint64_t)llround(s * 1e9) : 0) : "ages");
	return ret;
}

char *change_text(char ret[SECONDS_LEN], const struct difference *d, double base, double head)
{
	enum change change = difference_change(base, head, d->nothing);

	if (change == CHANGE_NONE)
		snprintf(ret, SECONDS_LEN, "-");
	else if (change == CHANGE_NEW || change == CHANGE_GONE)
		snprintf(ret, SECONDS_LEN, "%s", change_names[change]);
	else
		snprintf(ret, SECONDS_LEN, "%+.0f %%", fmin((head / base - 1) * 100, 999999));
	return ret;
}

const char *per_unit(const struct difference *d)
{
	return d->per_op ? "per operation" : "per second";
}

bool diff_compares(const struct difference *d)
{
	return d->base_runs.n && d->head_runs.n;
}

void cell_text(struct strbuf *b, const char *text, const char *at)
{
	strbuf_adds(b, "<td><bdi>");
	markup_text(b, text);
	strbuf_adds(b, "</bdi>");
	if (at && *at) {
		strbuf_adds(b, "<br><small><bdi>");
		markup_text(b, at);
		strbuf_adds(b, "</bdi></small>");
	}
	strbuf_adds(b, "</td>");
}

void cell_seconds(struct strbuf *b, bool known, double seconds)
{
	char text[SECONDS_LEN];

	if (known)
		strbuf_addf(b, "<td class=\"n\" data-v=\"%.9g\">%s</td>", seconds, seconds_text(text, seconds));
	else
		strbuf_adds(b, "<td class=\"n\" data-v=\"-1\">-</td>");
}

void cell_change(struct strbuf *b, const struct difference *d, double base, double head)
{
	char text[SECONDS_LEN];

	strbuf_addf(b, "<td class=\"n %s\" data-v=\"%.9g\">%s</td>", change_names[difference_change(base, head, d->nothing)], head - base,
		    change_text(text, d, base, head));
}

void table_open(struct strbuf *b, const char *caption, const char *const *titles)
{
	strbuf_addf(b, "<table>\n<caption>%s</caption>\n<thead><tr>", caption);
	for (; *titles; titles++)
		strbuf_addf(b, "<th scope=\"col\"%s>%s</th>", **titles == '#' ? " class=\"n\"" : "", **titles == '#' ? *titles + 1 : *titles);
	strbuf_adds(b, "</tr></thead>\n<tbody>\n");
}

void table_close(struct strbuf *b, size_t left_out)
{
	strbuf_adds(b, "</tbody>\n</table>\n");
	if (left_out)
		strbuf_addf(b, "<p class=\"quiet\">… and %zu more, which changed less.</p>\n", left_out);
}

/* Base, head and change; without a base the one number. */
static void cells(struct strbuf *b, const struct difference *d, const struct difference_side *base, const struct difference_side *head)
{
	if (diff_compares(d))
		cell_seconds(b, base->there, base->wait);
	cell_seconds(b, head->there, head->wait);
	if (diff_compares(d))
		cell_change(b, d, base->wait, head->wait);
}

static bool worth_a_row(const struct difference *d, const struct difference_row *r)
{
	return difference_change(r->base.wait, r->head.wait, d->nothing) != CHANGE_NONE ||
	       difference_change(r->base.caused, r->head.caused, d->nothing) != CHANGE_NONE;
}

typedef void put_row(struct strbuf *b, const struct difference *d, const struct difference_row *r);

static void put_pair(struct strbuf *b, const struct difference *d, const struct difference_row *r)
{
	cell_text(b, r->name, r->head.waiter_at ? r->head.waiter_at : r->base.waiter_at);
	cell_text(b, r->holder, r->head.holder_at ? r->head.holder_at : r->base.holder_at);
	cells(b, d, &r->base, &r->head);
}

static void put_named(struct strbuf *b, const struct difference *d, const struct difference_row *r)
{
	cell_text(b, r->name, NULL);
	cells(b, d, &r->base, &r->head);
	if (diff_compares(d))
		cell_seconds(b, r->base.waits > 0, r->base.p99_s);
	cell_seconds(b, r->head.waits > 0, r->head.p99_s);
}

static void put_thread(struct strbuf *b, const struct difference *d, const struct difference_row *r)
{
	put_named(b, d, r);
	if (diff_compares(d))
		cell_seconds(b, r->base.there, r->base.caused);
	cell_seconds(b, r->head.there, r->head.caused);
}

static void cell_share(struct strbuf *b, double share)
{
	char text[HUMAN_LEN];

	strbuf_addf(b, "<td class=\"n\" data-v=\"%.6g\">%s</td>", share, share >= 0 ? human_pct(text, share, 1) : "-");
}

static void put_lock(struct strbuf *b, const struct difference *d, const struct difference_row *r)
{
	put_named(b, d, r);
	if (diff_compares(d))
		cell_share(b, r->base.utilisation);
	cell_share(b, r->head.utilisation);
}

struct table {
	const char *title, *caption, *none;
	const char *compared[9], *alone[6];
	put_row *row;
};
static const struct table pairs = {
	"Who blocks whom", "Pairs of functions; waiting", "Nobody waited for a GIL.",
	{"waits", "holds the GIL meanwhile", "#base", "#head", "#change", NULL}, {"waits", "holds the GIL meanwhile", "#waiting", NULL}, put_pair,
}, threads = {
	"Threads", "Threads by name; waiting for the GIL", "No thread waited for a GIL.",
	{"thread", "#base", "#head", "#change", "#p99, base", "#head", "#made others wait, base", "#head", NULL},
	{"thread", "#waiting", "#p99", "#made others wait", NULL}, put_thread,
}, locks = {
	"Locks", "Locks; waiting for them", "No lock was waited for.",
	{"lock", "#base", "#head", "#change", "#p99, base", "#head", "#held, base", "#head", NULL}, {"lock", "#waiting", "#p99", "#held", NULL}, put_lock,
};

static void put_table(struct strbuf *b, const struct difference *d, const struct difference_rows *rows, const struct table *t)
{
	size_t shown = 0, all = 0;
	autostrbuf caption = STRBUF_INIT;

	strbuf_addf(b, "<section>\n<h2>%s</h2>\n", t->title);
	for (size_t i = 0; i < rows->n; i++)
		all += worth_a_row(d, &rows->items[i]);
	if (!all) {
		strbuf_addf(b, "<p>%s</p>\n</section>\n", t->none);
		return;
	}
	strbuf_addf(&caption, "%s %s", t->caption, per_unit(d));
	table_open(b, caption.s, diff_compares(d) ? t->compared : t->alone);
	for (size_t i = 0; i < rows->n && shown < ROWS_SHOWN; i++) {
		if (!worth_a_row(d, &rows->items[i]))
			continue;
		strbuf_adds(b, "<tr>");
		t->row(b, d, &rows->items[i]);
		strbuf_adds(b, "</tr>\n");
		shown++;
	}
	table_close(b, all - shown);
	strbuf_adds(b, "</section>\n");
}

void put_tables(struct strbuf *b, const struct difference *d)
{
	put_table(b, d, &d->pairs, &pairs);
	put_table(b, d, &d->threads, &threads);
	put_table(b, d, &d->locks, &locks);
}

void put_functions(struct strbuf *b, const struct difference *d, const struct stack_functions *f)
{
	static const char *const compared[] = {"function", "#base", "#head", "#change", NULL}, *const alone[] = {"function", "#time", NULL};
	size_t n = f->n < FUNCTIONS_SHOWN ? f->n : FUNCTIONS_SHOWN;
	autostrbuf caption = STRBUF_INIT;

	strbuf_addf(&caption, "Innermost functions, %s", per_unit(d));
	strbuf_addf(b, "<details>\n<summary>The same as a table: %zu function%s</summary>\n", f->n, f->n == 1 ? "" : "s");
	table_open(b, caption.s, diff_compares(d) ? compared : alone);
	for (size_t i = 0; i < n; i++) {
		const struct stack_function *g = &f->items[i];
		const struct difference_side base = {.there = g->own.base > 0, .wait = g->own.base}, head = {.there = g->own.head > 0, .wait = g->own.head};

		strbuf_adds(b, "<tr>");
		cell_text(b, g->function, g->at);
		cells(b, d, &base, &head);
		strbuf_adds(b, "</tr>\n");
	}
	table_close(b, f->n - n);
	strbuf_adds(b, "</details>\n");
}
