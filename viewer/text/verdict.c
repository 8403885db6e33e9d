/* The verdict, five lines: how full the GIL is, how long waits are, who waits most, the worst pair of lines, and the
 * gravest finding.  Then the findings in full. */
#include <stdlib.h>
#include <string.h>

#include "core/util/escape.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { LABEL_COLUMNS = 12, GAUGE_COLUMNS = 16, GAUGE_FITS = 100 };

static const enum ink severity_inks[SEVERITY_N] = {INK_DIM, INK_WARNING, INK_CRITICAL};
static const char *const severity_marks[SEVERITY_N] = {"·", "!", "‼"};

enum { PLACE_FUNCTION_MIN = 8, PLACE_FILE_MIN = 8 };

/* max without what is over, but not less than min; *over is what stays over. */
static size_t shrink(size_t max, size_t min, size_t *over)
{
	size_t by = max > min ? max - min : 0;

	by = by < *over ? by : *over;
	*over -= by;
	return max - by;
}

/* The function gives way first, then the file; the line stays in sight. */
char *text_place(const struct summary_stack *stack, size_t max)
{
	const struct summary_frame *leaf = stack->frames;
	char *function, *file, line[16] = "";
	struct strbuf place = STRBUF_INIT;
	const char *base;
	size_t whole, over;

	if (stack->n == 0 || !leaf->resolved) {
		strbuf_adds(&place, stack->n == 0 ? "(no Python stack)" : "(unreadable code)");
		return strbuf_steal(&place);
	}
	base = strrchr(leaf->file, '/');
	function = page_escape(leaf->function, max);
	file = page_escape(base && base[1] ? base + 1 : leaf->file, max);
	if (!leaf->native)
		snprintf(line, sizeof(line), ":%u", leaf->line);
	whole = utf8_columns(function) + utf8_columns(file) + strlen(line) + sizeof(" ()") - 1;
	over = whole > max ? whole - max : 0;
	page_cut(function, shrink(utf8_columns(function), PLACE_FUNCTION_MIN, &over));
	page_cut(file, shrink(utf8_columns(file), PLACE_FILE_MIN, &over));
	strbuf_addf(&place, "%s (%s%s)", function, file, line);
	free(function);
	free(file);
	return strbuf_steal(&place);
}

static void label(struct page *page, const char *text)
{
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, LABEL_COLUMNS, text);
}

static enum ink fullness(double utilisation, double waiters)
{
	return utilisation < 0.7 || waiters < 0.2 ? INK_GIL : utilisation < 0.9 ? INK_WARNING : INK_WAIT;
}

static void line_gil(struct page *page, const struct text_context *c)
{
	const struct summary_lock *gil = c->p->gil;
	double waiters = (double)gil->waits.ns / (double)(c->s->duration_ns ? c->s->duration_ns : 1);
	char held[HUMAN_LEN], contended[HUMAN_LEN];
	size_t gils = 0;

	for (size_t i = 0; i < c->p->n_locks; i++)
		gils += c->p->locks[i].kind == LOCK_GIL;
	label(page, gils > 1 ? "worst GIL" : "GIL");
	if (page->columns >= GAUGE_FITS) {
		page_bar(page, fullness(gil->utilisation, waiters), gil->utilisation, GAUGE_COLUMNS);
		page_put(page, INK_PLAIN, " ");
	}
	page_putf(page, INK_STRONG, "held %s of the time", human_pct(held, gil->utilisation, 1));
	page_putf(page, INK_PLAIN, ", contended %s",
		  human_pct(contended, (double)gil->contended_ns, (double)c->s->duration_ns));
	if (waiters >= 0.05)
		page_putf(page, INK_PLAIN, ", %.1f thread%s on average", waiters,
			  waiters >= 0.95 && waiters < 1.05 ? " waits" : "s wait");
	page_end(page);
}

