/* What `gilscope check` writes: names that try to break out of each format, and the counts each reader relies on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/check/check.h"
#include "viewer/check/words.h"

#define HOSTILE "a\n::error::x<&>\"'%|`@u\x1b[31m"

static const struct run_metrics run = {.duration_s = 1, .complete = true, .origin = {HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE}};
static struct regression_limits limits;
static struct regression regression;
static struct site_growth site;
static struct budget_row budget;
static const char *const reasons[] = {HOSTILE};

/* A report in which the wait ratio failed and a hostile place is to blame. */
static struct check_report failed(void)
{
	regression_limits_init(&limits);
	regression = (struct regression){
		.paired = true, .verdict = VERDICT_FAIL, .n = 3, .rows = {
			{.metric = METRIC_WAIT_RATIO, .verdict = VERDICT_FAIL, .n_base = 20, .n_head = 20, .base = 0.3, .head = 0.4, .ratio = true,
			 .change = 0.33, .low = 0.2, .high = 0.5},
			{.metric = METRIC_WAIT_P99, .verdict = VERDICT_INCONCLUSIVE, .n_base = 20, .n_head = 20, .base = 5e-3, .head = 6e-3,
			 .ratio = true, .change = 0.2, .low = -0.1, .high = 0.6, .detectable = 0.3, .rounds_needed = 50},
			{.metric = METRIC_WAIT_PER_OP, .verdict = VERDICT_NOT_MEASURED},
		},
	};
	site = (struct site_growth){.waiter = "serve (a.py:3)", .holder = "x<&>,:%| (b.py:9)", .waiter_key = "serve (a.py)", .holder_key = "x (b.py)",
				    .file = "/repo/src/b,c:%\n.py", .line = 9, .base = 0.1, .head = 0.2};
	budget = (struct budget_row){.metric = METRIC_HOLD_P99, .limit = 0.02, .verdict = VERDICT_PASS, .n = 20, .estimate = 0.01, .low = 0.009, .high = 0.011};
	return (struct check_report){
		.outcome = CHECK_FAIL, .base = {HOSTILE, &run, 1}, .head = {HOSTILE, &run, 1}, .rounds = 20, .seed = 7, .regression = &regression,
		.limits = &limits, .budgets = &budget, .n_budgets = 1, .sites = &site, .n_sites = 1, .notes = reasons, .n_notes = 1, .directory = "/repo",
		.estimated = true,
	};
}

typedef void writer(FILE *out, const struct check_report *r);

static void markdown(FILE *out, const struct check_report *r)
{
	check_markdown(out, r, CHECK_MARKDOWN_MAX);
}

static void text(FILE *out, const struct check_report *r)
{
	check_text(out, r, &(struct check_text_options){.columns = 100});
}

static char *written(writer *write, const struct check_report *r)
{
	char *s = NULL;
	size_t n;
	FILE *out = open_memstream(&s, &n);

	assert_non_null(out);
	write(out, r);
	fclose(out);
	return s;
}

static size_t count(const char *in, const char *what)
{
	size_t n = 0;

	for (const char *at = in; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

static void no_control_character_passes(void **state)
{
	static writer *const writers[] = {text, markdown, check_json, check_junit, check_github, check_sarif};
	struct check_report r = failed();

	(void)state;
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		char *s = written(writers[i], &r);

		for (const char *c = s; *c; c++)
			assert_true(*c == '\n' || (unsigned char)*c >= ' ');
		assert_non_null(strstr(s, "gil_wait_ratio"));
		free(s);
	}
}

static void github_commands_cannot_be_forged(void **state)
{
	struct check_report r = failed();
	char *s = written(check_github, &r);

	(void)state;
	for (const char *line = s; *line; line += strcspn(line, "\n") + 1)
		assert_true(!strncmp(line, "::error ", 8) || !strncmp(line, "::warning ", 10));
	assert_int_equal(count(s, "\n"), 3); /* what failed, the line to blame, what was not decided */
	assert_non_null(strstr(s, "file=src/b%2Cc%3A%25\\x0a.py,line=9,"));
	assert_non_null(strstr(s, "33 %25"));
	free(s);
	r.outcome = CHECK_NOT_VALID;
	r.invalid = reasons;
	r.n_invalid = 1;
	s = written(check_github, &r);
	assert_int_equal(count(s, "\n"), 1);
	assert_null(strstr(s, "\n::error::x"));
	free(s);
}

static void github_shows_ten_at_most(void **state)
{
	const char *many[30];
	struct check_report r = failed();
	char *s;

	(void)state;
	for (size_t i = 0; i < 30; i++)
		many[i] = "no";
	r.invalid = many;
	r.n_invalid = 30;
	s = written(check_github, &r);
	assert_int_equal(count(s, "\n"), 10);
	free(s);
}

static void junit_counts_and_escapes(void **state)
{
	struct check_report r = failed();
	char *s = written(check_junit, &r);

	(void)state;
	assert_int_equal(count(s, "<testcase "), 5);
	assert_int_equal(count(s, "<failure "), 1);
	assert_int_equal(count(s, "<skipped "), 2);
	assert_non_null(strstr(s, "tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"2\""));
	assert_non_null(strstr(s, "x&lt;&amp;&gt;,:%| (b.py:9)"));
	assert_null(strstr(s, "x<&>"));
	free(s);
	r.outcome = CHECK_NOT_VALID;
	r.invalid = reasons;
	r.n_invalid = 1;
	s = written(check_junit, &r);
	assert_non_null(strstr(s, "tests=\"5\" failures=\"0\" errors=\"1\" skipped=\"4\""));
	assert_int_equal(count(s, "<skipped "), 4);
	assert_non_null(strstr(s, "x&lt;&amp;&gt;&quot;&apos;%|"));
	free(s);
}

static void markdown_keeps_names_in_code(void **state)
{
	struct check_report r = failed();
	char *s = written(markdown, &r);

	(void)state;
	assert_non_null(strstr(s, "<code>x&#60;&#38;&#62;,&#58;%&#124; &#40;b.py&#58;9&#41;</code>"));
	assert_null(strstr(s, "@u"));
	assert_null(strstr(s, "x<&>"));
	free(s);
}

static void markdown_is_cut_with_a_note(void **state)
{
	static const char *many[40000];
	struct check_report r = failed();
	char *s;

	(void)state;
	for (size_t i = 0; i < 40000; i++)
		many[i] = "a reason of about thirty-two bytes";
	r.notes = many;
	r.n_notes = 40000;
	s = written(markdown, &r);
	assert_true(strlen(s) <= CHECK_MARKDOWN_MAX);
	assert_true(strlen(s) > CHECK_MARKDOWN_MAX - 200);
	assert_non_null(strstr(s, "left out"));
	free(s);
}

static json_t *parsed(writer *write, const struct check_report *r)
{
	char *s = written(write, r);
	json_t *j = json_loads(s, 0, NULL);

	free(s);
	assert_non_null(j);
	return j;
}

static json_t *at(json_t *j, const char *path)
{
	char key[64];

	for (const char *p = path; *p; p += strcspn(p, ".") + (p[strcspn(p, ".")] == '.')) {
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(p, "."), p);
		j = json_is_array(j) ? json_array_get(j, (size_t)strtoul(key, NULL, 10)) : json_object_get(j, key);
		assert_non_null(j);
	}
	return j;
}

