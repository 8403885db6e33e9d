/* See text.h.  The order is that of a person on call: what is it, what do I do, who, where, how long, can I trust it. */
#include "viewer/text/text.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

static void put_title(struct page *page, const struct text_context *c)
{
	const size_t mark = sizeof("gilscope  ") - 1;
	char *name = page_escape(text_process_name(c->p), page->columns - mark);
	char duration[HUMAN_LEN], *runtime = page_escape(c->p->runtime ? c->p->runtime : "", 40);

	page_put(page, INK_DIM, "gilscope  ");
	page_put(page, INK_STRONG, *name ? name : "(unnamed)");
	page_end(page);
	page_to(page, mark);
	page_putf(page, INK_DIM, "pid %u, %s%s%zu thread%s, recorded for %s", c->p->pid, runtime, *runtime ? ", " : "",
		  c->p->n_threads, c->p->n_threads == 1 ? "" : "s", human_ns(duration, c->s->duration_ns));
	page_end(page);
	free(name);
	free(runtime);
}

static void report_process(struct page *page, const struct text_context *c)
{
	put_title(page, c);
	page_end(page);
	text_verdict_lines(page, c);
	text_findings(page, c);
	text_threads(page, c);
	text_pairs(page, c);
	text_what_if(page, c);
	text_waits(page, c);
	text_other_locks(page, c);
}

void text_report(FILE *out, const struct summary *s, const struct text_options *options)
{
	struct text_order order;
	struct page page;

	text_order_init(&order, s, options->top, false);
	page_init(&page, out, options->color, options->columns);
	for (size_t i = 0; i < order.full; i++) {
		const struct text_context c = {.s = s, .p = order.processes[i], .top = options->top};

		if (i) {
			page_end(&page);
			page_repeat(&page, INK_DIM, "─", page.columns);
			page_end(&page);
		}
		report_process(&page, &c);
	}
	if (s->n_processes == 0) {
		page_put(&page, INK_STRONG, "gilscope  nothing was recorded: no process appeared in this file");
		page_end(&page);
	}
	if (order.full < order.n)
		text_processes(&page, &order);
	text_about(&page, s);
	page_done(&page);
	text_order_done(&order);
}

void text_verdict(FILE *out, const struct summary *s, const struct text_options *options)
{
	struct text_order order;
	struct page page;

	text_order_init(&order, s, 0, true);
	page_init(&page, out, options->color, options->columns);
	for (size_t i = 0; i < order.full; i++) {
		const struct text_context c = {.s = s, .p = order.processes[i]};

		if (s->n_processes > 1)
			put_title(&page, &c);
		text_verdict_lines(&page, &c);
	}
	if (order.full < order.n)
		text_processes(&page, &order);
	page_done(&page);
	text_order_done(&order);
}