static void line_waits(struct page *page, const struct text_context *c)
{
	const struct summary_waits *w = &c->p->gil->waits;
	char n[HUMAN_LEN], all[HUMAN_LEN], p50[HUMAN_LEN], p99[HUMAN_LEN], max[HUMAN_LEN];

	label(page, "waits");
	if (w->n == 0) {
		page_put(page, INK_PLAIN, "nobody waited for the GIL");
	} else {
		page_putf(page, INK_STRONG, "%s in all", human_ns(all, w->ns));
		if (page->columns >= GAUGE_FITS)
			page_putf(page, INK_PLAIN, " in %s wait%s", human_count(n, w->n), w->n == 1 ? "" : "s");
		page_putf(page, INK_PLAIN, ": half over %s%s, 1 %% over %s%s, longest %s",
			  w->p50_about ? "~" : "", human_ns(p50, w->p50_ns), w->p99_about ? "~" : "", human_ns(p99, w->p99_ns),
			  human_ns(max, w->max_ns));
	}
	page_end(page);
}

static void line_most(struct page *page, const struct text_context *c)
{
	const struct summary_thread *t = c->p->n_threads ? &c->p->threads[0] : NULL;
	char ns[HUMAN_LEN], share[HUMAN_LEN], n[HUMAN_LEN];
	char *name;

	label(page, "waits most");
	if (!t || t->waits.n == 0) {
		page_put(page, INK_PLAIN, "nobody");
	} else {
		name = page_escape(t->name, 32);
		page_put(page, INK_STRONG, name);
		page_putf(page, INK_PLAIN, ": %s, %s of its life, in %s wait%s", human_ns(ns, t->waits.ns),
			  human_pct(share, (double)t->waits.ns, (double)(t->last_ns - t->first_ns)),
			  human_count(n, t->waits.n), t->waits.n == 1 ? "" : "s");
		free(name);
	}
	page_end(page);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The first whose lines are known at all. */
static const struct summary_pair *worst_pair(const struct summary_process *p)
{
	for (size_t i = 0; i < p->n_pairs; i++)
		if (p->pairs[i].worst->waiter.n || p->pairs[i].worst->holder.n)
			return &p->pairs[i];
	return NULL;
}

static void line_worst(struct page *page, const struct text_context *c)
{
	const struct summary_pair *pair = worst_pair(c->p);
	char ns[HUMAN_LEN], share[HUMAN_LEN];
	const size_t room = page->columns - (2 + LABEL_COLUMNS + sizeof(" waits for : 1.23 ms, <0.1 %") - 1);
	char *waiter, *holder;

	label(page, "worst pair");
	if (!pair) {
		page_put(page, INK_PLAIN, "none");
		page_end(page);
		return;
	}
	/* the shorter one leaves its room to the other */
	waiter = text_place(&pair->worst->waiter, room);
	holder = text_place(&pair->worst->holder, room - least(utf8_columns(waiter), room / 2));
	if (utf8_columns(waiter) + utf8_columns(holder) > room) {
		size_t rest = room - utf8_columns(holder);

		free(waiter);
		waiter = text_place(&pair->worst->waiter, rest);
	}
	page_put(page, INK_STRONG, waiter);
	page_put(page, INK_DIM, " waits for ");
	page_put(page, INK_STRONG, pair->worst->holder.n == 0 && pair->n_holders == 0 ? "(holder not seen)" : holder);
	page_putf(page, INK_PLAIN, ": %s, %s", human_ns(ns, pair->ns),
		  human_pct(share, (double)pair->ns, (double)c->p->gil_wait_ns));
	page_end(page);
	free(waiter);
	free(holder);
}

static void line_finding(struct page *page, const struct text_context *c)
{
	const struct finding *f = &c->p->findings[0];

	/* that the GIL is full stands in the first line already: say what comes next */
	if (!strcmp(f->id, "gil_saturated") && c->p->n_findings > 1 && f[1].severity > SEVERITY_INFO)
		f++;
	label(page, "finding");
	page_putf(page, severity_inks[f->severity], "%s ", severity_marks[f->severity]);
	page_left(page, INK_PLAIN, page->columns - page->at, f->title);
	page_end(page);
}

/* Before any number: what kind of numbers they are. */
static void line_estimated(struct page *page, const struct text_context *c)
{
	const struct summary_process *p = c->p;
	char *collector = page_escape(p->collector, 16), n[HUMAN_LEN], p50[HUMAN_LEN], p99[HUMAN_LEN], unseen[HUMAN_LEN], all[HUMAN_LEN];
	autostrbuf text = STRBUF_INIT;

	strbuf_addf(&text, "every number of this process is one, sampled by the %s collector", collector);
	if (p->looks.n)
		strbuf_addf(&text, ": %s looks, half of them within %s, 99 %% within %s, so every begin and end is off by as much; %s of %s "
			    "hand-offs of the GIL fell between two looks, waits and holds shorter than that are mostly unseen",
			    human_count(n, p->looks.n), human_ns(p50, p->looks.p50_ns), human_ns(p99, p->looks.p99_ns), human_count(unseen, p->looks.switches - p->looks.seen),
			    human_count(all, p->looks.switches));
	label(page, "estimates");
	page_wrap(page, INK_WARNING, LABEL_COLUMNS, text.s);
	free(collector);
}

void text_verdict_lines(struct page *page, const struct text_context *c)
{
	if (c->p->estimated)
		line_estimated(page, c);
	if (c->p->gil) {
		line_gil(page, c);
		line_waits(page, c);
		line_most(page, c);
		line_worst(page, c);
	} else {
		label(page, "GIL");
		page_put(page, INK_PLAIN, c->p->runtime ? "never waited for: at no time did two threads want it" :
							  "not looked at");
		page_end(page);
	}
	if (c->p->n_findings)
		line_finding(page, c);
}

static void put_cost(struct page *page, const struct finding *f)
{
	char ns[HUMAN_LEN], share[HUMAN_LEN];
	autostrbuf cost = STRBUF_INIT;

	if (!f->wait_known)
		return;
	strbuf_addf(&cost, "%s%s", f->certainty == CERTAINTY_MEASURED ? "" : "~", human_ns(ns, f->wait_ns));
	if (f->share > 0)
		strbuf_addf(&cost, ", %s", human_pct(share, f->share, 1));
	page_to(page, page->columns - 20);
	page_right(page, severity_inks[f->severity], 20, cost.s);
}

static const char *thread_name(const struct text_context *c, uint32_t thread)
{
	for (size_t i = 0; i < c->p->n_threads; i++)
		if (c->p->threads[i].thread == thread)
			return c->p->threads[i].name;
	return NULL;
}

/* What it is, how sure that is, and where on the timeline to look. */
static void put_detail(struct page *page, const struct text_context *c, const struct finding *f)
{
	/* nearly all of it is no place to look at */
	const bool everywhere = f->place.to_ns - f->place.from_ns >= c->s->duration_ns / 10 * 9;
	const char *name = f->place.known ? thread_name(c, f->place.thread) : NULL;
	char from[HUMAN_LEN], length[HUMAN_LEN], *shown;
	autostrbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s (%s", f->detail, certainty_names[f->certainty]);
	if (f->place.known && !everywhere)
		strbuf_addf(&text, "; see it at %s for %s", human_ns(from, f->place.from_ns),
			    human_ns(length, f->place.to_ns - f->place.from_ns));
	if (name) {
		shown = page_escape(name, 32);
		strbuf_addf(&text, ", thread %s", *shown ? shown : "(unnamed)");
		free(shown);
	}
	strbuf_adds(&text, ")");
	page_wrap(page, INK_PLAIN, 4, text.s);
}

void text_findings(struct page *page, const struct text_context *c)
{
	page_heading(page, "Findings", "what it costs: thread time lost, share of all waiting for the GIL");
	for (size_t i = 0; i < c->p->n_findings; i++) {
		const struct finding *f = &c->p->findings[i];

		page_putf(page, severity_inks[f->severity], "  %s ", severity_marks[f->severity]);
		page_left(page, INK_STRONG, page->columns - 25, f->title);
		put_cost(page, f);
		page_end(page);
		put_detail(page, c, f);
		page_to(page, 4);
		page_put(page, INK_DIM, "→");
		page_wrap(page, INK_DIM, 6, f->advice);
	}
}
