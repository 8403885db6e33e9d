/* What would be gained: the lines whose holds cost most if they did not need the GIL, and how much faster at most. */
#include <stdlib.h>

#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { SAVINGS_SHOWN = 3, COLUMN = 12, INDENT = 4 };
static const double WAITS_TOLD = 0.01; /* threads kept waiting: below it there is nothing to gain */

static void put_savings_head(struct page *page, const struct text_context *c)
{
	const struct summary_what_if *w = &c->p->what_if;
	autostrbuf remark = STRBUF_INIT;
	char error[HUMAN_LEN], until[HUMAN_LEN];

	if (w->n_savings)
		strbuf_addf(&remark, "each alone, replayed without its holds; with all of them it is off by %s", human_pct(error, w->error, 1));
	if (w->n_savings && w->until_ns != UINT64_MAX)
		strbuf_addf(&remark, "; first %s", human_ns(until, w->until_ns));
	page_heading(page, "What if", remark.s);
}

/* page_right takes the room there is: the columns end at the right margin. */
static void put_saving(struct page *page, const struct text_context *c, const struct summary_saving *s)
{
	const size_t room = page->columns - 2 - 5 * COLUMN;
	const struct summary_stack leaf = {.frames = s->holder, .n = s->holder ? 1 : 0};
	char holds[HUMAN_LEN], blamed[HUMAN_LEN], saved[HUMAN_LEN], queue[HUMAN_LEN], share[HUMAN_LEN];
	char *place = text_place(&leaf, room);

	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_STRONG, room, place);
	page_right(page, INK_PLAIN, COLUMN, human_count(holds, s->holds));
	page_right(page, INK_PLAIN, COLUMN, human_ns(blamed, s->wait_ns));
	page_right(page, INK_GIL, COLUMN, human_ns(saved, s->saved_ns));
	page_right(page, INK_PLAIN, COLUMN, human_pct(share, (double)s->saved_ns, (double)c->p->gil_wait_ns));
	page_right(page, INK_PLAIN, COLUMN, s->queue_ns ? human_ns(queue, s->queue_ns) : "·");
	page_end(page);
	free(place);
}

static void put_savings(struct page *page, const struct text_context *c)
{
	const struct summary_what_if *w = &c->p->what_if;
	char error[HUMAN_LEN];

	if (!w->trusted) {
		page_putf(page, INK_DIM, "  No prediction by line: a replay with nothing changed is off by %s here.",
			  human_pct(error, w->error, 1));
		page_end(page);
		return;
	}
	if (w->n_savings == 0)
		return;
	page_put(page, INK_DIM, "  if this line did not need the GIL");
	page_to(page, page->columns - 5 * COLUMN);
	page_right(page, INK_DIM, COLUMN, "holds");
	page_right(page, INK_DIM, COLUMN, "is blamed");
	page_right(page, INK_DIM, COLUMN, "vanishes");
	page_right(page, INK_DIM, COLUMN, "of all");
	page_right(page, INK_DIM, COLUMN, "and queues");
	page_end(page);
	for (size_t i = 0; i < w->n_savings && i < SAVINGS_SHOWN; i++)
		put_saving(page, c, &w->savings[i]);
}

static void put_bound(struct page *page, const struct summary_bound *b)
{
	autostrbuf assumes = STRBUF_INIT;

	page_put(page, INK_PLAIN, "  at most ");
	page_putf(page, INK_STRONG, "%.2f× faster", b->speedup);
	page_put(page, INK_PLAIN, " by ");
	page_left(page, INK_PLAIN, page->columns - page->at, b->title);
	page_end(page);
	for (unsigned i = 0; i < b->n_assumes; i++)
		strbuf_addf(&assumes, "%s%s", i ? "; " : "if ", b->assumes[i]);
	page_wrap(page, INK_DIM, INDENT, assumes.s);
}

void text_what_if(struct page *page, const struct text_context *c)
{
	const struct summary_what_if *w = &c->p->what_if;

	if (!c->p->gil || (double)c->p->gil_wait_ns < WAITS_TOLD * (double)c->s->duration_ns)
		return;
	put_savings_head(page, c);
	put_savings(page, c);
	for (size_t i = 0; i < w->n_bounds; i++)
		put_bound(page, &w->bounds[i]);
}
