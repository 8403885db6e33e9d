#pragma once
/* The data blocks of a report: the recording's rows as columns (columns.h), its names as JSON.  page/data/decode.ts is the
 * other half; what each column means stands beside its line in data.c.
 * Owns: nothing.  Context: one thread.  Errors: -errno with *why filled when the recording cannot be read. */
#include <stdio.h>

#include "core/util/fail.h"

struct reader;
struct summary;

int data_write(FILE *out, const struct summary *s, struct reader *r, struct fail *why);
