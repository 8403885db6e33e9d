#pragma once
/* A recording as one HTML document that needs nothing else: the summary as plain markup for readers without scripts, the
 * rows as data blocks (data.h), the page's script and style (bundle.h) under a policy that lets nothing else run.
 * Everything the target could have chosen goes through markup.h.
 * Owns: html_start's report is freed by html_finish or html_drop.  Context: one thread.
 * Errors: -errno with *why filled; then the document is not whole. */
#include <stdio.h>

#include "core/util/fail.h"

struct data_job;
struct summary;

/* The rows are coded in the background while the summary is being made. */
struct data_job *html_start(const char *recording);
int html_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why);
void html_drop(struct data_job *job);
