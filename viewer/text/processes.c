/* Many processes on one page: in which order they come, who gets a section of its own, and one line for each of the others. */
#include <stdlib.h>

#include "core/util/human.h"
#include "core/util/xalloc.h"
#include "viewer/text/text_priv.h"

enum { FULL_REPORT = 4, FULL_VERDICT = 2, LINES_VERDICT = 6, PID_COLUMNS = 8, NUMBER_COLUMNS = 10, FIGURES = 4 };

static int more_waiting(const void *a, const void *b)
{
	const struct summary_process *x = *(const struct summary_process *const *)a, *y = *(const struct summary_process *const *)b;

	if (x->gil_wait_ns != y->gil_wait_ns)
		return x->gil_wait_ns > y->gil_wait_ns ? -1 : 1;
	if (!x->runtime != !y->runtime)
		return x->runtime ? -1 : 1;
	return x < y ? -1 : x > y;
}

void text_order_init(struct text_order *o, const struct summary *s, unsigned top, bool verdict)
{
	const size_t full = verdict ? FULL_VERDICT : top > FULL_REPORT ? top : FULL_REPORT;

	*o = (struct text_order){.n = s->n_processes, .full = s->n_processes <= full + 1 ? s->n_processes : full};
	o->lines = verdict ? LINES_VERDICT : o->n;
	o->processes = xcalloc(o->n + 1, sizeof(*o->processes));
	for (size_t i = 0; i < o->n; i++)
		o->processes[i] = &s->processes[i];
	qsort(o->processes, o->n, sizeof(*o->processes), more_waiting);
}

void text_order_done(struct text_order *o)
{
	free(o->processes);
}

/* What was gone before its command line could be read has at least the name of its main thread. */
const char *text_process_name(const struct summary_process *p)
{
	if (p->command && *p->command)
		return p->command;
	if (p->name && *p->name)
		return p->name;
	for (size_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].is_main && p->threads[i].name)
			return p->threads[i].name;
	return "";
}

static uint64_t waits_of(const struct summary_process *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->n_threads; i++)
		n += p->threads[i].waits.n;
	return n;
}

static void put_figures(struct page *page, enum ink ink, size_t threads, uint64_t waits, uint64_t wait_ns, const char *held)
{
	char a[HUMAN_LEN], b[HUMAN_LEN], c[HUMAN_LEN];

	page_right(page, INK_PLAIN, NUMBER_COLUMNS, human_count(a, threads));
	page_right(page, waits ? INK_PLAIN : INK_DIM, NUMBER_COLUMNS, waits ? human_count(b, waits) : "·");
	page_right(page, waits ? ink : INK_DIM, NUMBER_COLUMNS, waits ? human_ns(c, wait_ns) : "·");
	page_right(page, INK_PLAIN, NUMBER_COLUMNS, held);
	page_end(page);
}

static void put_line(struct page *page, const struct summary_process *p, size_t room)
{
	char *name = page_escape(text_process_name(p), room), pid[16], held[HUMAN_LEN];

	snprintf(pid, sizeof(pid), "%u", p->pid);
	page_right(page, INK_DIM, PID_COLUMNS, pid);
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_STRONG, room, *name ? name : "(unnamed)");
	put_figures(page, INK_WAIT, p->n_threads, waits_of(p), p->gil_wait_ns,
		    p->gil ? human_pct(held, p->gil->utilisation, 1) : p->runtime ? "·" : "no Python");
	free(name);
}

static void put_titles(struct page *page, size_t room)
{
	static const char *const titles[FIGURES] = {"threads", "waits", "waited", "GIL held"};

	page_right(page, INK_DIM, PID_COLUMNS, "pid");
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, room, "process");
	for (size_t i = 0; i < FIGURES; i++)
		page_right(page, INK_DIM, NUMBER_COLUMNS, titles[i]);
	page_end(page);
}

/* Those without a section, and the sum of all.  Of those that never waited only the number is told. */
void text_processes(struct page *page, const struct text_order *o)
{
	const size_t room = page->columns - PID_COLUMNS - 2 - FIGURES * NUMBER_COLUMNS;
	uint64_t waits = 0, wait_ns = 0, rest_ns = 0;
	size_t threads = 0, quiet = 0, rest = 0;
	char total[64], ns[HUMAN_LEN];

	page_heading(page, "All processes", o->full ? "most waiting first; those above have a section of their own" : "");
	put_titles(page, room);
	for (size_t i = 0; i < o->n; i++) {
		const struct summary_process *p = o->processes[i];
		uint64_t n = waits_of(p);

		threads += p->n_threads;
		waits += n;
		wait_ns += p->gil_wait_ns;
		if (i < o->full || (n && i < o->lines)) {
			put_line(page, p, room);
		} else if (n) {
			rest++;
			rest_ns += p->gil_wait_ns;
		} else {
			quiet++;
		}
	}
	if (rest) {
		page_putf(page, INK_DIM, "  … %zu more, which waited %s for the GIL in all", rest, human_ns(ns, rest_ns));
		page_end(page);
	}
	if (quiet) {
		page_putf(page, INK_DIM, "  … %zu more, which never waited for the GIL", quiet);
		page_end(page);
	}
	snprintf(total, sizeof(total), "%zu processes", o->n);
	page_to(page, PID_COLUMNS + 2);
	page_left(page, INK_STRONG, room, total);
	put_figures(page, INK_WAIT, threads, waits, wait_ns, "");
}
