/* See ui.h.  argp does the parsing and the help pages.  What it and getopt would print about a wrong option is caught
 * (stderr is a variable in glibc, where argp lives) because our errors have one form and a documented exit code. */
#include "agent/ui.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/command.h"
#include "core/util/escape.h"
#include "core/util/number.h"
#include "core/util/xalloc.h"

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
static enum color_choice color_choice;

enum { KEY_COLOR = 0x1000, KEY_HELP = 'h' };

/* argp hands a child parser the input its parent chose; one parse at a time makes that simpler as a variable. */
static struct fail *parse_why;

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_COLOR:
		if (!strcmp(arg, "auto"))
			color_choice = COLOR_AUTO;
		else if (!strcmp(arg, "always"))
			color_choice = COLOR_ALWAYS;
		else if (!strcmp(arg, "never"))
			color_choice = COLOR_NEVER;
		else
			return ui_usage(parse_why, "could not use --color '%.64s': not auto, always or never", arg);
		return 0;
	case KEY_HELP:
		argp_help(state->root_argp, stdout, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, state->name);
		exit(ui_finish(EXIT_CODE_OK));
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option common_options[] = {
	{"color", KEY_COLOR, "WHEN", 0,
	 "Colour: auto, always or never (default auto: on a terminal, unless NO_COLOR is set)", UI_GROUP_COMMON},
	{"help", KEY_HELP, NULL, 0, "Explain and exit", UI_GROUP_COMMON},
	{0}
};
static const struct argp common_argp = {.options = common_options, .parser = parse_common};
const struct argp_child ui_children[] = {{&common_argp, 0, NULL, UI_GROUP_COMMON}, {0}};

/* What getopt wrote, "gilscope record: unrecognized option '--x'\n…", without its prefix and further lines. */
static const char *getopt_complaint(char *text, const char *program)
{
	size_t prefix = strlen(program);

	text[strcspn(text, "\n")] = '\0';
	if (!strncmp(text, program, prefix) && !strncmp(text + prefix, ": ", 2))
		return text + prefix + 2;
	return *text ? text : "unknown option or missing value";
}

int ui_parse(const struct argp *argp, int argc, char **argv, void *input, struct fail *why)
{
	autofree char *said = NULL;
	FILE *terminal = stderr;
	size_t size;
	int err;

	why->err = 0;
	parse_why = why;
	setenv("ARGP_HELP_FMT", "rmargin=98,opt-doc-col=26,no-dup-args-note", 0);
	stderr = open_memstream(&said, &size);
	if (!stderr)
		stderr = terminal;
	err = argp_parse(argp, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, input);
	if (stderr != terminal)
		fclose(stderr);
	stderr = terminal;
	if (!err)
		return 0;
	if (!why->err)
		ui_usage(why, "could not parse arguments: %.200s",
			 getopt_complaint(said ? said : (char[1]){0}, argv[0]));
	if (!why->hint[0])
		fail_hint(why, "Run '%s --help' for its options.", argv[0]);
	return ui_fail(why);
}

int ui_usage(struct fail *why, const char *fmt, ...)
{
	char text[sizeof(why->what)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fail_set(why, -EINVAL, FAIL_USAGE, "%s", text);
	return EINVAL;
}

int ui_exit_code(const struct fail *why)
{
	static const int codes[] = {
		[FAIL_OTHER] = EXIT_CODE_FAILED, [FAIL_USAGE] = EXIT_CODE_USAGE, [FAIL_ATTACH] = EXIT_CODE_ATTACH,
		[FAIL_DATA] = EXIT_CODE_DATA, [FAIL_MACHINE] = EXIT_CODE_MACHINE,
	};

	return (unsigned)why->kind < sizeof(codes) / sizeof(codes[0]) ? codes[why->kind] : EXIT_CODE_FAILED;
}

int ui_fail(const struct fail *why)
{
	const char *bold = ui_color(stderr) ? "\033[1;31m" : "", *plain = *bold ? "\033[0m" : "";

	char what[2 * sizeof(why->what)], hint[2 * sizeof(why->hint)];

	/* messages quote what users and targets chose; this is the last place before the terminal */
	escape_to(what, sizeof(what), why->what, strlen(why->what));
	escape_to(hint, sizeof(hint), why->hint, strlen(why->hint));
	fflush(stdout);
	fprintf(stderr, "%sgilscope:%s %s\n", bold, plain, what[0] ? what : "could not go on: unknown error");
	if (hint[0])
		fprintf(stderr, "hint: %s\n", hint);
	return ui_exit_code(why);
}

void ui_note(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("gilscope: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int ui_finish(int exit_code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	if (errno != EPIPE) /* a reader that has seen enough is no failure worth words */
		fprintf(stderr, "gilscope: could not write output: %s\n", errno ? strerror(errno) : "write error");
	return exit_code ? exit_code : EXIT_CODE_FAILED;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

bool ui_live(FILE *stream)
{
	const char *term = getenv("TERM");

	return isatty(fileno(stream)) && term && *term && strcmp(term, "dumb");
}

bool ui_color(FILE *stream)
{
	const char *force = getenv("CLICOLOR_FORCE");

	if (color_choice != COLOR_AUTO)
		return color_choice == COLOR_ALWAYS;
	if (is_set("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0"))
		return true;
	return ui_live(stream);
}

unsigned ui_columns(FILE *stream)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	if (!ioctl(fileno(stream), TIOCGWINSZ, &size) && size.ws_col >= 40)
		return size.ws_col;
	if (columns && !number_parse(columns, 40, 1000, &n))
		return (unsigned)n;
	return 100;
}
