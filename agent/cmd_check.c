/* gilscope check: has waiting for the GIL become worse?  Runs or recordings in, an exit code and reports out. */
#include <stdlib.h>
#include <string.h>

#include "agent/check_options.h"
#include "agent/check_page.h"
#include "agent/check_report.h"
#include "agent/check_rounds.h"
#include "agent/command.h"
#include "agent/output_file.h"
#include "agent/stop.h"
#include "agent/ui.h"
#include "core/base/clock.h"
#include "core/util/xalloc.h"

enum { EXIT_CODE_UNDECIDED = 3 };

struct check {
	struct check_options options;
	struct check_runs base, head;
	struct check_made made;
	struct check_page page;
	struct fail why;
};

static int load(struct check *c, struct check_runs *ret, const path_vec *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		int err = metrics_of_recording(&ret->metrics[i], paths->items[i], c->options.ops, &c->why);

		if (err)
			return err;
		ret->n++;
		err = check_page_add(&c->page, paths->items[i], ret == &c->head, c->options.ops, &c->why);
		if (err)
			return err;
	}
	return 0;
}

static int run_rounds(struct check *c)
{
	const struct check_options *o = &c->options;
	const struct check_rounds_options rounds = {
		.recorder = o->recorder, .base_command = o->base_command, .head_command = o->aa ? o->base_command : o->head_command,
		.keep = o->keep, .rounds = o->rounds, .warmup = o->warmup, .seed = o->seed, .ops = o->ops, .disturbed = o->disturbed,
		.page = &c->page,
	};

	stop_on_signals();
	ui_note("%u rounds after %u warm-up ones, order by seed %llu", o->rounds, o->warmup, (unsigned long long)o->seed);
	return check_rounds(&rounds, &c->base, &c->head, &c->why);
}

static void write_format(struct check *c, FILE *out, enum check_output format)
{
	const struct check_report *r = &c->made.report;

	switch (format) {
	case CHECK_OUT_JSON: check_json(out, r); break;
	case CHECK_OUT_JUNIT: check_junit(out, r); break;
	case CHECK_OUT_MARKDOWN: check_markdown(out, r, CHECK_MARKDOWN_MAX); break;
	case CHECK_OUT_SARIF: check_sarif(out, r); break;
	case CHECK_OUT_HTML: check_page_write(&c->page, out, r); break;
	case CHECK_OUT_N: break;
	}
}

static int write_files(struct check *c)
{
	for (unsigned i = 0; i < CHECK_OUT_N; i++) {
		struct output_file file;

		if (!c->options.outputs[i])
			continue;
		if (output_file_open(&file, c->options.outputs[i], &c->why))
			return c->why.err;
		write_format(c, file.out, (enum check_output)i);
		if (output_file_finish(&file, &c->why))
			return c->why.err;
	}
	return 0;
}

/* Names that a target chose stand in the table; GitHub must not take one for a command. */
static void print(const struct check *c)
{
	const struct check_text_options text = {.color = ui_color(stdout), .columns = ui_columns(stdout)};
	const bool github = c->options.github;
	const unsigned long long token = c->options.seed ^ clock_now_ns();

	if (github) {
		check_github(stdout, &c->made.report);
		printf("::stop-commands::gilscope-%llx\n", token);
	}
	check_text(stdout, &c->made.report, &text);
	if (github)
		printf("::gilscope-%llx::\n", token);
}

static int exit_code(const struct check *c)
{
	switch (c->made.report.outcome) {
	case CHECK_FAIL:
		return EXIT_CODE_FAILED;
	case CHECK_INCONCLUSIVE:
		return c->options.fail_on_inconclusive ? EXIT_CODE_UNDECIDED : EXIT_CODE_OK;
	case CHECK_NOT_VALID:
		return EXIT_CODE_UNDECIDED;
	default:
		return EXIT_CODE_OK;
	}
}

static int check(struct check *c)
{
	const struct check_options *o = &c->options;
	uint64_t began_ns = clock_now_ns();
	int err, code;

	if (o->base_command || o->head_command)
		err = run_rounds(c);
	else if (!(err = load(c, &c->head, &o->heads)))
		err = load(c, &c->base, &o->bases);
	if (err == ROUNDS_STOPPED) {
		ui_note("stopped by a signal after %zu of %u rounds; nothing is judged", c->head.n, o->rounds);
		return 128 + stop_requested;
	}
	if (err)
		return ui_fail(&c->why);
	check_report_make(&c->made, o, &c->base, &c->head);
	c->made.report.elapsed_s = (double)(clock_now_ns() - began_ns) / 1e9;
	print(c);
	code = exit_code(c);
	if (write_files(c))
		code = ui_fail(&c->why);
	check_report_done(&c->made);
	return code;
}

int cmd_check(int argc, char **argv)
{
	struct check *c = xcalloc(1, sizeof(*c));
	int code = check_options_parse(&c->options, argc, argv);

	if (!code) {
		check_page_start(&c->page, c->options.outputs[CHECK_OUT_HTML] != NULL);
		code = check(c);
		check_page_done(&c->page);
		check_runs_done(&c->base);
		check_runs_done(&c->head);
	}
	check_options_done(&c->options);
	free(c);
	return ui_finish(code);
}
