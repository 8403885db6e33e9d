/* Two tables: where each thread's time went, and how it waits for the GIL and makes others wait. */
#include <stdlib.h>
#include <string.h>

#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { THREADS_SHOWN = 16, NAME_COLUMNS = 16, BAR_MIN = 8, BAR_MAX = 30, COUNT_COLUMNS = 8, TIME_COLUMNS = 9 };

/* Columns of the first table.  Glyphs differ too, so the bar reads without colour. */
static const struct column {
	const char *title, *glyph;
	enum ink ink;
	enum thread_state state;
	size_t width;
	const char *group; /* above it and the ones after it without a group of their own */
} columns[] = {
	{"GIL", "█", INK_GIL, STATE_GIL, 7, "runs"},
	{"no GIL", "▓", INK_NOGIL, STATE_NOGIL, 8, NULL},
	{"GIL", "▒", INK_WAIT, STATE_WAIT_GIL, 7, "waits for"},
	{"a CPU", "░", INK_READY, STATE_RUNNABLE, 7, NULL},
	{"a lock", "l", INK_LOCK, STATE_WAIT_LOCK, 8, NULL},
	{"syscall", "·", INK_DIM, STATE_BLOCKED, 9, "sleeps"},
	{"timer", " ", INK_DIM, STATE_SLEEP, 7, NULL},
	{"?", "?", INK_DIM, STATE_UNKNOWN, 5, NULL},
};
enum {
	COLUMNS_N = sizeof(columns) / sizeof(columns[0]),
	TID_COLUMNS = 8,
	BAR_FROM = 2 + NAME_COLUMNS + TID_COLUMNS + 2,
	NO_BAR = 1, /* back over the gap that stands before it */
};

/* How the table is laid out: the bar takes what the shares leave. */
struct table {
	size_t columns, bar, shares; /* shares: their first column */
};

static uint64_t life(const struct summary_thread *t)
{
	return t->last_ns - t->first_ns;
}

/* Largest remainders would be fairer by a character; rounding the running sum keeps the ends in place. */
static void put_bar(struct page *page, const struct summary_thread *t, size_t width)
{
	uint64_t whole = life(t), sum = 0;
	size_t done = 0;

	for (size_t i = 0; i < COLUMNS_N && whole; i++) {
		size_t upto;

		sum += t->state_ns[columns[i].state];
		upto = (size_t)((double)sum / (double)whole * (double)width + 0.5);
		upto = upto > width ? width : upto;
		if (upto > done)
			page_repeat(page, columns[i].ink, columns[i].glyph, upto - done);
		done = upto > done ? upto : done;
	}
}

static void put_share(struct page *page, const struct column *c, uint64_t ns, uint64_t whole)
{
	double pct = whole ? 100 * (double)ns / (double)whole : 0;
	char text[16];

	if (pct < 0.05) {
		page_right(page, INK_DIM, c->width, "·");
		return;
	}
	snprintf(text, sizeof(text), pct < 9.95 ? "%.1f" : "%.0f", pct);
	page_right(page, pct >= 10 ? c->ink : INK_PLAIN, c->width, text);
}

static void put_name(struct page *page, const struct summary_thread *t)
{
	char *name = page_escape(t->name, 256), tid[16];

	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_STRONG, NAME_COLUMNS, *name ? name : "(unnamed)");
	snprintf(tid, sizeof(tid), "%u", t->tid);
	page_right(page, INK_DIM, TID_COLUMNS, tid);
	free(name);
}

static size_t shown(const struct text_context *c)
{
	size_t most = c->top > THREADS_SHOWN ? c->top : THREADS_SHOWN;

	return c->p->n_threads < most + 1 ? c->p->n_threads : most; /* never "… 1 more" */
}

static void put_rest(struct page *page, const struct text_context *c)
{
	size_t n = shown(c);
	uint64_t wait_ns = 0;
	char count[HUMAN_LEN], ns[HUMAN_LEN];

	if (n == c->p->n_threads)
		return;
	for (size_t i = n; i < c->p->n_threads; i++)
		wait_ns += c->p->threads[i].waits.ns;
	page_putf(page, INK_DIM, "  … %s more, which waited %s for the GIL in all (--top %zu shows them)",
		  human_count(count, c->p->n_threads - n), human_ns(ns, wait_ns), c->p->n_threads);
	page_end(page);
}

