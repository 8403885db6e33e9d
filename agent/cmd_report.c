/* gilscope report: loads a recording's summary and hands it to the view that was asked for. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/open_page.h"
#include "agent/output_file.h"
#include "agent/ui.h"
#include "core/analysis/summary.h"
#include "core/util/number.h"
#include "viewer/html/html.h"
#include "viewer/json/json.h"
#include "viewer/text/text.h"

enum { KEY_FORMAT = 0x100, KEY_TOP, KEY_OPEN, MAX_TOP = 10000 };

struct report_input {
	const char *path, *output;
	const struct report_format *format;
	unsigned top;
	bool open;
	struct data_job *html; /* gets the rows while the summary is made */
	struct fail *why;
};

/* One line per format; the first is the default. */
struct report_format {
	const char *name;
	int (*print)(FILE *out, const struct summary *s, const struct report_input *in, struct fail *why);
	const char *endings[3];
};

static int print_text(FILE *out, const struct summary *s, const struct report_input *in, struct fail *why)
{
	const struct text_options options = {
		.top = in->top,
		.color = ui_color(out),
		.columns = ui_columns(out),
	};

	(void)why; /* what could not be written is found when the output is finished */
	text_report(out, s, &options);
	return 0;
}

static int print_json(FILE *out, const struct summary *s, const struct report_input *in, struct fail *why)
{
	int err = json_report(out, s); /* a program takes what it wants: --top is for people */

	(void)in;
	return err && !ferror(out) ? fail_set(why, err, FAIL_OTHER, "could not write the report") : 0;
}

static int print_html(FILE *out, const struct summary *s, const struct report_input *in, struct fail *why)
{
	return html_finish(in->html, out, s, why);
}

static const struct report_format formats[] = {
	{"text", print_text, {".txt"}},
	{"json", print_json, {".json"}},
	{"html", print_html, {".html", ".htm"}},
	{0}
};

static const struct argp_option report_options[] = {
	{"format", KEY_FORMAT, "FORMAT", 0,
	 "text for people, json for programs, html for a browser (default: as OUT ends, else text)", 0},
	{"output", 'o', "OUT", 0, "File to write, - for standard output (default -)", 0},
	{"open", KEY_OPEN, NULL, 0, "Show the page in a browser ($BROWSER, else xdg-open) when it is written", 0},
	{"top", KEY_TOP, "N", 0, "Show N blame pairs and threads (default: the usual number; text only)", 0},
	{0}
};

static const char doc[] =
	"Show what a recording says: a verdict, each thread's states and waits, the lines that hold the GIL beside the "
	"lines that wait for them, how long waits were, what was lost and what recording cost.\v"
	"Examples:\n"
	"  gilscope report busy.gilscope\n"
	"  gilscope report busy.gilscope -o busy.html --open\n"
	"  gilscope report busy.gilscope --top 30 | less -R\n"
	"  gilscope report busy.gilscope --format json | jq '.processes[0].blame[0]'\n\n"
	"The page is one file that asks for nothing else: it can be mailed, archived or put into a bug report.\n"
	"A recording is a SQLite file with documented views; sqlite3 reads it too (FORMAT.md).\n\n"
	"Exit codes: 0 ok, 1 the output could not be written, 2 usage, 4 the recording could not be read.";

static const struct report_format *find_format(const char *name)
{
	for (const struct report_format *f = formats; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static const struct report_format *format_of_file(const char *path)
{
	size_t n = strlen(path);

	for (const struct report_format *f = formats; f->name; f++)
		for (const char *const *e = f->endings; *e; e++)
			if (n > strlen(*e) && !strcasecmp(path + n - strlen(*e), *e))
				return f;
	return NULL;
}

static int parse_end(struct report_input *in)
{
	const bool to_stdout = !in->output || !strcmp(in->output, "-");

	if (!in->path)
		return ui_usage(in->why, "could not report: no recording named");
	if (!in->format && in->output)
		in->format = format_of_file(in->output);
	if (!in->format)
		in->format = formats;
	if (in->open && (to_stdout || in->format->print != print_html)) {
		ui_usage(in->why, "could not open the report: --open shows a page that was written to a file");
		fail_hint(in->why, "Add -o NAME.html.");
		return EINVAL;
	}
	if (in->format->print == print_html && !in->output && isatty(STDOUT_FILENO)) {
		ui_usage(in->why, "could not report as html: a terminal cannot show it");
		fail_hint(in->why, "Write it to a file: add -o NAME.html, and --open to see it.");
		return EINVAL;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_input *in = state->input;
	uint64_t n;

	switch (key) {
	case KEY_FORMAT:
		in->format = find_format(arg);
		return in->format ? 0 : ui_usage(in->why, "could not report as '%.64s': not text, json or html", arg);
	case KEY_TOP:
		if (number_parse(arg, 1, MAX_TOP, &n))
			return ui_usage(in->why, "could not use --top '%.64s': not a number from 1 to %d", arg,
					MAX_TOP);
		in->top = (unsigned)n;
		return 0;
	case KEY_OPEN:
		in->open = true;
		return 0;
	case 'o':
		in->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (in->path)
			return ui_usage(in->why, "could not report on '%.64s' too: one recording at a time", arg);
		in->path = arg;
		return 0;
	case ARGP_KEY_END:
		return parse_end(in);
	}
	return ARGP_ERR_UNKNOWN;
}

static int write_report(const struct summary *s, const struct report_input *in, struct fail *why)
{
	struct output_file file;
	int err = output_file_open(&file, in->output ? in->output : "-", why);

	if (err) {
		html_drop(in->html);
		return err;
	}
	err = in->format->print(file.out, s, in, why);
	if (err)
		output_file_drop(&file);
	else
		err = output_file_finish(&file, why);
	if (!err && in->open)
		err = open_page(in->output, why);
	return err;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp argp = {report_options, parse, "FILE", doc, ui_children};
	struct fail why = {0};
	struct report_input in = {.why = &why};
	int code = ui_parse(&argp, argc, argv, &in, &why);
	struct summary *summary = NULL;

	if (code)
		return code;
	if (in.format->print == print_html)
		in.html = html_start();
	if (summary_load_tapped(&summary, in.path, in.html ? html_tap(in.html) : NULL, &why)) {
		html_drop(in.html);
		return ui_fail(&why);
	}
	if (write_report(summary, &in, &why))
		code = ui_fail(&why);
	summary_free(summary);
	return ui_finish(code);
}
