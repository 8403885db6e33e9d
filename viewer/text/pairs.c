/* Blame pairs: the waiter's stack on the left, the holder's on the right, leaf first. */
#include <stdlib.h>
#include <string.h>

#include "core/base/syscall_names.h"
#include "core/util/escape.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

static const double STATE_TOLD = 0.05; /* of a pair's time: less is not worth a word */
enum { PAIRS_SHOWN = 5, FRAMES_SHOWN = 4, NAMES_SHOWN = 2, INDENT = 5, GAP = 3, FUNCTION_MAX = 26 };

static const char *name_of(const struct text_context *c, uint32_t tid)
{
	for (size_t i = 0; i < c->p->n_threads; i++)
		if (c->p->threads[i].tid == tid)
			return c->p->threads[i].name;
	return "";
}

/* "api, worker-1 and 7 more" */
static char *thread_names(const struct text_context *c, const uint32_t *tids, unsigned n)
{
	struct strbuf names = STRBUF_INIT;
	unsigned shown = n <= NAMES_SHOWN + 1 ? n : NAMES_SHOWN; /* never "and 1 more" */

	for (unsigned i = 0; i < shown; i++) {
		char *name = page_escape(name_of(c, tids[i]), 20);

		strbuf_addf(&names, "%s%s", i ? ", " : "", *name ? name : "(unnamed)");
		free(name);
	}
	if (n > shown)
		strbuf_addf(&names, " and %u more", n - shown);
	return strbuf_steal(&names);
}

/* The frames worth showing: without what every thread started by threading.py has at its root. */
static unsigned frames_told(const struct summary_stack *s)
{
	unsigned n = s->n;

	while (n > 1) {
		const char *file = s->frames[n - 1].file;
		size_t len = strlen(file);

		if (len < sizeof("/threading.py") || strcmp(file + len - strlen("/threading.py"), "/threading.py"))
			break;
		n--;
	}
	return n;
}

static unsigned frames_shown(const struct summary_stack *s)
{
	unsigned n = frames_told(s);

	return n <= FRAMES_SHOWN + 1 ? n : FRAMES_SHOWN; /* never "… 1 more" */
}

static const char *frame_name(const struct summary_frame *f)
{
	return f->resolved ? f->function : "(unreadable code)";
}

static size_t function_columns(const struct summary_stack *s, size_t width)
{
	size_t most = 8, limit = width * 5 / 9 < FUNCTION_MAX ? width * 5 / 9 : FUNCTION_MAX;

	for (unsigned i = 0; i < frames_shown(s); i++) {
		char *name = page_escape(frame_name(&s->frames[i]), limit);
		size_t n = strlen(name); /* an upper bound of its columns */

		most = n > most ? n : most;
		free(name);
	}
	return most < limit ? most : limit;
}

/* The file and its folder say enough; the whole path is in the JSON report. */
static const char *last_components(const char *path)
{
	const char *at = path + strlen(path);

	for (unsigned slashes = 0; at > path; at--)
		if (at[-1] == '/' && ++slashes == 2)
			break;
	return at;
}

static void put_frame(struct page *page, const struct summary_frame *f, size_t width, size_t function_width, bool leaf)
{
	size_t room = width - function_width - 2;
	char *function = page_escape(frame_name(f), function_width), *file;
	char line[16] = "";

	page_left(page, leaf ? INK_STRONG : INK_PLAIN, function_width, function);
	free(function);
	if (!f->resolved)
		return;
	page_put(page, INK_PLAIN, "  ");
	if (f->line)
		snprintf(line, sizeof(line), ":%u", f->line);
	file = page_escape_path(last_components(f->file), room - strlen(line));
	page_putf(page, leaf ? INK_PLAIN : INK_DIM, "%s%s", file, line);
	free(file);
}

/* Line i of a stack's half; false when there is nothing (more) to show. */
static bool put_half(struct page *page, const struct summary_stack *s, unsigned i, size_t width, const char *without)
{
	unsigned shown = frames_shown(s), told = frames_told(s);

	if (s->n == 0) {
		page_left(page, INK_DIM, width, i == 0 ? without : "");
		return i == 0;
	}
	if (i < shown) {
		put_frame(page, &s->frames[i], width, function_columns(s, width), i == 0);
		return true;
	}
	if (i == shown && told > shown) {
		page_putf(page, INK_DIM, "… %u more%s", told - shown, s->truncated ? ", and deeper" : "");
		return true;
	}
	return false;
}

static bool half_has(const struct summary_stack *s, unsigned i)
{
	unsigned shown = frames_shown(s), told = frames_told(s);

	return s->n == 0 ? i == 0 : i < shown + (told > shown);
}

static void add_state(struct strbuf *text, enum holder_state state, int32_t nr)
{
	const char *name = nr >= 0 ? syscall_name(nr) : NULL;

	if (state == HOLDER_RUNNING)
		strbuf_adds(text, "running");
	else if (state == HOLDER_PREEMPTED)
		strbuf_adds(text, "without a CPU");
	else if (state == HOLDER_UNKNOWN)
		strbuf_adds(text, "state not seen");
	else if (name)
		strbuf_addf(text, "asleep in %s()", name);
	else if (nr >= 0)
		strbuf_addf(text, "asleep in system call %d", nr);
	else
		strbuf_adds(text, "asleep outside a system call");
}

