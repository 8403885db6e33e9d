/* The outcome for a terminal.  No line begins with text that a target chose. */
#include "viewer/check/check.h"

#include <math.h>
#include <stdlib.h>

#include "viewer/check/words.h"
#include "viewer/text/page.h"

enum { NAME = 18, CELL = 11, INTERVAL = 22, SITES_SHOWN = 8 };

static const enum ink verdict_inks[VERDICT_N] = {
	[VERDICT_NOT_MEASURED] = INK_DIM, [VERDICT_IMPROVED] = INK_GIL, [VERDICT_INCONCLUSIVE] = INK_WARNING, [VERDICT_FAIL] = INK_CRITICAL,
};
static const enum ink outcome_inks[CHECK_OUTCOME_N] = {
	[CHECK_PASS] = INK_GIL, [CHECK_FAIL] = INK_CRITICAL, [CHECK_INCONCLUSIVE] = INK_WARNING, [CHECK_NOT_VALID] = INK_WARNING,
};

static void put_side(struct page *p, const char *what, const struct check_side *side)
{
	char *name = page_escape(side->name, 70);

	page_putf(p, INK_DIM, "  %-6s", what);
	page_put(p, INK_PLAIN, name);
	page_putf(p, INK_DIM, ", %zu run%s", side->n, side->n == 1 ? "" : "s");
	page_end(p);
	free(name);
}

static void put_list(struct page *p, const char *title, enum ink ink, const char *const *texts, size_t n)
{
	if (n)
		page_heading(p, title, "");
	for (size_t i = 0; i < n; i++) {
		char *text = page_escape(texts[i], 600);

		page_wrap(p, ink, 2, text);
		free(text);
	}
}

static void put_row(struct page *p, const struct check_report *r, const struct regression_row *row)
{
	char value[WORDS_LEN], low[WORDS_LEN], high[WORDS_LEN], interval[2 * WORDS_LEN + 4] = "too few runs";

	page_left(p, INK_PLAIN, NAME, metric_infos[row->metric].name);
	if (row->verdict == VERDICT_NOT_MEASURED) {
		page_put(p, INK_DIM, "  not measured");
		page_end(p);
		return;
	}
	if (isfinite(row->low) && isfinite(row->high))
		snprintf(interval, sizeof(interval), "%s to %s", words_change(low, row->metric, row->ratio, row->low),
			 words_change(high, row->metric, row->ratio, row->high));
	page_right(p, INK_PLAIN, CELL, words_value(value, row->metric, row->base));
	page_right(p, INK_PLAIN, CELL, words_value(value, row->metric, row->head));
	page_right(p, INK_STRONG, CELL, words_change(value, row->metric, row->ratio, row->change));
	page_right(p, INK_PLAIN, INTERVAL, interval);
	page_right(p, INK_DIM, CELL, words_change(value, row->metric, row->ratio, words_limit(r, row)));
	page_put(p, INK_PLAIN, "  ");
	page_put(p, verdict_inks[row->verdict], verdict_names[row->verdict]);
	page_end(p);
}

static void put_head(struct page *p, const char *const *cells, const size_t *widths, size_t n)
{
	page_left(p, INK_DIM, NAME, "");
	for (size_t i = 0; i < n; i++)
		page_right(p, INK_DIM, widths[i], cells[i]);
	page_end(p);
}

static void put_undecided(struct page *p, const struct check_report *r)
{
	for (size_t i = 0; i < r->regression->n; i++) {
		const struct regression_row *row = &r->regression->rows[i];
		autostrbuf text = STRBUF_INIT;

		if (row->verdict != VERDICT_INCONCLUSIVE)
			continue;
		strbuf_addf(&text, "%s: ", metric_infos[row->metric].name);
		words_undecided(&text, r, row);
		page_wrap(p, INK_DIM, 2, text.s);
	}
}

static void put_rows(struct page *p, const struct check_report *r)
{
	static const char *const cells[] = {"base", "head", "change", "interval", "limit"};
	static const size_t widths[] = {CELL, CELL, CELL, INTERVAL, CELL};

	if (!r->regression)
		return;
	page_heading(p, "Metrics", r->regression->paired ? "medians; change and its interval from pairs of runs" :
							   "medians; runs are not paired, which is the weaker comparison");
	put_head(p, cells, widths, 5);
	for (size_t i = 0; i < r->regression->n; i++)
		put_row(p, r, &r->regression->rows[i]);
	put_undecided(p, r);
}

