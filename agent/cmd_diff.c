/* gilscope diff: two recordings side by side. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/open_page.h"
#include "agent/output_file.h"
#include "agent/ui.h"
#include "core/analysis/difference.h"
#include "core/analysis/stack_difference.h"
#include "core/util/number.h"
#include "viewer/diff/diff.h"
#include "viewer/text/difference.h"
#include "viewer/text/text.h"

enum { KEY_TOP = 0x100, KEY_FORMAT, KEY_OPEN, KEY_BASE_OPS, KEY_HEAD_OPS, MAX_TOP = 10000 };

struct diff_input {
	const char *base, *head, *output;
	const char *format; /* "text" or "html"; NULL: as the output's name ends */
	bool open;
	uint64_t base_ops, head_ops;
	unsigned top;
	struct fail *why;
};

static const struct argp_option diff_options[] = {
	{"output", 'o', "OUT", 0, "File to write, - for standard output (default -); NAME.html is a page with differential flame graphs", 0},
	{"format", KEY_FORMAT, "FORMAT", 0, "text or html (default: as OUT ends, else text)", 0},
	{"open", KEY_OPEN, NULL, 0, "Show the page in a browser ($BROWSER, else xdg-open) when it is written", 0},
	{"top", KEY_TOP, "N", 0, "Show N rows of each table (default 12; text only)", 0},
	{"base-ops", KEY_BASE_OPS, "N", 0, "Units of work done in BASE; with --head-ops, waiting is shown per unit instead of per second", 0},
	{"head-ops", KEY_HEAD_OPS, "N", 0, "Units of work done in HEAD", 0},
	{0}
};

static const char doc[] =
	"Compare two recordings: how much threads, locks and pairs of functions waited in each, and what is new or gone.\v"
	"Threads and locks are matched by name, pairs and stacks by function and the name of its file.\n\n"
	"Examples:\n"
	"  gilscope diff before.gilscope after.gilscope\n"
	"  gilscope diff before.gilscope after.gilscope -o diff.html --open\n"
	"  gilscope diff before.gilscope after.gilscope --base-ops 12000 --head-ops 15500\n\n"
	"One run of each says nothing about noise: gilscope check compares many.\n\n"
	"Exit codes: 0 ok, 1 the output could not be written, 2 usage, 4 a recording could not be read.";

static error_t parse_number(struct diff_input *in, const char *option, const char *arg, uint64_t max, uint64_t *ret)
{
	if (number_parse(arg, 1, max, ret))
		return ui_usage(in->why, "could not use %s '%.64s': not a number from 1 to %llu", option, arg, (unsigned long long)max);
	return 0;
}

static bool is_page(const struct diff_input *in)
{
	const char *dot = in->output ? strrchr(in->output, '.') : NULL;

	if (in->format)
		return !strcmp(in->format, "html");
	return dot && (!strcasecmp(dot, ".html") || !strcasecmp(dot, ".htm"));
}

static error_t parse_end(struct diff_input *in)
{
	const bool to_stdout = !in->output || !strcmp(in->output, "-");

	if (!in->head)
		return ui_usage(in->why, "could not compare: two recordings are needed");
	if (!in->base_ops != !in->head_ops)
		return ui_usage(in->why, "could not compare: --base-ops and --head-ops go together");
	if (in->open && (to_stdout || !is_page(in))) {
		ui_usage(in->why, "could not open the page: --open shows a page that was written to a file");
		fail_hint(in->why, "Add -o NAME.html.");
		return EINVAL;
	}
	if (is_page(in) && !in->output && isatty(STDOUT_FILENO)) {
		ui_usage(in->why, "could not compare as html: a terminal cannot show it");
		fail_hint(in->why, "Write it to a file: add -o NAME.html, and --open to see it.");
		return EINVAL;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct diff_input *in = state->input;
	uint64_t n;
	error_t err;

	switch (key) {
	case KEY_TOP:
		err = parse_number(in, "--top", arg, MAX_TOP, &n);
		in->top = err ? 0 : (unsigned)n;
		return err;
	case KEY_FORMAT:
		in->format = arg;
		return !strcmp(arg, "text") || !strcmp(arg, "html") ? 0 : ui_usage(in->why, "could not compare as '%.64s': not text or html", arg);
	case KEY_OPEN:
		in->open = true;
		return 0;
	case 'o':
		in->output = arg;
		return 0;
	case KEY_BASE_OPS:
		return parse_number(in, "--base-ops", arg, INT64_MAX, &in->base_ops);
	case KEY_HEAD_OPS:
		return parse_number(in, "--head-ops", arg, INT64_MAX, &in->head_ops);
	case ARGP_KEY_ARG:
		if (in->head)
			return ui_usage(in->why, "could not compare '%.64s' too: two recordings at a time", arg);
		*(in->base ? &in->head : &in->base) = arg;
		return 0;
	case ARGP_KEY_END:
		return parse_end(in);
	}
	return ARGP_ERR_UNKNOWN;
}

struct diff_work {
	struct summary *base, *head;
	struct difference difference;
	struct stack_difference stacks;
};

static int compare(struct diff_work *w, const struct diff_input *in)
{
	int err;

	if ((err = summary_load(&w->base, in->base, in->why)) || (err = summary_load(&w->head, in->head, in->why)))
		return err;
	difference_start(&w->difference);
	difference_add(&w->difference, w->base, false, (double)in->base_ops);
	difference_add(&w->difference, w->head, true, (double)in->head_ops);
	difference_finish(&w->difference);
	if (!is_page(in))
		return 0;
	stack_difference_start(&w->stacks);
	if ((err = stack_difference_add(&w->stacks, w->base, false, in->why)) || (err = stack_difference_add(&w->stacks, w->head, true, in->why)))
		return err;
	stack_difference_finish(&w->stacks, w->difference.base_units, w->difference.head_units);
	return 0;
}

static int write_difference(const struct diff_work *w, const struct diff_input *in)
{
	struct output_file file;
	int err = output_file_open(&file, in->output ? in->output : "-", in->why);

	if (err)
		return err;
	if (is_page(in)) {
		diff_html(file.out, &(struct diff_page){.difference = &w->difference, .stacks = &w->stacks});
	} else {
		const struct text_options options = {.top = in->top, .color = ui_color(file.out), .columns = ui_columns(file.out)};

		text_difference(file.out, &w->difference, w->base, w->head, &options);
	}
	err = output_file_finish(&file, in->why);
	return !err && in->open ? open_page(in->output, in->why) : err;
}

int cmd_diff(int argc, char **argv)
{
	static const struct argp argp = {diff_options, parse, "BASE HEAD", doc, ui_children};
	struct fail why = {0};
	struct diff_input in = {.why = &why};
	struct diff_work w = {0};
	int code = ui_parse(&argp, argc, argv, &in, &why);

	if (code)
		return code;
	if (compare(&w, &in) || write_difference(&w, &in))
		code = ui_fail(&why);
	stack_difference_done(&w.stacks);
	difference_done(&w.difference);
	summary_free(w.base);
	summary_free(w.head);
	return ui_finish(code);
}
