/* gilscope help [COMMAND], gilscope version. */
#include <bpf/libbpf.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>

#include "agent/command.h"
#include "agent/ui.h"

static void print_overview(void)
{
	puts("gilscope shows who holds Python's GIL, who waits for it, for how long, and from which line to\n"
	     "which line.\n"
	     "It attaches to running processes and changes nothing in them.\n\n"
	     "Usage: gilscope COMMAND [OPTION…]\n\nCommands:");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-9s %s\n", c->name, c->help);
	puts("\nStart here:\n"
	     "  sudo gilscope doctor -p PID            would recording work?\n"
	     "  sudo gilscope record -p PID -d 10s     record for ten seconds, then show a verdict\n"
	     "  gilscope report FILE.gilscope          the whole report of a recording\n\n"
	     "Every command explains itself: gilscope COMMAND --help\n\n"
	     "Exit codes: 0 ok, 1 other failure, 2 usage, 3 could not attach to the process,\n"
	     "            4 bad recording, 77 cannot run on this machine or with these privileges;\n"
	     "            of check: 1 a regression, 3 the runs cannot be judged");
}

static char help_doc[] = "Explain a subcommand, or list them all.";
static char help_args[] = "[COMMAND]";

static error_t parse_help(int key, char *arg, struct argp_state *state)
{
	const char **topic = state->input;

	if (key != ARGP_KEY_ARG || *topic)
		return ARGP_ERR_UNKNOWN;
	*topic = arg;
	return 0;
}

int cmd_help(int argc, char **argv)
{
	static const struct argp argp = {NULL, parse_help, help_args, help_doc, ui_children};
	const struct command *command;
	const char *topic = NULL;
	struct fail why;
	char name[64], option[] = "--help";
	char *arguments[] = {name, option, NULL};
	int code = ui_parse(&argp, argc, argv, &topic, &why);

	if (code)
		return code;
	if (!topic) {
		print_overview();
		return ui_finish(EXIT_CODE_OK);
	}
	command = command_find(topic);
	if (!command) {
		ui_usage(&why, "could not explain '%.64s': no such command", topic);
		fail_hint(&why, "Run 'gilscope help' for the list.");
		return ui_fail(&why);
	}
	snprintf(name, sizeof(name), "gilscope %s", command->name);
	return command->run(2, arguments);
}

static error_t parse_nothing(int key, char *arg, struct argp_state *state)
{
	(void)key, (void)arg, (void)state;
	return ARGP_ERR_UNKNOWN;
}

int cmd_version(int argc, char **argv)
{
	static const char text[] = "Print the version and what it was built with.";
	static const struct argp argp = {NULL, parse_nothing, NULL, text, ui_children};
	struct fail why;
	int code = ui_parse(&argp, argc, argv, NULL, &why);

	if (code)
		return code;
	printf("gilscope %s\n", GILSCOPE_VERSION);
	printf("libbpf %s, sqlite %s, jansson %s, glibc %s\n", libbpf_version_string(), sqlite3_libversion(),
	       jansson_version_str(), gnu_get_libc_version());
	return ui_finish(EXIT_CODE_OK);
}
