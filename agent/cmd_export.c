/* gilscope export: a recording in the format of another tool. */
#include <string.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/output_file.h"
#include "agent/ui.h"
#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "viewer/export/export.h"

enum { KEY_TO = 0x100, KEY_WEIGHT, KEY_VIEW };

struct export_input {
	const char *path, *output;
	const struct export_format *format;
	struct export_options options;
	struct fail *why;
};

static const struct argp_option export_options[] = {
	{"to", KEY_TO, "FORMAT", 0, "Format to write (default: by the ending of OUT); the list is below", 0},
	{"output", 'o', "OUT", 0, "File to write, - for standard output (default -); replaced when it is whole", 0},
	{"weight", KEY_WEIGHT, "WEIGHT", 0, "Of collapsed and pprof: wait, blame, locks, blocked, gil or nogil (default wait)", 0},
	{"view", KEY_VIEW, "VIEW", 0, "Of csv: a view of FORMAT.md (default v_waits)", 0},
	{0}
};

static const char doc[] =
	"Write a recording in a format that another tool reads.\v"
	"Weights: wait, time waited for the GIL by the stack that waited; blame, the same time by the stack that held it; locks, time waited "
	"for other locks; blocked, time in system calls; gil and nogil, time running with and without the GIL (sampled).\n\n"
	"Examples:\n"
	"  gilscope export busy.gilscope -o busy.pb.gz && go tool pprof -top busy.pb.gz\n"
	"  gilscope export busy.gilscope --to collapsed --weight blame | flamegraph.pl > blame.svg\n"
	"  gilscope export busy.gilscope --to csv --view v_blame -o blame.csv\n\n"
	"Exit codes: 0 ok, 1 the output could not be written, 2 usage, 4 the recording could not be read.";

static char *help_filter(int key, const char *text, void *input)
{
	struct strbuf b = STRBUF_INIT;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	strbuf_adds(&b, "Formats:\n");
	for (const struct export_format *f = export_formats; f->name; f++)
		strbuf_addf(&b, "  %-12s %s (%s)\n", f->name, f->help, f->ending);
	strbuf_addf(&b, "\n%s", text);
	return strbuf_steal(&b);
}

static error_t parse_end(struct export_input *in)
{
	if (!in->path)
		return ui_usage(in->why, "could not export: no recording named");
	if (!in->format && in->output)
		in->format = export_format_of_file(in->output);
	if (!in->format)
		return ui_usage(in->why, "could not export: no format named (--to)");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct export_input *in = state->input;

	switch (key) {
	case KEY_TO:
		in->format = export_format_find(arg);
		return in->format ? 0 : ui_usage(in->why, "could not export to '%.64s': there is no such format", arg);
	case 'o':
		in->output = arg;
		return 0;
	case KEY_WEIGHT:
		in->options.weight = flame_weight_find(arg);
		return in->options.weight != FLAME_WEIGHT_N ? 0 : ui_usage(in->why, "could not weigh by '%.64s': there is no such weight", arg);
	case KEY_VIEW:
		in->options.view = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (in->path)
			return ui_usage(in->why, "could not export '%.64s' too: one recording at a time", arg);
		in->path = arg;
		return 0;
	case ARGP_KEY_END:
		return parse_end(in);
	}
	return ARGP_ERR_UNKNOWN;
}

static bool is_binary(const struct export_format *f)
{
	return !strcmp(f->name, "pprof") || !strcmp(f->name, "perfetto");
}

static int write_export(const struct export_input *in, struct fail *why)
{
	struct output_file file;
	struct reader *r = NULL;
	int err = reader_open(in->path, &r, why);

	if (err)
		return err;
	err = output_file_open(&file, in->output ? in->output : "-", why);
	if (!err) {
		err = in->format->write(r, &in->options, file.out, why);
		if (err)
			output_file_drop(&file);
		else
			err = output_file_finish(&file, why);
	}
	reader_close(r);
	return err;
}

int cmd_export(int argc, char **argv)
{
	static const struct argp argp = {export_options, parse, "FILE", doc, ui_children, help_filter};
	struct fail why = {0};
	struct export_input in = {.why = &why, .options = {.weight = FLAME_WEIGHT_N}};
	int code = ui_parse(&argp, argc, argv, &in, &why);

	if (code)
		return code;
	if ((!in.output || !strcmp(in.output, "-")) && is_binary(in.format) && isatty(STDOUT_FILENO)) {
		ui_usage(&why, "could not export to a terminal: %s is not text", in.format->name);
		fail_hint(&why, "Name a file: -o out%s", in.format->ending);
		return ui_fail(&why);
	}
	if (write_export(&in, &why))
		code = ui_fail(&why);
	return ui_finish(code);
}
