/* The program: finds the subcommand and runs it.  What each does is in its cmd_<name>.c. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agent/command.h"
#include "agent/ui.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

const struct command commands[] = {
#define COMMAND(name, function, help) {#name, function, help},
#include "agent/commands.def"
#undef COMMAND
	{0}
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static int unknown_command(const char *name)
{
	struct fail why;
	char shown[64];

	escape_to(shown, sizeof(shown), name, strlen(name));
	ui_usage(&why, "could not run '%s': no such command", shown);
	fail_hint(&why, "Run 'gilscope --help' for the list.");
	return ui_fail(&why);
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : "";
	char *help[] = {"gilscope help", NULL};

	if (argc < 2) {
		struct fail why;

		ui_usage(&why, "could not start: no command given");
		fail_hint(&why, "Try 'gilscope record -p PID', or 'gilscope --help'.");
		return ui_fail(&why);
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?"))
		return cmd_help(1, help);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	command = command_find(name);
	if (!command)
		return unknown_command(name);
	argv[1] = xasprintf("gilscope %s", command->name);
	return command->run(argc - 1, argv + 1);
}