/* What the holder did meanwhile; shares only where there is more than one thing to say. */
static void put_holder_states(struct page *page, const struct summary_pair *pair)
{
	static const enum holder_state order[] = {HOLDER_BLOCKED, HOLDER_RUNNING, HOLDER_PREEMPTED, HOLDER_UNKNOWN};
	static const enum ink inks[HOLDER_STATE_N] = {
		[HOLDER_RUNNING] = INK_DIM, [HOLDER_BLOCKED] = INK_CRITICAL, [HOLDER_PREEMPTED] = INK_WARNING,
		[HOLDER_UNKNOWN] = INK_DIM,
	};
	const char *separator = "meanwhile ";

	for (unsigned i = 0; i < HOLDER_STATE_N; i++) {
		double share = (double)pair->state_ns[order[i]] / (double)(pair->ns ? pair->ns : 1);
		autostrbuf text = STRBUF_INIT;
		char pct[HUMAN_LEN];

		if (share < STATE_TOLD || (order[i] == HOLDER_UNKNOWN && pair->n_holders == 0))
			continue;
		if (share < 1 - STATE_TOLD)
			strbuf_addf(&text, "%s ", human_pct(pct, share, 1));
		add_state(&text, order[i], pair->nr);
		if (page->at + strlen(separator) + utf8_columns(text.s) > page->columns)
			continue;
		page_put(page, INK_DIM, separator);
		page_put(page, inks[order[i]], text.s);
		separator = ", ";
	}
}

/* Waits too short to be recorded one by one: neither stack nor holder is known. */
static bool only_counted(const struct summary_blame *b)
{
	return b->waiter.n == 0 && b->n_waiters == 0 && b->holder.n == 0;
}

static void put_head(struct page *page, const struct text_context *c, const struct summary_pair *pair, size_t number,
		     size_t half)
{
	char ns[HUMAN_LEN], share[HUMAN_LEN];
	char *waiters = thread_names(c, pair->waiter_tids, pair->n_waiters);
	char *holders = thread_names(c, pair->holder_tids, pair->n_holders);
	autostrbuf left = STRBUF_INIT, right = STRBUF_INIT;

	page_putf(page, INK_DIM, "%3zu  ", number);
	page_putf(page, INK_WAIT, "%s", human_ns(ns, pair->ns));
	page_putf(page, INK_DIM, ", %s of all waiting", human_pct(share, (double)pair->ns, (double)c->p->gil_wait_ns));
	page_to(page, INDENT + half + GAP);
	put_holder_states(page, pair);
	page_end(page);
	page_to(page, INDENT);
	if (only_counted(pair->worst))
		strbuf_adds(&left, "short waits that were only counted");
	else
		strbuf_addf(&left, "%s wait%s", *waiters ? waiters : "(unknown)", pair->n_waiters > 1 ? "" : "s");
	page_left(page, INK_WAIT, half, left.s);
	page_to(page, INDENT + half + GAP);
	if (!only_counted(pair->worst))
		strbuf_addf(&right, "%s hold%s the GIL", *holders ? holders : "somebody", pair->n_holders > 1 ? "" : "s");
	page_left(page, INK_GIL, half, right.s);
	page_end(page);
	free(waiters);
	free(holders);
}

static void put_pair(struct page *page, const struct text_context *c, const struct summary_pair *pair, size_t number)
{
	size_t half = (page->columns - INDENT - GAP) / 2;
	const struct summary_blame *b = pair->worst;

	put_head(page, c, pair, number, half);
	if (only_counted(b))
		return;
	for (unsigned i = 0; half_has(&b->waiter, i) || half_has(&b->holder, i); i++) {
		page_to(page, INDENT);
		put_half(page, &b->waiter, i, half, "(no Python stack)");
		page_to(page, INDENT + half + GAP);
		put_half(page, &b->holder, i, half, pair->n_holders ? "(no Python stack)" : "(holder not seen)");
		page_end(page);
	}
}

void text_pairs(struct page *page, const struct text_context *c)
{
	size_t most = c->top ? c->top : PAIRS_SHOWN, n = c->p->n_pairs < most ? c->p->n_pairs : most;
	uint64_t rest = 0;
	char ns[HUMAN_LEN], count[HUMAN_LEN];

	if (c->p->n_pairs == 0)
		return;
	page_heading(page, "Who waits for whom", "waiter left, holder right; of each two functions the costliest lines and stacks");
	for (size_t i = 0; i < n; i++) {
		if (i)
			page_end(page);
		put_pair(page, c, &c->p->pairs[i], i + 1);
	}
	for (size_t i = n; i < c->p->n_pairs; i++)
		rest += c->p->pairs[i].ns;
	if (n < c->p->n_pairs) {
		page_putf(page, INK_DIM, "  …  %s more pairs, %s in all (--top %zu shows them)",
			  human_count(count, c->p->n_pairs - n), human_ns(ns, rest), c->p->n_pairs);
		page_end(page);
	}
}
