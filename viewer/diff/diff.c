/* See diff.h. */
#include "viewer/diff/diff.h"

#include <inttypes.h>

#include "core/analysis/difference.h"
#include "core/analysis/stack_difference.h"
#include "core/util/human.h"
#include "viewer/check/check.h"
#include "viewer/check/words.h"
#include "viewer/diff/assets.h"
#include "viewer/diff/diff_priv.h"
#include "viewer/html/markup.h"

static void put_head(FILE *out, const char *title)
{
	const struct embedded style = diff_style(), script = diff_script();

	fprintf(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '%s'; style-src '%s'; "
		"base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<meta name=\"generator\" content=\"gilscope " GILSCOPE_VERSION "\">\n<title>%s – gilscope</title>\n<style>",
		script.hash, style.hash, title);
	fwrite(style.text, 1, style.n, out);
	fputs("</style>\n</head>\n<body>\n<main>\n", out);
}

static void put_runs(struct strbuf *b, const char *what, const struct difference_runs *r, const char *command)
{
	char text[SECONDS_LEN], n[HUMAN_LEN];

	strbuf_addf(b, "<dt>%s</dt><dd><code>", what);
	markup_text(b, command ? command : r->path);
	strbuf_addf(b, "</code> – %zu recording%s, %s", r->n, r->n == 1 ? "" : "s", seconds_text(text, r->seconds));
	if (r->ops > 0)
		strbuf_addf(b, ", %.6g units of work", r->ops);
	if (*r->runtime) {
		strbuf_adds(b, ", ");
		markup_text(b, r->runtime);
	}
	if (*r->kernel) {
		strbuf_adds(b, ", ");
		markup_text(b, r->kernel);
	}
	if (*r->cpu_model) {
		strbuf_adds(b, ", ");
		markup_text(b, r->cpu_model);
	}
	if (r->cpus)
		strbuf_addf(b, ", %" PRIu32 " CPUs", r->cpus);
	if (*r->collector) {
		strbuf_adds(b, ", collector ");
		markup_text(b, r->collector);
	}
	if (r->cut_off)
		strbuf_addf(b, "; <strong>%zu of them cut off</strong>", r->cut_off);
	if (r->lost_events)
		strbuf_addf(b, "; <strong>%s events lost</strong>", human_count(n, r->lost_events));
	strbuf_adds(b, "</dd>\n");
}

static void put_total(struct strbuf *b, const struct difference *d)
{
	char base[SECONDS_LEN], head[SECONDS_LEN], change[SECONDS_LEN];

	strbuf_addf(b, "<p class=\"total\">Waiting for the GIL %s: ", per_unit(d));
	if (diff_compares(d))
		strbuf_addf(b, "%s → %s <strong class=\"%s\">%s</strong></p>\n", seconds_text(base, d->base.wait), seconds_text(head, d->head.wait),
			    change_names[difference_change(d->base.wait, d->head.wait, d->nothing)],
			    change_text(change, d, d->base.wait, d->head.wait));
	else
		strbuf_addf(b, "%s</p>\n", seconds_text(head, d->head.wait));
	if (diff_compares(d) && d->base_runs.n == 1 && d->head_runs.n == 1)
		strbuf_adds(b, "<p class=\"quiet\">One run of each says nothing about noise between runs: <code>gilscope check</code> compares many.</p>\n");
}

static void put_legend(struct strbuf *b)
{
	strbuf_adds(b, "<p class=\"legend quiet\"><span class=\"key new\">+ new</span> <span class=\"key gone\">− gone</span> "
		       "<span class=\"key more\">more</span> <span class=\"key less\">less</span> "
		       "<span class=\"key same\">within a tenth</span> A frame is as wide as base and head together.</p>\n");
}

void diff_html(FILE *out, const struct diff_page *page)
{
	const struct difference *d = page->difference;
	const struct check_report *check = page->check;
	autostrbuf b = STRBUF_INIT;

	put_head(out, check ? "check" : "diff");
	strbuf_addf(&b, "<h1>%s</h1>\n", check ? "gilscope check" : "gilscope diff");
	if (check)
		put_verdict(&b, check);
	strbuf_adds(&b, "<dl class=\"runs\">\n");
	if (d->base_runs.n)
		put_runs(&b, "base", &d->base_runs, check ? check->base.name : NULL);
	if (d->head_runs.n)
		put_runs(&b, d->base_runs.n ? "head" : "runs", &d->head_runs, check ? check->head.name : NULL);
	strbuf_adds(&b, "</dl>\n");
	put_total(&b, d);
	put_tables(&b, d);
	if (diff_compares(d))
		put_legend(&b);
	for (unsigned g = 0; g < STACKS_N; g++)
		put_graph(&b, d, page->stacks, (enum stack_graph)g);
	fwrite(b.s, 1, b.n, out);
	fputs("</main>\n<script>", out);
	fwrite(diff_script().text, 1, diff_script().n, out);
	fputs("</script>\n</body>\n</html>\n", out);
}
