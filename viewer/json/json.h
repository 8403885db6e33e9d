#pragma once
/* A summary as one JSON object: `gilscope report FILE --format json`.  Keys are stable within "format": 1.
 * Owns: nothing.  Context: one thread.  Errors: -errno when it could not be written. */
#include <stdio.h>

struct summary;

int json_report(FILE *out, const struct summary *s);
/* With at most max_blame pairs of each process; "blame_omitted" tells how many are missing. */
int json_report_top(FILE *out, const struct summary *s, size_t max_blame);
