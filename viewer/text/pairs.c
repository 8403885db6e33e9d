/* Blame pairs: the waiter's stack on the left, the holder's on the right, leaf first. */
#include <stdlib.h>
#include <string.h>

#include "core/base/syscall_names.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { PAIRS_SHOWN = 5, FRAMES_SHOWN = 4, NAMES_SHOWN = 3, INDENT = 5, GAP = 3, FUNCTION_MAX = 26 };

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

	for (unsigned i = 0; i < n && i < NAMES_SHOWN; i++) {
		char *name = page_escape(name_of(c, tids[i]), 20);

		strbuf_addf(&names, "%s%s", i ? ", " : "", *name ? name : "(unnamed)");
		free(name);
	}
	if (n > NAMES_SHOWN)
		strbuf_addf(&names, " and %u more", n - NAMES_SHOWN);
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

static size_t function_columns(const struct summary_stack *s, size_t width)
{
	size_t most = 8, limit = width * 5 / 9 < FUNCTION_MAX ? width * 5 / 9 : FUNCTION_MAX;

	for (unsigned i = 0; i < frames_shown(s); i++) {
		char *name = page_escape(s->frames[i].function, limit);
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
	char *function = page_escape(f->function, function_width), *file;
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

static void put_holder_state(struct page *page, const struct summary_blame *b)
{
	const char *name;

	switch (b->state) {
	case HOLDER_BLOCKED:
		name = b->nr >= 0 ? syscall_name(b->nr) : NULL;
		if (name)
			page_putf(page, INK_CRITICAL, "asleep in %s()", name);
		else if (b->nr >= 0)
			page_putf(page, INK_CRITICAL, "asleep in system call %d", b->nr);
		else
			page_put(page, INK_CRITICAL, "asleep outside a system call");
		break;
	case HOLDER_PREEMPTED:
		page_put(page, INK_WARNING, "without a CPU");
		break;
	case HOLDER_RUNNING:
		page_put(page, INK_DIM, "running");
		break;
	default:
		page_put(page, INK_DIM, "not seen");
	}
}

static void put_head(struct page *page, const struct text_context *c, const struct summary_pair *pair, size_t number,
		     size_t half)
{
	char ns[HUMAN_LEN], share[HUMAN_LEN], waits[HUMAN_LEN];
	char *waiters = thread_names(c, pair->waiter_tids, pair->n_waiters);
	char *holders = thread_names(c, pair->holder_tids, pair->n_holders);
	autostrbuf left = STRBUF_INIT;

	page_putf(page, INK_DIM, "%3zu  ", number);
	page_putf(page, INK_WAIT, "%s", human_ns(ns, pair->ns));
	page_putf(page, INK_DIM, "  %s, %s wait%s", human_pct(share, (double)pair->ns, (double)c->p->gil->waits.ns),
		  human_count(waits, pair->waits), pair->waits == 1 ? "" : "s");
	page_end(page);
	page_to(page, INDENT);
	strbuf_addf(&left, "%s wait%s", *waiters ? waiters : "(unknown)", pair->n_waiters == 1 ? "s" : "");
	page_left(page, INK_WAIT, half, left.s);
	page_to(page, INDENT + half + GAP);
	page_putf(page, INK_GIL, "%s hold%s the GIL", *holders ? holders : "somebody", pair->n_holders > 1 ? "" : "s");
	page_put(page, INK_DIM, ", ");
	put_holder_state(page, pair->worst);
	page_end(page);
	free(waiters);
	free(holders);
}

static void put_pair(struct page *page, const struct text_context *c, const struct summary_pair *pair, size_t number)
{
	size_t half = (page->columns - INDENT - GAP) / 2;
	const struct summary_blame *b = pair->worst;

	put_head(page, c, pair, number, half);
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
	page_heading(page, "Who waits for whom", "the line that waits on the left, the line that holds the GIL on the right");
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
