/* gilscope diff: two recordings side by side. */
#include <string.h>

#include "agent/command.h"
#include "agent/ui.h"
#include "core/analysis/difference.h"
#include "core/util/number.h"
#include "viewer/text/difference.h"
#include "viewer/text/text.h"

enum { KEY_TOP = 0x100, KEY_BASE_OPS, KEY_HEAD_OPS, MAX_TOP = 10000 };

struct diff_input {
	const char *base, *head;
	uint64_t base_ops, head_ops;
	unsigned top;
	struct fail *why;
};

static const struct argp_option diff_options[] = {
	{"top", KEY_TOP, "N", 0, "Show N rows of each table (default 12)", 0},
	{"base-ops", KEY_BASE_OPS, "N", 0, "Units of work done in BASE; with --head-ops, waiting is shown per unit instead of per second", 0},
	{"head-ops", KEY_HEAD_OPS, "N", 0, "Units of work done in HEAD", 0},
	{0}
};

static const char doc[] =
	"Compare two recordings: how much threads, locks and pairs of functions waited in each, and what is new or gone.\v"
	"Threads and locks are matched by name, pairs by function.\n\n"
	"Examples:\n"
	"  gilscope diff before.gilscope after.gilscope\n"
	"  gilscope diff before.gilscope after.gilscope --base-ops 12000 --head-ops 15500\n\n"
	"One run of each says nothing about noise: gilscope check compares many.\n\n"
	"Exit codes: 0 ok, 1 the output could not be written, 2 usage, 4 a recording could not be read.";

static error_t parse_number(struct diff_input *in, const char *option, const char *arg, uint64_t max, uint64_t *ret)
{
	if (number_parse(arg, 1, max, ret))
		return ui_usage(in->why, "could not use %s '%.64s': not a number from 1 to %llu", option, arg, (unsigned long long)max);
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
		if (!in->head)
			return ui_usage(in->why, "could not compare: two recordings are needed");
		if (!in->base_ops != !in->head_ops)
			return ui_usage(in->why, "could not compare: --base-ops and --head-ops go together");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_diff(int argc, char **argv)
{
	static const struct argp argp = {diff_options, parse, "BASE HEAD", doc, ui_children};
	struct fail why = {0};
	struct diff_input in = {.why = &why};
	struct summary *base = NULL, *head = NULL;
	struct difference d;
	int code = ui_parse(&argp, argc, argv, &in, &why);

	if (code)
		return code;
	if (summary_load(&base, in.base, &why) || summary_load(&head, in.head, &why)) {
		code = ui_fail(&why);
	} else {
		const struct text_options options = {.top = in.top, .color = ui_color(stdout), .columns = ui_columns(stdout)};

		difference_make(&d, base, head, (double)in.base_ops, (double)in.head_ops);
		text_difference(stdout, &d, base, head, &options);
		difference_done(&d);
	}
	summary_free(base);
	summary_free(head);
	return ui_finish(code);
}