static void sarif_names_places_relative_to_the_repository(void **state)
{
	struct check_report r = failed();
	json_t *j = parsed(check_sarif, &r), *same;

	(void)state;
	assert_int_equal(json_array_size(at(j, "runs.0.results")), 1);
	assert_string_equal(json_string_value(at(j, "runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri")), "src/b%2Cc%3A%25%0A.py");
	assert_string_equal(json_string_value(at(j, "runs.0.results.0.locations.0.physicalLocation.artifactLocation.uriBaseId")), "%SRCROOT%");
	site.waiter = "serve (a.py:33)"; /* lines moved: the same finding */
	site.line = 99;
	same = parsed(check_sarif, &r);
	assert_true(json_equal(at(j, "runs.0.results.0.partialFingerprints"), at(same, "runs.0.results.0.partialFingerprints")));
	json_decref(same);
	json_decref(j);
	site.file = "/usr/lib/b.py";
	j = parsed(check_sarif, &r);
	assert_string_equal(json_string_value(at(j, "runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri")), "file:///usr/lib/b.py");
	json_decref(j);
	site.file = ""; /* no place: told, but not as a result */
	j = parsed(check_sarif, &r);
	assert_int_equal(json_array_size(at(j, "runs.0.results")), 0);
	assert_int_equal(json_array_size(at(j, "runs.0.invocations.0.toolExecutionNotifications")), 2);
	json_decref(j);
}

static void nothing_is_blamed_unless_something_failed(void **state)
{
	struct check_report r = failed();

	(void)state;
	assert_int_equal(words_blamed(&r, 9), 1);
	r.outcome = CHECK_INCONCLUSIVE;
	assert_int_equal(words_blamed(&r, 9), 0);
	r.outcome = CHECK_FAIL;
	site.head = site.base;
	assert_int_equal(words_blamed(&r, 9), 0);
}

static void json_says_what_was_decided(void **state)
{
	struct check_report r = failed();
	json_t *j = parsed(check_json, &r);

	(void)state;
	assert_string_equal(json_string_value(at(j, "outcome")), "fail");
	assert_true(json_is_true(at(j, "estimated")));
	assert_string_equal(json_string_value(at(j, "metrics.0.verdict")), "fail");
	assert_true(json_real_value(at(j, "metrics.0.limit")) > 0.09);
	assert_string_equal(json_string_value(at(j, "metrics.2.verdict")), "not measured");
	assert_int_equal(json_array_size(at(j, "head.runs")), 1);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_control_character_passes), cmocka_unit_test(github_commands_cannot_be_forged),
		cmocka_unit_test(github_shows_ten_at_most), cmocka_unit_test(junit_counts_and_escapes),
		cmocka_unit_test(markdown_keeps_names_in_code), cmocka_unit_test(markdown_is_cut_with_a_note),
		cmocka_unit_test(sarif_names_places_relative_to_the_repository), cmocka_unit_test(nothing_is_blamed_unless_something_failed),
		cmocka_unit_test(json_says_what_was_decided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
