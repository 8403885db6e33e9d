#pragma once
/* What a report says without its script: verdict, findings, top pairs, threads, locks, losses, as headings, tables and one
 * drawing.  No style is needed to read it; the script removes it (element id "static") when it has its views ready.
 * Owns: nothing.  Context: one thread.  Errors: write errors stay in the FILE. */
#include <stdio.h>

struct overview;
struct summary;

void static_part(FILE *out, const struct summary *s, const struct overview *o);
