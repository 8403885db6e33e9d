#pragma once
/* A recording as one HTML document that needs nothing else: the summary as plain markup for readers without scripts, the
 * rows as data blocks (data.h), the page's script and style (bundle.h) under a policy that lets nothing else run.
 * Everything the target could have chosen goes through markup.h.
 * Owns: nothing.  Context: one thread.  Errors: -errno with *why filled; then the document is not whole. */
#include <stdio.h>

#include "core/util/fail.h"

struct reader;
struct summary;

int html_report(FILE *out, const struct summary *s, struct reader *r, struct fail *why);
