#pragma once
/* The data blocks of a report: the recording's rows as columns (columns.h), its names as JSON.  page/data/decode.ts is the
 * other half; what each column means stands beside its line in data.c.
 * Rows come through a tap while the summary is made from the same ones; what can be coded then is coded then.
 *
 * Owns: data_start's job is freed by data_finish or data_drop.  Context: as the tap's, else one caller.
 * Errors: -errno with *why filled when the report cannot be written. */
#include <stdio.h>

#include "core/util/fail.h"

struct data_job;
struct overview;
struct row_tap;
struct summary;

struct data_job *data_start(void);
const struct row_tap *data_tap(const struct data_job *job);
/* Of the threads' states over time; known when the summary is made. */
const struct overview *data_overview(const struct data_job *job);
int data_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why);
void data_drop(struct data_job *job);
