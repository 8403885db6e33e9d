/* The outcome of a check at the top of the page: why, the metrics, budgets, noise, and the pairs of lines that grew.  Lines below
 * the repository link to it where its address was given; no other address is ever made of what a target named. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "viewer/check/check.h"
#include "viewer/check/words.h"
#include "viewer/diff/diff_priv.h"
#include "viewer/html/markup.h"

enum { SITES_SHOWN = 20 };

static void put_list(struct strbuf *b, const char *title, const char *const *texts, size_t n)
{
	if (!n)
		return;
	strbuf_addf(b, "<h2>%s</h2>\n<ul>\n", title);
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(b, "<li>");
		markup_text(b, texts[i]);
		strbuf_adds(b, "</li>\n");
	}
	strbuf_adds(b, "</ul>\n");
}

static void cell(struct strbuf *b, const char *text)
{
	strbuf_adds(b, "<td class=\"n\">");
	markup_text(b, text);
	strbuf_adds(b, "</td>");
}

static void cell_verdict(struct strbuf *b, enum verdict v)
{
	static const char *const classes[VERDICT_N] = {
		[VERDICT_NOT_MEASURED] = "quiet", [VERDICT_PASS] = "less", [VERDICT_IMPROVED] = "less", [VERDICT_INCONCLUSIVE] = "same",
		[VERDICT_FAIL] = "more",
	};

	strbuf_addf(b, "<td class=\"%s\">%s</td>", classes[v], verdict_names[v]);
}

static void put_metric(struct strbuf *b, const struct check_report *r, const struct regression_row *row)
{
	char text[WORDS_LEN], low[WORDS_LEN], high[WORDS_LEN], interval[2 * WORDS_LEN + 8] = "too few runs";

	strbuf_addf(b, "<tr><th scope=\"row\">%s<br><small>%s</small></th>", metric_infos[row->metric].name, metric_infos[row->metric].help);
	if (row->verdict == VERDICT_NOT_MEASURED) {
		strbuf_adds(b, "<td></td><td></td><td></td><td></td><td></td>");
	} else {
		if (isfinite(row->low) && isfinite(row->high))
			snprintf(interval, sizeof(interval), "%s to %s", words_change(low, row->metric, row->ratio, row->low),
				 words_change(high, row->metric, row->ratio, row->high));
		cell(b, words_value(text, row->metric, row->base));
		cell(b, words_value(text, row->metric, row->head));
		cell(b, words_change(text, row->metric, row->ratio, row->change));
		cell(b, interval);
		cell(b, words_change(text, row->metric, row->ratio, words_limit(r, row)));
	}
	cell_verdict(b, row->verdict);
	strbuf_adds(b, "</tr>\n");
}

static void put_metrics(struct strbuf *b, const struct check_report *r)
{
	static const char *const titles[] = {"metric", "#base", "#head", "#change", "#interval", "#limit", "verdict", NULL};

	if (!r->regression)
		return;
	table_open(b, r->regression->paired ? "Metrics: medians; change and its interval from pairs of runs" :
					      "Metrics: medians; runs are not paired, which is the weaker comparison", titles);
	for (size_t i = 0; i < r->regression->n; i++)
		put_metric(b, r, &r->regression->rows[i]);
	table_close(b, 0);
	for (size_t i = 0; i < r->regression->n; i++) {
		autostrbuf text = STRBUF_INIT;

		if (r->regression->rows[i].verdict != VERDICT_INCONCLUSIVE)
			continue;
		strbuf_addf(&text, "%s: ", metric_infos[r->regression->rows[i].metric].name);
		words_undecided(&text, r, &r->regression->rows[i]);
		strbuf_adds(b, "<p class=\"quiet\">");
		markup_text(b, text.s);
		strbuf_adds(b, "</p>\n");
	}
}

static void put_budgets(struct strbuf *b, const struct check_report *r)
{
	static const char *const titles[] = {"budget", "#measured", "#interval", "#allowed", "verdict", NULL};
	char text[WORDS_LEN], high[WORDS_LEN], interval[2 * WORDS_LEN + 8];

	if (!r->n_budgets)
		return;
	table_open(b, "Budgets", titles);
	for (size_t i = 0; i < r->n_budgets; i++) {
		const struct budget_row *row = &r->budgets[i];

		strbuf_addf(b, "<tr><th scope=\"row\">%s</th>", metric_infos[row->metric].name);
		cell(b, words_value(text, row->metric, row->n ? row->estimate : NAN));
		snprintf(interval, sizeof(interval), "too few runs");
		if (row->n && isfinite(row->low) && isfinite(row->high))
			snprintf(interval, sizeof(interval), "%s to %s", words_value(text, row->metric, row->low),
				 words_value(high, row->metric, row->high));
		cell(b, interval);
		cell(b, words_value(text, row->metric, row->limit));
		cell_verdict(b, row->verdict);
		strbuf_adds(b, "</tr>\n");
	}
	table_close(b, 0);
}

static void put_noise(struct strbuf *b, const struct check_report *r)
{
	static const char *const titles[] = {"metric", "#spread of runs", "#noise", "#proposed limit", NULL};
	char text[WORDS_LEN];

	if (!r->n_floors)
		return;
	table_open(b, "Noise: what runs of the same command differ by here", titles);
	for (size_t i = 0; i < r->n_floors; i++) {
		const struct check_floor *f = &r->floors[i];

		strbuf_addf(b, "<tr><th scope=\"row\">%s</th>", metric_infos[f->metric].name);
		if (f->known) {
			strbuf_addf(b, "<td class=\"n\">%.0f %%</td>", 100 * f->spread);
			cell(b, words_change(text, f->metric, f->ratio, f->noise));
			cell(b, words_change(text, f->metric, f->ratio, f->limit));
		} else {
			strbuf_adds(b, "<td></td><td></td><td class=\"n\">not measured</td>");
		}
		strbuf_adds(b, "</tr>\n");
	}
	table_close(b, 0);
}

static void put_line(struct strbuf *b, const struct check_report *r, const struct site_growth *site)
{
	autostrbuf path = STRBUF_INIT;
	bool below = words_path(&path, r, site->file);

	strbuf_adds(b, "<td><bdi>");
	if (r->source_url && *site->file && below) {
		autostrbuf address = STRBUF_INIT;

		strbuf_addf(&address, "%s%s", r->source_url, r->source_url[strlen(r->source_url) - 1] == '/' ? "" : "/");
		words_uri(&address, path.s);
		strbuf_addf(&address, "#L%u", site->line);
		strbuf_adds(b, "<a href=\"");
		markup_text(b, address.s);
		strbuf_adds(b, "\">");
		markup_text(b, site->holder);
		strbuf_adds(b, "</a>");
	} else {
		markup_text(b, site->holder);
	}
	strbuf_adds(b, "</bdi></td>");
}

static void put_sites(struct strbuf *b, const struct check_report *r)
{
	static const char *const titles[] = {"waits", "for the GIL held at", "#base", "#head", "to blame", NULL};
	size_t blamed = words_blamed(r, SITES_SHOWN), shown = 0;
	autostrbuf caption = STRBUF_INIT;

	if (!r->n_sites || !r->base.n)
		return;
	strbuf_addf(&caption, "Waiting that grew most, as means over the runs, per %s", r->per_op ? "unit of work" : "second");
	strbuf_adds(b, "<section id=\"sites\">\n<h2>Lines</h2>\n");
	table_open(b, caption.s, titles);
	for (; shown < r->n_sites && shown < SITES_SHOWN && (shown < blamed || r->sites[shown].head > r->sites[shown].base); shown++) {
		const struct site_growth *site = &r->sites[shown];

		strbuf_adds(b, "<tr>");
		cell_text(b, site->waiter, NULL);
		put_line(b, r, site);
		cell_seconds(b, true, site->base);
		cell_seconds(b, true, site->head);
		strbuf_addf(b, "<td class=\"%s\">%s</td></tr>\n", shown < blamed ? "more" : "quiet", shown < blamed ? "yes" : "");
	}
	table_close(b, 0);
	if (!shown)
		strbuf_adds(b, "<p>None grew.</p>\n");
	strbuf_adds(b, "</section>\n");
}

static void put_regions(struct strbuf *b, const struct check_report *r)
{
	static const char *const titles[] = {"region", "#entries per run, base", "#head", "#per entry, base", "#head", NULL};

	if (!r->n_regions)
		return;
	table_open(b, "Regions of the program", titles);
	for (size_t i = 0; i < r->n_regions; i++) {
		const struct check_region *g = &r->regions[i];

		strbuf_adds(b, "<tr>");
		cell_text(b, g->name, NULL);
		strbuf_addf(b, "<td class=\"n\">%.6g</td><td class=\"n\">%.6g</td>", g->base_n, g->head_n);
		cell_seconds(b, isfinite(g->base_s), g->base_s);
		cell_seconds(b, isfinite(g->head_s), g->head_s);
		strbuf_adds(b, "</tr>\n");
	}
	table_close(b, 0);
}

void put_verdict(struct strbuf *b, const struct check_report *r)
{
	static const char *const classes[CHECK_OUTCOME_N] = {
		[CHECK_PASS] = "less", [CHECK_FAIL] = "more", [CHECK_INCONCLUSIVE] = "same", [CHECK_NOT_VALID] = "same",
	};

	strbuf_addf(b, "<p class=\"outcome\"><strong class=\"%s\">%s</strong> %s</p>\n", classes[r->outcome], check_outcome_names[r->outcome],
		    words_outcome(r));
	if (r->rounds)
		strbuf_addf(b, "<p class=\"quiet\">%zu rounds, order by seed %llu, %.0f s in all.</p>\n", r->rounds, (unsigned long long)r->seed,
			    r->elapsed_s);
	put_list(b, "Not valid", r->invalid, r->n_invalid);
	put_metrics(b, r);
	put_noise(b, r);
	put_budgets(b, r);
	put_sites(b, r);
	put_regions(b, r);
	put_list(b, "Notes", r->notes, r->n_notes);
}
