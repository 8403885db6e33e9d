#pragma once
/* A recording as one HTML document that needs nothing else: the summary as plain markup for readers without scripts, the
 * rows as data blocks (data.h), the page's script and style (bundle.h) under a policy that lets nothing else run.
 * Everything the target could have chosen goes through markup.h.
 * Owns: html_start's report is freed by html_finish or html_drop.  Context: one caller.
 * Errors: -errno with *why filled; then the document is not whole. */
#include <stdio.h>

#include "core/util/fail.h"

struct data_job;
struct row_tap;
struct summary;

/* The rows come through the tap, which goes to summary_load_tapped. */
struct data_job *html_start(void);
const struct row_tap *html_tap(const struct data_job *job);
int html_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why);
void html_drop(struct data_job *job);
