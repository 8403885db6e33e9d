#pragma once
/* A difference of two recordings as text.  Names in it are escaped already.
 * Owns: nothing.  Context: one thread.  Errors: none of its own; write errors stay in the FILE. */
#include <stdbool.h>
#include <stdio.h>

struct difference;
struct summary;
struct text_options;

void text_difference(FILE *out, const struct difference *d, const struct summary *base, const struct summary *head, const struct text_options *options);
