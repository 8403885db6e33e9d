#pragma once
/* A subcommand: parses its arguments, does its work, prints, and answers with the exit code of the program.
 * argv[0] is "gilscope record" and the like, so that usage lines read right.
 * Owns: nothing.  Context: main thread.  Errors: printed by the command itself (ui_fail), then an exit code. */

enum exit_code { /* the table is in README.md, gilscope(1) and each --help */
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1, /* anything not below */
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_ATTACH = 3,
	EXIT_CODE_DATA = 4,
	EXIT_CODE_MACHINE = 77,
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

extern const struct command commands[]; /* ends with a NULL name */
const struct command *command_find(const char *name);

#define COMMAND(name, function, help) int function(int argc, char **argv);
#include "agent/commands.def"
#undef COMMAND
