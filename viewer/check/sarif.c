/* SARIF 2.1.0 for code scanning: a rule per metric, a result per metric that failed and pair of lines to blame for it.
 * Fingerprints are of rule, functions and file names, so that a finding stays the same one when lines move.  What failed and has no
 * place in the code is a notification, because readers refuse results without one. */
#include "viewer/check/check.h"

#include <inttypes.h>
#include <string.h>

#include "core/util/escape.h"
#include "viewer/check/words.h"
#include "viewer/json/stream.h"

enum { BLAMED_MAX = 3 };

static const char help[] =
	"gilscope compared recordings of two versions of the program: threads wait longer for the GIL than before. The result names who "
	"waits and who holds the GIL meanwhile; make the holder's work shorter, let it release the GIL, or move it to another process. "
	"docs/ci.md explains the metrics and how limits are set.";

static void put_message(struct stream *s, const char *key, const char *text)
{
	stream_open(s, key, '{');
	stream_text(s, "text", text);
	stream_close(s);
}

static void put_rules(struct stream *s)
{
	stream_open(s, "rules", '[');
	for (unsigned i = 0; i < METRIC_N; i++) {
		autostrbuf full = STRBUF_INIT;

		strbuf_addf(&full, "%s: %s", metric_infos[i].name, metric_infos[i].help);
		stream_open(s, NULL, '{');
		stream_text(s, "id", metric_infos[i].name);
		put_message(s, "shortDescription", metric_infos[i].help);
		put_message(s, "fullDescription", full.s);
		put_message(s, "help", help);
		stream_open(s, "defaultConfiguration", '{');
		stream_text(s, "level", "error");
		stream_close(s);
		stream_close(s);
	}
	stream_close(s);
}

static uint64_t hash(uint64_t h, const char *text)
{
	do
		h = (h ^ (unsigned char)*text) * 1099511628211ull;
	while (*text++);
	return h;
}

static void put_place(struct stream *s, const struct check_report *r, const struct site_growth *site)
{
	autostrbuf path = STRBUF_INIT, uri = STRBUF_INIT;
	bool relative = words_path(&path, r, site->file);

	if (!relative)
		strbuf_adds(&uri, "file://");
	words_uri(&uri, path.s);
	stream_open(s, "locations", '[');
	stream_open(s, NULL, '{');
	stream_open(s, "physicalLocation", '{');
	stream_open(s, "artifactLocation", '{');
	stream_text(s, "uri", uri.s);
	if (relative)
		stream_text(s, "uriBaseId", "%SRCROOT%");
	stream_close(s);
	stream_open(s, "region", '{');
	stream_int(s, "startLine", site->line);
	stream_close(s);
	stream_close(s);
	stream_close(s);
	stream_close(s);
}

static void put_result(struct stream *s, const struct check_report *r, enum metric metric, const char *sentence, const struct site_growth *site)
{
	uint64_t h = hash(hash(hash(14695981039346656037ull, metric_infos[metric].name), site->waiter_key), site->holder_key);
	autostrbuf text = STRBUF_INIT;
	char print[20];

	strbuf_addf(&text, "%s. ", sentence);
	words_site(&text, r, site);
	snprintf(print, sizeof(print), "%016" PRIx64, h);
	stream_open(s, NULL, '{');
	stream_text(s, "ruleId", metric_infos[metric].name);
	stream_int(s, "ruleIndex", (int64_t)metric);
	stream_text(s, "level", "error");
	put_message(s, "message", text.s);
	put_place(s, r, site);
	stream_open(s, "partialFingerprints", '{');
	stream_text(s, "gilscopeSite/v1", print);
	stream_close(s);
	stream_close(s);
}

static bool has_place(const struct site_growth *site)
{
	return (*site->file == '/' || (*site->file && *site->file != '<')) && site->line;
}

static size_t count_places(const struct check_report *r)
{
	size_t n = 0, blamed = words_blamed(r, BLAMED_MAX);

	for (size_t i = 0; i < blamed; i++)
		n += has_place(&r->sites[i]);
	return n;
}

static void put_metric(struct stream *s, const struct check_report *r, enum metric metric, const char *sentence)
{
	size_t blamed = words_blamed(r, BLAMED_MAX);

	for (size_t i = 0; i < blamed; i++)
		if (has_place(&r->sites[i]))
			put_result(s, r, metric, sentence, &r->sites[i]);
}

static void put_notification(struct stream *s, const char *level, const char *text)
{
	autostrbuf shown = STRBUF_INIT;

	escape_adds(&shown, text);
	stream_open(s, NULL, '{');
	stream_text(s, "level", level);
	put_message(s, "message", shown.s);
	stream_close(s);
}

typedef void on_failed(struct stream *s, const struct check_report *r, enum metric metric, const char *sentence);

static void put_homeless(struct stream *s, const struct check_report *r, enum metric metric, const char *sentence)
{
	(void)r;
	(void)metric;
	put_notification(s, "error", sentence);
}

static void for_each_failed(struct stream *s, const struct check_report *r, on_failed *call)
{
	for (size_t i = 0; r->outcome == CHECK_FAIL && r->regression && i < r->regression->n; i++) {
		autostrbuf text = STRBUF_INIT;

		if (r->regression->rows[i].verdict != VERDICT_FAIL)
			continue;
		words_row(&text, r, &r->regression->rows[i]);
		call(s, r, r->regression->rows[i].metric, text.s);
	}
	for (size_t i = 0; r->outcome == CHECK_FAIL && i < r->n_budgets; i++) {
		autostrbuf text = STRBUF_INIT;

		if (r->budgets[i].verdict != VERDICT_FAIL)
			continue;
		words_budget(&text, &r->budgets[i]);
		call(s, r, r->budgets[i].metric, text.s);
	}
}

static void put_invocation(struct stream *s, const struct check_report *r)
{
	stream_open(s, "invocations", '[');
	stream_open(s, NULL, '{');
	stream_bool(s, "executionSuccessful", !r->n_invalid);
	stream_open(s, "toolExecutionNotifications", '[');
	for (size_t i = 0; i < r->n_invalid; i++)
		put_notification(s, "error", r->invalid[i]);
	for (size_t i = 0; i < r->n_notes; i++)
		put_notification(s, "note", r->notes[i]);
	if (!count_places(r))
		for_each_failed(s, r, put_homeless);
	stream_close(s);
	stream_close(s);
	stream_close(s);
}

void check_sarif(FILE *out, const struct check_report *r)
{
	struct stream s = {.out = out};

	stream_open(&s, NULL, '{');
	stream_text(&s, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	stream_text(&s, "version", "2.1.0");
	stream_open(&s, "runs", '[');
	stream_open(&s, NULL, '{');
	stream_open(&s, "tool", '{');
	stream_open(&s, "driver", '{');
	stream_text(&s, "name", "gilscope");
	stream_text(&s, "version", GILSCOPE_VERSION);
	put_rules(&s);
	stream_close(&s);
	stream_close(&s);
	put_invocation(&s, r);
	stream_open(&s, "results", '[');
	for_each_failed(&s, r, put_metric);
	stream_close(&s);
	stream_text(&s, "columnKind", "unicodeCodePoints");
	stream_close(&s);
	stream_close(&s);
	stream_close(&s);
}
