/* gilscope report: loads a recording's summary and hands it to the view that was asked for. */
#include <errno.h>
#include <string.h>

#include "agent/command.h"
#include "agent/ui.h"
#include "core/analysis/summary.h"
#include "core/util/number.h"
#include "viewer/json/json.h"
#include "viewer/text/text.h"

enum { KEY_FORMAT = 0x100, KEY_TOP, MAX_TOP = 10000 };

struct report_input {
	const char *path;
	const struct report_format *format;
	unsigned top;
	struct fail *why;
};

/* One line per format; the first is the default. */
struct report_format {
	const char *name;
	int (*print)(const struct summary *s, const struct report_input *in);
};

static int print_text(const struct summary *s, const struct report_input *in)
{
	const struct text_options options = {
		.top = in->top,
		.color = ui_color(stdout),
		.columns = ui_columns(stdout),
	};

	text_report(stdout, s, &options);
	return 0;
}

static int print_json(const struct summary *s, const struct report_input *in)
{
	(void)in; /* a program takes what it wants: --top is for people */
	return json_report(stdout, s);
}

static const struct report_format formats[] = {{"text", print_text}, {"json", print_json}, {0}};

static const struct argp_option report_options[] = {
	{"format", KEY_FORMAT, "FORMAT", 0, "text for people, json for programs (default text)", 0},
	{"top", KEY_TOP, "N", 0, "Show N blame pairs and threads (default: the usual number; text only)", 0},
	{0}
};

static const char doc[] =
	"Show what a recording says: a verdict, each thread's states and waits, the lines that hold the GIL beside the "
	"lines that wait for them, how long waits were, what was lost and what recording cost.\v"
	"Examples:\n"
	"  gilscope report busy.gilscope\n"
	"  gilscope report busy.gilscope --top 30 | less -R\n"
	"  gilscope report busy.gilscope --format json | jq '.processes[0].blame[0]'\n\n"
	"A recording is a SQLite file with documented views; sqlite3 reads it too (FORMAT.md).\n\n"
	"Exit codes: 0 ok, 1 the output could not be written, 2 usage, 4 the recording could not be read.";

static const struct report_format *find_format(const char *name)
{
	for (const struct report_format *f = formats; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_input *in = state->input;
	uint64_t n;

	switch (key) {
	case KEY_FORMAT:
		in->format = find_format(arg);
		return in->format ? 0 : ui_usage(in->why, "could not report as '%.64s': not text or json", arg);
	case KEY_TOP:
		if (number_parse(arg, 1, MAX_TOP, &n))
			return ui_usage(in->why, "could not use --top '%.64s': not a number from 1 to %d", arg,
					MAX_TOP);
		in->top = (unsigned)n;
		return 0;
	case ARGP_KEY_ARG:
		if (in->path)
			return ui_usage(in->why, "could not report on '%.64s' too: one recording at a time", arg);
		in->path = arg;
		return 0;
	case ARGP_KEY_END:
		return in->path ? 0 : ui_usage(in->why, "could not report: no recording named");
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp argp = {report_options, parse, "FILE", doc, ui_children};
	struct fail why = {0};
	struct report_input in = {.format = formats, .why = &why};
	int code = ui_parse(&argp, argc, argv, &in, &why);
	struct summary *summary = NULL;

	if (code)
		return code;
	if (summary_load(&summary, in.path, &why))
		return ui_fail(&why);
	if (in.format->print(summary, &in) && !ferror(stdout))
		code = ui_fail((fail_set(&why, -EIO, FAIL_OTHER, "could not write the report"), &why));
	summary_free(summary);
	return ui_finish(code);
}
