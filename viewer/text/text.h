#pragma once
/* A summary as text for a terminal: the report, and the five lines that `gilscope record` ends with.
 * Everything the target could have chosen is escaped; colour only when asked, meaning never hangs on it.
 * Owns: nothing.  Context: one thread.  Errors: none of its own; write errors stay in the FILE. */
#include <stdbool.h>
#include <stdio.h>

struct summary;

struct text_options {
	unsigned top; /* blame pairs and threads shown; 0: the usual number */
	bool color;
	unsigned columns; /* width; 0: 100 */
};

void text_report(FILE *out, const struct summary *s, const struct text_options *options);
void text_verdict(FILE *out, const struct summary *s, const struct text_options *options);