static bool any_unknown(const struct text_context *c)
{
	for (size_t i = 0; i < shown(c); i++)
		if (c->p->threads[i].state_ns[STATE_UNKNOWN] * 200 > life(&c->p->threads[i]))
			return true;
	return false;
}

/* "┌─ title ─┐", filling the columns from..to. */
static void put_group(struct page *page, size_t from, size_t to, const char *title)
{
	size_t dashes = to > from + 4 + strlen(title) ? to - from - 4 - strlen(title) : 0;

	page_to(page, from);
	page_put(page, INK_DIM, "┌");
	page_repeat(page, INK_DIM, "─", dashes / 2);
	page_putf(page, INK_DIM, " %s ", title);
	page_repeat(page, INK_DIM, "─", dashes - dashes / 2);
	page_put(page, INK_DIM, "┐");
}

static void put_state_titles(struct page *page, const struct table *table)
{
	size_t at = table->shares;

	for (size_t i = 0; i < COLUMNS_N - 1; i++) {
		size_t to = at + columns[i].width, k = i + 1;

		while (k < COLUMNS_N - 1 && !columns[k].group)
			to += columns[k++].width;
		if (columns[i].group)
			put_group(page, at + 2, to, columns[i].group);
		at += columns[i].width;
	}
	page_end(page);
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, NAME_COLUMNS, "thread");
	page_right(page, INK_DIM, TID_COLUMNS, "tid");
	page_to(page, table->shares);
	for (size_t i = 0; i < table->columns; i++)
		page_right(page, INK_DIM, columns[i].width, columns[i].title);
	page_end(page);
}

static struct table lay_out(const struct page *page, bool unknown)
{
	struct table table = {.columns = unknown ? COLUMNS_N : COLUMNS_N - 1};
	size_t room = page->columns - BAR_FROM;

	for (size_t i = 0; i < table.columns; i++)
		room = room > columns[i].width ? room - columns[i].width : 0;
	table.bar = room < BAR_MIN ? 0 : room > BAR_MAX ? BAR_MAX : room; /* a narrow terminal does without */
	table.shares = BAR_FROM + table.bar - (table.bar ? 0 : NO_BAR);
	return table;
}

/* The heading is the bar's legend too. */
static void put_states_heading(struct page *page, const struct table *table)
{
	static const char *const legend[COLUMNS_N] = {"has the GIL", "runs without", "waits for it", "a CPU", "a lock",
						      "syscall", NULL, "unseen"};

	page_end(page);
	page_put(page, INK_STRONG, "Threads");
	page_put(page, INK_DIM, table->bar ? "  % of life:" : "  % of life");
	for (size_t i = 0; i < table->columns && table->bar; i++) {
		if (!legend[i])
			continue;
		page_putf(page, columns[i].ink, " %s", columns[i].glyph);
		page_putf(page, INK_DIM, " %s", legend[i]);
	}
	page_end(page);
}

static void table_states(struct page *page, const struct text_context *c)
{
	const struct table table = lay_out(page, any_unknown(c));

	put_states_heading(page, &table);
	put_state_titles(page, &table);
	for (size_t i = 0; i < shown(c); i++) {
		const struct summary_thread *t = &c->p->threads[i];

		put_name(page, t);
		page_to(page, table.bar ? BAR_FROM : table.shares);
		if (table.bar)
			put_bar(page, t, table.bar);
		page_to(page, table.shares);
		for (size_t k = 0; k < table.columns; k++)
			put_share(page, &columns[k], t->state_ns[columns[k].state], life(t));
		page_end(page);
	}
	put_rest(page, c);
}

static void put_time(struct page *page, uint64_t ns, bool about, enum ink ink)
{
	char text[HUMAN_LEN], shown_text[HUMAN_LEN + 4];

	if (ns == 0) {
		page_right(page, INK_DIM, TIME_COLUMNS, "·");
		return;
	}
	snprintf(shown_text, sizeof(shown_text), "%s%s", about ? "~" : "", human_ns(text, ns));
	page_right(page, ink, TIME_COLUMNS, shown_text);
}

/* Columns of the second table; a narrow terminal does without the finer ones. */
enum wait_column { WAIT_ALL, WAIT_P50, WAIT_P99, WAIT_MAX, HELD_ALL, HELD_ASLEEP, HELD_NO_CPU, DELAYS, WAIT_COLUMNS };
static const struct { const char *title; bool fine; } wait_columns[WAIT_COLUMNS] = {
	{"in all", false}, {"p50", true}, {"p99", false}, {"longest", false},
	{"in all", false}, {"asleep", false}, {"no CPU", true}, {"others", false},
};
enum { WAITS_FROM = 2 + NAME_COLUMNS + COUNT_COLUMNS, WAITS_WIDTH = WAITS_FROM + WAIT_COLUMNS * TIME_COLUMNS };

