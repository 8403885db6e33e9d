#pragma once
/* The data blocks of a report: the recording's rows as columns (columns.h), its names as JSON.  page/data/decode.ts is the
 * other half; what each column means stands beside its line in data.c.
 * Rows are read and coded in a thread of their own, from a reader of their own, while the caller works on the summary: of a
 * recording that is still being written the two may differ by the latest batch.
 *
 * Owns: data_start's job is freed by data_finish or data_drop.  Context: one caller.
 * Errors: -errno with *why filled when the recording cannot be read or the report not written. */
#include <stdio.h>

#include "core/util/fail.h"

struct data_job;
struct overview;
struct summary;

struct data_job *data_start(const char *path);
/* Waits until the rows are coded; then the threads' states over time are known.  Not 0: they could not be read. */
int data_wait(struct data_job *job, const struct overview **ret, struct fail *why);
int data_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why);
void data_drop(struct data_job *job);
