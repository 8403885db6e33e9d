#pragma once
/* How the program speaks: option parsing, errors with hints, colour, the width of the terminal.  Everything a person
 * reads goes through here or through viewer/, so that it looks the same in every command.
 * Owns: nothing.  Context: main thread.  Errors: ui_parse and ui_fail print and give the exit code. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/util/fail.h"

/* Child parser of every subcommand: --color WHEN, --help.  The parser of a command handles its own keys and returns
 * ARGP_ERR_UNKNOWN for the rest; on a bad value it fills `why` with ui_usage and returns EINVAL. */
extern const struct argp_child ui_children[];

enum ui_group { UI_GROUP_COMMON = -1 }; /* help lists common options last */

/* 0, or the exit code after the error was printed.  --help prints the help of this argp and exits 0.
 * `why` is what the command's parser may have filled. */
int ui_parse(const struct argp *argp, int argc, char **argv, void *input, struct fail *why);
/* Sets a FAIL_USAGE failure; returns EINVAL, as argp wants it. */
int ui_usage(struct fail *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints "gilscope: could not …" and "hint: …" to stderr; returns the exit code for why->kind. */
int ui_fail(const struct fail *why);
int ui_exit_code(const struct fail *why);
/* A notice that is not a failure: "gilscope: …" on stderr. */
void ui_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Flushes stdout; a write error (full disk, closed pipe) becomes an exit code of its own.  Last call of a command. */
int ui_finish(int exit_code);

/* --color, else CLICOLOR_FORCE, NO_COLOR, TERM=dumb, and whether it is a terminal. */
bool ui_color(FILE *stream);
/* May lines be rewritten in place? */
bool ui_live(FILE *stream);
unsigned ui_columns(FILE *stream); /* of the terminal, else $COLUMNS, else 100 */
