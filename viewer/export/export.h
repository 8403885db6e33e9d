#pragma once
/* A recording in the formats of other tools: one format, one file, one row of the table in export.c.
 * Rows stream from the reader to the output; what is kept in memory is the roster (threads, locks), the distinct stacks
 * and sums over them, never the intervals.  Text of the target is escaped (core/util/escape.h) before each format's own quoting.
 *
 * Owns: nothing.  Units: each format's own, said in its file.  Context: one thread.
 * Errors: -errno with `why` filled: FAIL_DATA from the reader; FAIL_USAGE when the format has no such weight or view.
 * Write errors stay in the FILE: the caller looks at ferror. */
#include <stdio.h>

#include "core/util/fail.h"
#include "viewer/export/flame_sums.h"

struct reader;

struct export_options {
	enum flame_weight weight; /* FLAME_WEIGHT_N: the format's usual one */
	const char *view; /* of csv; NULL: v_waits */
};

struct export_format {
	const char *name;
	const char *ending; /* of file names, ".pb.gz"; recognises the format when --to is not given */
	const char *help;
	int (*write)(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
};

extern const struct export_format export_formats[]; /* ends with a NULL name */
const struct export_format *export_format_find(const char *name);
const struct export_format *export_format_of_file(const char *path);

/* One function per format, for the table. */
int export_collapsed(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_csv(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_firefox(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_openmetrics(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_perfetto(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_pprof(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
int export_speedscope(struct reader *r, const struct export_options *options, FILE *out, struct fail *why);