static void put_floors(struct page *p, const struct check_report *r)
{
	static const char *const cells[] = {"spread", "noise", "limit"};
	static const size_t widths[] = {CELL, CELL, CELL};
	char value[WORDS_LEN];

	if (!r->n_floors)
		return;
	page_heading(p, "Noise", "spread between runs, noise of a comparison, and the limit that leaves room for it");
	put_head(p, cells, widths, 3);
	for (size_t i = 0; i < r->n_floors; i++) {
		const struct check_floor *f = &r->floors[i];

		page_left(p, INK_PLAIN, NAME, metric_infos[f->metric].name);
		if (f->known) {
			snprintf(value, sizeof(value), "%.0f %%", 100 * f->spread);
			page_right(p, INK_PLAIN, CELL, value);
			page_right(p, INK_PLAIN, CELL, words_change(value, f->metric, f->ratio, f->noise));
			page_right(p, INK_STRONG, CELL, words_change(value, f->metric, f->ratio, f->limit));
		} else {
			page_put(p, INK_DIM, "  not measured, or too few rounds");
		}
		page_end(p);
	}
}

static void put_budgets(struct page *p, const struct check_report *r)
{
	char value[WORDS_LEN];

	if (r->n_budgets)
		page_heading(p, "Budgets", "measured, allowed");
	for (size_t i = 0; i < r->n_budgets; i++) {
		const struct budget_row *row = &r->budgets[i];

		page_left(p, INK_PLAIN, NAME, metric_infos[row->metric].name);
		page_right(p, INK_PLAIN, CELL, words_value(value, row->metric, row->n ? row->estimate : NAN));
		page_right(p, INK_PLAIN, CELL, words_value(value, row->metric, row->limit));
		page_put(p, INK_PLAIN, "  ");
		page_put(p, verdict_inks[row->verdict], verdict_names[row->verdict]);
		page_end(p);
	}
}

static void put_sites(struct page *p, const struct check_report *r)
{
	size_t n = words_blamed(r, SITES_SHOWN);

	if (n)
		page_heading(p, "What waits more", r->per_op ? "per unit of work" : "per second");
	for (size_t i = 0; i < n; i++) {
		autostrbuf text = STRBUF_INIT;

		words_site(&text, r, &r->sites[i]);
		page_putf(p, INK_DIM, "  %zu", i + 1);
		page_wrap(p, INK_PLAIN, 5, text.s);
	}
}

static void put_regions(struct page *p, const struct check_report *r)
{
	char a[WORDS_LEN], b[WORDS_LEN];

	if (r->n_regions)
		page_heading(p, "Regions", "entries in a run, time of each");
	for (size_t i = 0; i < r->n_regions; i++) {
		const struct check_region *g = &r->regions[i];
		char *name = page_escape(g->name, 30);

		page_put(p, INK_DIM, "· ");
		page_left(p, INK_PLAIN, 32, name);
		if (r->base.n)
			page_putf(p, INK_PLAIN, "%.6g, %s -> ", g->base_n, words_value(a, METRIC_WAIT_P99, g->base_s));
		page_putf(p, INK_PLAIN, "%.6g, %s", g->head_n, words_value(b, METRIC_WAIT_P99, g->head_s));
		page_end(p);
		free(name);
	}
}

void check_text(FILE *out, const struct check_report *r, const struct check_text_options *o)
{
	struct page p;

	page_init(&p, out, o->color, o->columns);
	page_put(&p, INK_STRONG, "gilscope check: ");
	page_put(&p, outcome_inks[r->outcome], check_outcome_names[r->outcome]);
	page_putf(&p, INK_PLAIN, ".  %s", words_outcome(r));
	page_end(&p);
	if (r->base.n)
		put_side(&p, "base", &r->base);
	put_side(&p, r->base.n ? "head" : "runs", &r->head);
	if (r->rounds)
		page_putf(&p, INK_DIM, "  %zu rounds, order by seed %llu", r->rounds, (unsigned long long)r->seed), page_end(&p);
	put_list(&p, "Not valid", INK_WARNING, r->invalid, r->n_invalid);
	put_rows(&p, r);
	put_floors(&p, r);
	put_budgets(&p, r);
	put_sites(&p, r);
	put_regions(&p, r);
	put_list(&p, "Notes", INK_PLAIN, r->notes, r->n_notes);
	page_done(&p);
}