static bool column_shown(const struct page *page, enum wait_column i)
{
	return !wait_columns[i].fine || page->columns >= WAITS_WIDTH;
}

static size_t columns_shown(const struct page *page, enum wait_column from, enum wait_column to)
{
	size_t n = 0;

	for (enum wait_column i = from; i <= to; i++)
		n += column_shown(page, i);
	return n;
}

static void put_wait_titles(struct page *page)
{
	const size_t holds = WAITS_FROM + columns_shown(page, WAIT_ALL, WAIT_MAX) * TIME_COLUMNS;
	const size_t delays = holds + columns_shown(page, HELD_ALL, HELD_NO_CPU) * TIME_COLUMNS;

	put_group(page, 2 + NAME_COLUMNS + 1, holds, "waits for the GIL");
	put_group(page, holds + 2, delays, "holds the GIL");
	page_right(page, INK_DIM, TIME_COLUMNS, "delays");
	page_end(page);
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, NAME_COLUMNS, "thread");
	page_right(page, INK_DIM, COUNT_COLUMNS, "waits");
	for (enum wait_column i = 0; i < WAIT_COLUMNS; i++)
		if (column_shown(page, i))
			page_right(page, INK_DIM, TIME_COLUMNS, wait_columns[i].title);
	page_end(page);
}

static void put_waits_of(struct page *page, const struct summary_thread *t)
{
	const struct summary_waits *w = &t->waits;
	const struct { uint64_t ns; bool about; enum ink ink; } cells[WAIT_COLUMNS] = {
		[WAIT_ALL] = {w->ns, false, INK_WAIT}, [WAIT_P50] = {w->p50_ns, w->p50_about, INK_PLAIN},
		[WAIT_P99] = {w->p99_ns, w->p99_about, INK_PLAIN}, [WAIT_MAX] = {w->max_ns, false, INK_PLAIN},
		[HELD_ALL] = {t->held_ns, false, INK_GIL}, [HELD_ASLEEP] = {t->held_blocked_ns, false, INK_WARNING},
		[HELD_NO_CPU] = {t->held_preempted_ns, false, INK_WARNING}, [DELAYS] = {t->caused_ns, false, INK_WAIT},
	};
	char *name = page_escape(t->name, 256), n[HUMAN_LEN];

	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_STRONG, NAME_COLUMNS, *name ? name : "(unnamed)");
	free(name);
	page_right(page, w->n ? INK_PLAIN : INK_DIM, COUNT_COLUMNS, w->n ? human_count(n, w->n) : "·");
	for (enum wait_column i = 0; i < WAIT_COLUMNS; i++)
		if (column_shown(page, i))
			put_time(page, cells[i].ns, cells[i].about, cells[i].ink);
	page_end(page);
}

static void table_waits(struct page *page, const struct text_context *c)
{
	uint64_t spin = 0;
	bool approximate = false;
	char ns[HUMAN_LEN];

	page_heading(page, "The GIL, by thread", "how long each waits for it, holds it, and by that keeps others waiting");
	put_wait_titles(page);
	for (size_t i = 0; i < shown(c); i++) {
		put_waits_of(page, &c->p->threads[i]);
		spin += c->p->threads[i].spin_ns;
		approximate |= c->p->threads[i].waits.p50_about || c->p->threads[i].waits.p99_about;
	}
	put_rest(page, c);
	if (approximate) {
		page_put(page, INK_DIM, "  ~ short waits were only counted by size class (or there are two GILs): about so much");
		page_end(page);
	}
	if (spin * 1000 > c->s->duration_ns) {
		page_to(page, 2);
		page_putf(page, INK_DIM, "Beside the waiting, about %s of CPU", human_ns(ns, spin));
		page_put(page, INK_PLAIN, " ");
		page_wrap(page, INK_DIM, 2, "went into taking the GIL without sleeping (sampled).");
	}
}

void text_threads(struct page *page, const struct text_context *c)
{
	if (c->p->n_threads == 0)
		return;
	table_states(page, c);
	if (c->p->gil)
		table_waits(page, c);
}
