/* Workflow commands that GitHub turns into annotations: "::error file=F,line=N,title=T::message".
 * In the message %, CR and LF are escaped, in properties ':' and ',' too: a name cannot begin a command of its own.
 * GitHub shows 10 of a kind per step. */
#include "viewer/check/check.h"

#include "core/util/escape.h"
#include "viewer/check/words.h"

enum { ANNOTATIONS_MAX = 10 };

static void put(FILE *out, const char *raw, bool property)
{
	autostrbuf text = STRBUF_INIT;

	escape_adds(&text, raw);
	for (const char *c = text.s; *c; c++) {
		if (*c == '%' || *c == '\r' || *c == '\n' || (property && (*c == ':' || *c == ',')))
			fprintf(out, "%%%02X", (unsigned char)*c);
		else
			fputc(*c, out);
	}
}

static void put_command(FILE *out, const char *level, const char *title, const char *message)
{
	fprintf(out, "::%s title=", level);
	put(out, title, true);
	fputs("::", out);
	put(out, message, false);
	fputc('\n', out);
}

static void put_site(FILE *out, const struct check_report *r, const struct site_growth *site)
{
	autostrbuf path = STRBUF_INIT, message = STRBUF_INIT;

	words_site(&message, r, site);
	words_path(&path, r, site->file);
	fputs("::error ", out);
	if (path.n) {
		fputs("file=", out);
		put(out, path.s, true);
		fprintf(out, ",line=%u,", site->line);
	}
	fputs("title=waits more for the GIL here::", out);
	put(out, message.s, false);
	fputc('\n', out);
}

/* What failed or could not be decided, then the lines to blame, as far as there is room. */
static size_t put_rows(FILE *out, const struct check_report *r, enum verdict verdict, const char *level, size_t left)
{
	for (size_t i = 0; r->regression && i < r->regression->n && left; i++) {
		autostrbuf text = STRBUF_INIT;

		if (r->regression->rows[i].verdict != verdict)
			continue;
		words_row(&text, r, &r->regression->rows[i]);
		put_command(out, level, "gilscope check", text.s);
		left--;
	}
	for (size_t i = 0; i < r->n_budgets && left; i++) {
		autostrbuf text = STRBUF_INIT;

		if (r->budgets[i].verdict != verdict)
			continue;
		words_budget(&text, &r->budgets[i]);
		put_command(out, level, "gilscope check", text.s);
		left--;
	}
	return left;
}

void check_github(FILE *out, const struct check_report *r)
{
	size_t left = ANNOTATIONS_MAX, blamed;

	for (size_t i = 0; i < r->n_invalid && left; i++, left--)
		put_command(out, "error", "gilscope check is not valid", r->invalid[i]);
	if (r->n_invalid || r->aa)
		return;
	/* half for what regressed, so that a line to blame always finds room */
	left = ANNOTATIONS_MAX / 2 + put_rows(out, r, VERDICT_FAIL, "error", ANNOTATIONS_MAX / 2);
	blamed = words_blamed(r, left > 3 ? 3 : left);
	for (size_t i = 0; i < blamed; i++)
		put_site(out, r, &r->sites[i]);
	put_rows(out, r, VERDICT_INCONCLUSIVE, "warning", left - blamed);
}
