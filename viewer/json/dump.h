#pragma once
/* A snapshot as one JSON object, "format": 1: keys may be added, never renamed.
 * Owns: nothing.  Context: one thread.  Errors: -errno when it could not be written. */
#include <stdio.h>

struct dump_snapshot;

int json_dump(FILE *out, const struct dump_snapshot *d);
