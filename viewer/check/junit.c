/* JUnit XML as Jenkins, GitLab and GitHub's reporters read it: a test case per metric and per budget, and one for validity.
 * A regression is a failure, what was not decided or not measured is skipped, what cannot be judged is an error. */
#include "viewer/check/check.h"

#include "core/util/escape.h"
#include "viewer/check/words.h"

/* After escape_adds no control or other character that XML 1.0 forbids is left. */
static void put(FILE *out, const char *raw)
{
	autostrbuf text = STRBUF_INIT;

	escape_adds(&text, raw);
	for (const char *c = text.s; *c; c++) {
		switch (*c) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		case '\'': fputs("&apos;", out); break;
		default: fputc(*c, out);
		}
	}
}

struct counts { unsigned tests, failures, errors, skipped; };

static void count(struct counts *n, enum verdict v, bool valid)
{
	n->tests++;
	n->failures += valid && v == VERDICT_FAIL;
	n->skipped += !valid || v == VERDICT_INCONCLUSIVE || v == VERDICT_NOT_MEASURED;
}

static struct counts count_all(const struct check_report *r)
{
	struct counts n = {.tests = 1, .errors = r->n_invalid > 0};

	for (size_t i = 0; r->regression && !r->aa && i < r->regression->n; i++)
		count(&n, r->regression->rows[i].verdict, !r->n_invalid);
	for (size_t i = 0; i < r->n_budgets; i++)
		count(&n, r->budgets[i].verdict, !r->n_invalid);
	return n;
}

static void put_blame(FILE *out, const struct check_report *r)
{
	size_t n = words_blamed(r, 5);

	for (size_t i = 0; i < n; i++) {
		autostrbuf text = STRBUF_INIT;

		words_site(&text, r, &r->sites[i]);
		fputc('\n', out);
		put(out, text.s);
	}
}

static void put_case(FILE *out, const struct check_report *r, enum metric metric, const char *suffix, enum verdict v, const char *sentence)
{
	fprintf(out, "    <testcase classname=\"gilscope.check\" name=\"%s%s\" time=\"0\">\n", metric_infos[metric].name, suffix);
	if (r->n_invalid) {
		fputs("      <skipped message=\"the runs are not valid\"/>\n", out);
	} else if (v == VERDICT_FAIL) {
		fputs("      <failure type=\"regression\" message=\"", out);
		put(out, sentence);
		fputs("\">", out);
		put(out, sentence);
		put_blame(out, r);
		fputs("</failure>\n", out);
	} else if (v == VERDICT_INCONCLUSIVE || v == VERDICT_NOT_MEASURED) {
		fprintf(out, "      <skipped message=\"%s: ", verdict_names[v]);
		put(out, sentence);
		fputs("\"/>\n", out);
	} else {
		fputs("      <system-out>", out);
		put(out, sentence);
		fputs("</system-out>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static void put_validity(FILE *out, const struct check_report *r)
{
	fprintf(out, "    <testcase classname=\"gilscope.check\" name=\"validity\" time=\"%.3f\">\n", r->elapsed_s);
	if (r->n_invalid) {
		fputs("      <error type=\"not valid\" message=\"", out);
		put(out, r->invalid[0]);
		fputs("\">", out);
		for (size_t i = 0; i < r->n_invalid; i++) {
			put(out, r->invalid[i]);
			fputc('\n', out);
		}
		fputs("</error>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static void put_numbers(FILE *out, const char *element, const char *name, const struct counts *n, double time)
{
	fprintf(out, "<%s name=\"%s\" tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\">\n", element, name, n->tests,
		n->failures, n->errors, n->skipped, time);
}

void check_junit(FILE *out, const struct check_report *r)
{
	struct counts n = count_all(r);

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	put_numbers(out, "testsuites", "gilscope", &n, r->elapsed_s);
	fputs("  ", out);
	put_numbers(out, "testsuite", "gilscope check", &n, r->elapsed_s);
	put_validity(out, r);
	for (size_t i = 0; r->regression && !r->aa && i < r->regression->n; i++) {
		autostrbuf text = STRBUF_INIT;

		words_row(&text, r, &r->regression->rows[i]);
		put_case(out, r, r->regression->rows[i].metric, "", r->regression->rows[i].verdict, text.s);
	}
	for (size_t i = 0; i < r->n_budgets; i++) {
		autostrbuf text = STRBUF_INIT;

		words_budget(&text, &r->budgets[i]);
		put_case(out, r, r->budgets[i].metric, " budget", r->budgets[i].verdict, text.s);
	}
	fputs("  </testsuite>\n</testsuites>\n", out);
}
