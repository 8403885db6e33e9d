/* Two tables: where each thread's time went, and how it waits for the GIL and makes others wait. */
#include <stdlib.h>

#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { THREADS_SHOWN = 16, NAME_COLUMNS = 16, BAR_COLUMNS = 20, SHARE_COLUMNS = 7, TIME_COLUMNS = 9 };

/* Columns of the first table.  Glyphs differ too, so the bar reads without colour. */
static const struct column {
	const char *title, *glyph;
	enum ink ink;
	enum thread_state states[2];
} columns[] = {
	{"GIL", "█", INK_GIL, {STATE_GIL, STATE_N}},
	{"no GIL", "▓", INK_NOGIL, {STATE_NOGIL, STATE_N}},
	{"waits", "▒", INK_WAIT, {STATE_WAIT_GIL, STATE_N}},
	{"no CPU", "░", INK_READY, {STATE_RUNNABLE, STATE_N}},
	{"lock", "l", INK_LOCK, {STATE_WAIT_LOCK, STATE_N}},
	{"syscall", "·", INK_DIM, {STATE_BLOCKED, STATE_N}},
	{"sleep", " ", INK_DIM, {STATE_SLEEP, STATE_N}},
	{"?", "?", INK_DIM, {STATE_UNKNOWN, STATE_N}},
};
enum { COLUMNS_N = sizeof(columns) / sizeof(columns[0]) };

static uint64_t column_ns(const struct summary_thread *t, const struct column *c)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < 2 && c->states[i] != STATE_N; i++)
		ns += t->state_ns[c->states[i]];
	return ns;
}

static uint64_t life(const struct summary_thread *t)
{
	return t->last_ns - t->first_ns;
}

/* Largest remainders would be fairer by a character; rounding the running sum keeps the ends in place. */
static void put_bar(struct page *page, const struct summary_thread *t)
{
	uint64_t whole = life(t), sum = 0;
	size_t done = 0;

	for (size_t i = 0; i < COLUMNS_N && whole; i++) {
		size_t upto;

		sum += column_ns(t, &columns[i]);
		upto = (size_t)((double)sum / (double)whole * BAR_COLUMNS + 0.5);
		upto = upto > BAR_COLUMNS ? BAR_COLUMNS : upto;
		if (upto > done)
			page_repeat(page, columns[i].ink, columns[i].glyph, upto - done);
		done = upto > done ? upto : done;
	}
}

static void put_share(struct page *page, uint64_t ns, uint64_t whole, enum ink ink)
{
	double pct = whole ? 100 * (double)ns / (double)whole : 0;
	char text[16];

	if (pct < 0.05) {
		page_right(page, INK_DIM, SHARE_COLUMNS, "·");
		return;
	}
	snprintf(text, sizeof(text), pct < 9.95 ? "%.1f" : "%.0f", pct);
	page_right(page, pct >= 10 ? ink : INK_PLAIN, SHARE_COLUMNS, text);
}

static void put_name(struct page *page, const struct summary_thread *t)
{
	char *name = page_escape(t->name, 256), tid[16];

	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_STRONG, NAME_COLUMNS, *name ? name : "(unnamed)");
	snprintf(tid, sizeof(tid), "%u", t->tid);
	page_right(page, INK_DIM, 8, tid);
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
	page_putf(page, INK_DIM, "  … %s more, which waited %s for the GIL in all (--top shows them)",
		  human_count(count, c->p->n_threads - n), human_ns(ns, wait_ns));
	page_end(page);
}

static bool any_unknown(const struct text_context *c)
{
	for (size_t i = 0; i < shown(c); i++)
		if (c->p->threads[i].state_ns[STATE_UNKNOWN] * 200 > life(&c->p->threads[i]))
			return true;
	return false;
}

