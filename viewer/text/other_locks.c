/* Locks that are no GIL: contention with who had them, and apart from it where threads wait for something to happen. */
#include <stdlib.h>
#include <string.h>

#include "core/analysis/lock_words.h"
#include "core/util/human.h"
#include "core/util/xalloc.h"
#include "viewer/text/text_priv.h"

enum { LOCKS_SHOWN = 8, HOLDERS_SHOWN = 2, NAME_COLUMNS = 48 };

static char *line_of(const struct summary_frame *f, size_t max)
{
	const struct summary_stack stack = { .frames = f, .n = f != NULL };

	return text_place(&stack, max);
}

static const char *thread_name(const struct summary_process *p, uint32_t tid)
{
	for (size_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].tid == tid)
			return p->threads[i].name;
	return NULL;
}

static void put_numbers(struct page *page, const struct summary_other *o)
{
	char n[HUMAN_LEN], ns[HUMAN_LEN], max[HUMAN_LEN];

	page_right(page, INK_PLAIN, 9, human_count(n, o->waits.n));
	page_right(page, INK_PLAIN, 11, human_ns(ns, o->waits.ns));
	page_right(page, INK_PLAIN, 11, human_ns(max, o->waits.max_ns));
	page_end(page);
}

/* What it is called: the name in the program, else the address, else where it is waited for. */
static void put_title(struct page *page, const struct summary_other *o)
{
	char *name;

	page_putf(page, INK_STRONG, "  %-13s ", lock_kind_names[o->kind]);
	if (o->unknown)
		name = xstrdup(LOCK_WORDS_SEVERAL_NAME);
	else if (o->name)
		name = page_escape(o->name, NAME_COLUMNS - 2);
	else if (o->addr && !o->idle)
		name = xasprintf("0x%llx", (unsigned long long)o->addr);
	else
		name = line_of(o->where, NAME_COLUMNS - 2);
	page_left(page, INK_PLAIN, NAME_COLUMNS, name);
	free(name);
	put_numbers(page, o);
}

static void put_party(struct page *page, const struct text_context *c, const struct summary_other *o, const char *what,
		      const struct summary_party *party)
{
	char *line = line_of(party->where, 60), share[HUMAN_LEN];
	const char *name = party->pid == c->p->pid ? thread_name(c->p, party->tid) : NULL;

	page_putf(page, INK_DIM, "      %-10s ", what);
	page_putf(page, INK_PLAIN, "%s  ", line);
	free(line);
	if (name) {
		char *shown = page_escape(name, 24);

		page_putf(page, INK_DIM, "%s", shown);
		free(shown);
	} else if (party->tid) {
		page_putf(page, INK_DIM, "thread %u of process %u", party->tid, party->pid);
	}
	page_putf(page, INK_DIM, "  %s", human_pct(share, (double)party->ns, (double)o->waits.ns));
	page_end(page);
}

static void put_contended(struct page *page, const struct text_context *c, const struct summary_other *o)
{
	put_title(page, o);
	for (unsigned i = 0; i < o->n_waiters && i < 1; i++)
		put_party(page, c, o, "waits at", &o->waiters[i]);
	for (unsigned i = 0; i < o->n_holders && i < HOLDERS_SHOWN; i++)
		put_party(page, c, o, o->holder_inferred ? "held at *" : "held at", &o->holders[i]);
	if (o->shared) {
		page_putf(page, INK_DIM, "      shared by processes: file %s", o->shared);
		page_end(page);
	}
}

static void heads(struct page *page, const char *title, const char *remark)
{
	page_heading(page, title, remark);
	page_to(page, 16 + NAME_COLUMNS);
	page_right(page, INK_DIM, 9, "waits");
	page_right(page, INK_DIM, 11, "in all");
	page_right(page, INK_DIM, 11, "longest");
	page_end(page);
}

void text_other_locks(struct page *page, const struct text_context *c)
{
	size_t busy = 0, first_idle, inferred = 0, by_address = 0;

	while (busy < c->p->n_others && !c->p->others[busy].idle)
		busy++;
	first_idle = busy;
	for (size_t i = 0; i < busy && i < LOCKS_SHOWN; i++) {
		if (i == 0)
			heads(page, "Other locks", "threads that waited for others to let go; a futex may be anything");
		put_contended(page, c, &c->p->others[i]);
		inferred += c->p->others[i].holder_inferred;
		by_address += c->p->others[i].addr && !c->p->others[i].name;
	}
	if (inferred) {
		page_put(page, INK_DIM, "  * inferred: the lock does not say who has it; who woke a waiter had it until then");
		page_end(page);
	}
	if (by_address) {
		page_put(page, INK_DIM, "  0x…: known by its address alone; locks that had it one after the other are one here");
		page_end(page);
	}
	for (size_t i = first_idle; i < c->p->n_others && i < first_idle + LOCKS_SHOWN; i++) {
		if (i == first_idle)
			heads(page, "Waiting for something to happen", "no contention: nobody held it back");
		put_title(page, &c->p->others[i]);
	}
}
