/* A job summary in GitHub's Markdown (GitLab shows it too).  Whatever strangers chose stands in <code>, where neither mentions nor
 * links are made, every character that Markdown or HTML gives a meaning as an entity. */
#include "viewer/check/check.h"

#include <math.h>
#include <string.h>

#include "core/util/escape.h"
#include "viewer/check/words.h"

static void put(struct strbuf *b, const char *raw)
{
	autostrbuf text = STRBUF_INIT;

	escape_adds(&text, raw);
	for (const char *c = text.s; *c; c++) {
		if (strchr("&<>\"'\\`*_{}[]()#+!|~@$:^=", *c))
			strbuf_addf(b, "&#%d;", *c);
		else
			strbuf_addc(b, *c);
	}
}

static void put_code(struct strbuf *b, const char *raw)
{
	strbuf_adds(b, "<code>");
	put(b, raw);
	strbuf_adds(b, "</code>");
}

static void put_list(struct strbuf *b, const char *title, const char *const *texts, size_t n)
{
	if (!n)
		return;
	strbuf_addf(b, "\n**%s**\n\n", title);
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(b, "- ");
		put(b, texts[i]);
		strbuf_addc(b, '\n');
	}
}

static void put_row(struct strbuf *b, const struct check_report *r, const struct regression_row *row)
{
	char base[WORDS_LEN], head[WORDS_LEN], change[WORDS_LEN], low[WORDS_LEN], high[WORDS_LEN], limit[WORDS_LEN];

	strbuf_addf(b, "| %s | ", metric_infos[row->metric].name);
	if (row->verdict == VERDICT_NOT_MEASURED) {
		strbuf_adds(b, "| | | | | not measured |\n");
		return;
	}
	strbuf_addf(b, "%s | %s | %s | ", words_value(base, row->metric, row->base), words_value(head, row->metric, row->head),
		    words_change(change, row->metric, row->ratio, row->change));
	if (isfinite(row->low) && isfinite(row->high))
		strbuf_addf(b, "%s to %s | ", words_change(low, row->metric, row->ratio, row->low),
			    words_change(high, row->metric, row->ratio, row->high));
	else
		strbuf_adds(b, "too few runs | ");
	strbuf_addf(b, "%s | %s%s%s |\n", words_change(limit, row->metric, row->ratio, words_limit(r, row)),
		    row->verdict == VERDICT_FAIL ? "**" : "", verdict_names[row->verdict], row->verdict == VERDICT_FAIL ? "**" : "");
}

static void put_rows(struct strbuf *b, const struct check_report *r)
{
	if (!r->regression)
		return;
	strbuf_addf(b, "\n| metric | base | head | change | %g %% interval | limit | verdict |\n|---|---:|---:|---:|---:|---:|---|\n",
		    100 * (1 - r->limits->alpha));
	for (size_t i = 0; i < r->regression->n; i++)
		put_row(b, r, &r->regression->rows[i]);
}

static void put_budgets(struct strbuf *b, const struct check_report *r)
{
	char value[WORDS_LEN], limit[WORDS_LEN];

	if (r->n_budgets)
		strbuf_adds(b, "\n| budget | measured | allowed | verdict |\n|---|---:|---:|---|\n");
	for (size_t i = 0; i < r->n_budgets; i++) {
		const struct budget_row *row = &r->budgets[i];

		strbuf_addf(b, "| %s | %s | %s | %s |\n", metric_infos[row->metric].name, words_value(value, row->metric, row->n ? row->estimate : NAN),
			    words_value(limit, row->metric, row->limit), verdict_names[row->verdict]);
	}
}

static void put_floors(struct strbuf *b, const struct check_report *r)
{
	char noise[WORDS_LEN], limit[WORDS_LEN];

	if (r->n_floors)
		strbuf_adds(b, "\n| metric | spread of runs | noise | proposed limit |\n|---|---:|---:|---:|\n");
	for (size_t i = 0; i < r->n_floors; i++) {
		const struct check_floor *f = &r->floors[i];

		if (!f->known)
			strbuf_addf(b, "| %s | | | not measured |\n", metric_infos[f->metric].name);
		else
			strbuf_addf(b, "| %s | %.0f %% | %s | %s |\n", metric_infos[f->metric].name, 100 * f->spread,
				    words_change(noise, f->metric, f->ratio, f->noise), words_change(limit, f->metric, f->ratio, f->limit));
	}
}

static void put_sites(struct strbuf *b, const struct check_report *r)
{
	size_t n = words_blamed(r, 10);

	if (n)
		strbuf_addf(b, "\n| waits | for the GIL held at | base, ms per %1$s | head, ms per %1$s |\n|---|---|---:|---:|\n",
			    r->per_op ? "unit of work" : "second");
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(b, "| ");
		put_code(b, r->sites[i].waiter);
		strbuf_adds(b, " | ");
		put_code(b, r->sites[i].holder);
		strbuf_addf(b, " | %.3g | %.3g |\n", 1e3 * r->sites[i].base, 1e3 * r->sites[i].head);
	}
}

static void put_regions(struct strbuf *b, const struct check_report *r)
{
	if (r->n_regions)
		strbuf_adds(b, "\n| region | entries per run, base | head | ms per entry, base | head |\n|---|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < r->n_regions; i++) {
		const struct check_region *g = &r->regions[i];

		strbuf_adds(b, "| ");
		put_code(b, g->name);
		strbuf_addf(b, " | %.6g | %.6g | %.4g | %.4g |\n", g->base_n, g->head_n, 1e3 * g->base_s, 1e3 * g->head_s);
	}
}

static void put_side(struct strbuf *b, const char *what, const struct check_side *side)
{
	strbuf_addf(b, "- %s: ", what);
	put_code(b, side->name);
	strbuf_addf(b, ", %zu runs\n", side->n);
}

void check_markdown(FILE *out, const struct check_report *r, size_t max_bytes)
{
	static const char cut[] = "\n_The rest is left out: a job summary has no more room._\n";
	autostrbuf b = STRBUF_INIT;

	strbuf_addf(&b, "### gilscope check: %s\n\n%s\n\n", check_outcome_names[r->outcome], words_outcome(r));
	if (r->base.n)
		put_side(&b, "base", &r->base);
	put_side(&b, r->base.n ? "head" : "runs of", &r->head);
	if (r->rounds)
		strbuf_addf(&b, "- %zu rounds, order by seed %llu\n", r->rounds, (unsigned long long)r->seed);
	put_list(&b, "Not valid", r->invalid, r->n_invalid);
	put_rows(&b, r);
	put_floors(&b, r);
	put_budgets(&b, r);
	put_sites(&b, r);
	put_regions(&b, r);
	put_list(&b, "Notes", r->notes, r->n_notes);
	if (b.n > max_bytes) {
		size_t n = max_bytes > sizeof(cut) ? max_bytes - sizeof(cut) : 0;

		while (n && b.s[n - 1] != '\n')
			n--;
		strbuf_truncate(&b, n);
		strbuf_adds(&b, cut);
	}
	fputs(b.s, out);
}
