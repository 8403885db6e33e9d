#pragma once
/* A snapshot as text for a terminal: each GIL with its holder, then every thread with its stack.
 * Owns: nothing.  Context: one thread.  Errors: none of its own; write errors stay in the FILE. */
#include <stdbool.h>
#include <stdio.h>

struct dump_snapshot;

void text_dump(FILE *out, const struct dump_snapshot *d, bool color);