static void table_states(struct page *page, const struct text_context *c)
{
	size_t n_columns = any_unknown(c) ? COLUMNS_N : COLUMNS_N - 1;

	page_heading(page, "Threads", "where their time went, in % of their life");
	page_to(page, 2 + NAME_COLUMNS + 8 + 1 + BAR_COLUMNS);
	page_put(page, INK_DIM, "  ┌─ runs ──┐ ┌ wants to run ┐ ┌─── sleeps ────┐");
	page_end(page);
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, NAME_COLUMNS, "thread");
	page_right(page, INK_DIM, 8, "tid");
	page_to(page, 2 + NAME_COLUMNS + 8 + 1 + BAR_COLUMNS);
	for (size_t i = 0; i < n_columns; i++) {
		page_put(page, INK_PLAIN, "");
		page_right(page, INK_DIM, SHARE_COLUMNS, columns[i].title);
	}
	page_end(page);
	for (size_t i = 0; i < shown(c); i++) {
		const struct summary_thread *t = &c->p->threads[i];

		put_name(page, t);
		page_put(page, INK_PLAIN, "  ");
		put_bar(page, t);
		page_to(page, 2 + NAME_COLUMNS + 8 + 1 + BAR_COLUMNS);
		for (size_t k = 0; k < n_columns; k++)
			put_share(page, column_ns(t, &columns[k]), life(t), columns[k].ink);
		page_end(page);
	}
	put_rest(page, c);
}

static void put_time(struct page *page, uint64_t ns, bool known, bool about, enum ink ink)
{
	char text[HUMAN_LEN], shown_text[HUMAN_LEN + 4];

	if (!known || ns == 0) {
		page_right(page, INK_DIM, TIME_COLUMNS, "·");
		return;
	}
	snprintf(shown_text, sizeof(shown_text), "%s%s", about ? "~" : "", human_ns(text, ns));
	page_right(page, ink, TIME_COLUMNS, shown_text);
}

static void table_waits(struct page *page, const struct text_context *c)
{
	static const char *const titles[] = {"in all", "p50", "p99", "longest", "holds it", "asleep", "no CPU", "delays"};
	uint64_t spin = 0;
	char text[HUMAN_LEN];

	page_heading(page, "The GIL, by thread", "how long each waits for it, holds it, and delays others by holding it");
	page_to(page, 2 + NAME_COLUMNS);
	page_put(page, INK_DIM, "   ┌──────────── waits for it ───────────┐ ┌────── holds it ───────┐  others");
	page_end(page);
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, NAME_COLUMNS, "thread");
	page_right(page, INK_DIM, 8, "waits");
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		page_right(page, INK_DIM, TIME_COLUMNS, titles[i]);
	page_end(page);
	for (size_t i = 0; i < shown(c); i++) {
		const struct summary_thread *t = &c->p->threads[i];
		const struct summary_waits *w = &t->waits;
		char *name = page_escape(t->name, 256);

		page_put(page, INK_PLAIN, "  ");
		page_left(page, INK_STRONG, NAME_COLUMNS, *name ? name : "(unnamed)");
		free(name);
		page_right(page, w->n ? INK_PLAIN : INK_DIM, 8, w->n ? human_count(text, w->n) : "·");
		put_time(page, w->ns, w->n, false, INK_WAIT);
		put_time(page, w->p50_ns, w->n, w->approximate, INK_PLAIN);
		put_time(page, w->p99_ns, w->n, w->approximate, INK_PLAIN);
		put_time(page, w->max_ns, w->n, false, INK_PLAIN);
		put_time(page, t->held_ns, true, false, INK_GIL);
		put_time(page, t->held_blocked_ns, true, false, INK_WARNING);
		put_time(page, t->held_preempted_ns, true, false, INK_WARNING);
		put_time(page, t->caused_ns, true, false, INK_WAIT);
		page_end(page);
		spin += t->spin_ns;
	}
	put_rest(page, c);
	if (spin * 1000 > c->s->duration_ns) {
		page_putf(page, INK_DIM, "  Beside that, about %s of CPU went into taking the GIL without sleeping (sampled).",
			  human_ns(text, spin));
		page_end(page);
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
