#pragma once
/* The words that all outputs of a check share: values, changes, one sentence per metric, per budget and per pair of lines.
 * Sentences are printable UTF-8 of one line (escaped), not quoted for any sink.
 *
 * Owns: nothing.  Context: any.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>

#include "core/analysis/metrics.h"
#include "core/analysis/regression.h"
#include "core/util/strbuf.h"
#include "viewer/check/check.h"

enum { WORDS_LEN = 40 };

extern const char *const check_outcome_names[CHECK_OUTCOME_N]; /* pass, fail, inconclusive, not valid */
const char *words_outcome(const struct check_report *r); /* one sentence, constant */
char *words_value(char ret[WORDS_LEN], enum metric metric, double value);
/* A change as a row has it: relative, or in the metric's unit. */
char *words_change(char ret[WORDS_LEN], enum metric metric, bool ratio, double change);
/* What a row may grow by. */
double words_limit(const struct check_report *r, const struct regression_row *row);
void words_row(struct strbuf *b, const struct check_report *r, const struct regression_row *row);
/* Of a row that is inconclusive: what it would have taken. */
void words_undecided(struct strbuf *b, const struct check_report *r, const struct regression_row *row);
void words_budget(struct strbuf *b, const struct budget_row *row);
void words_site(struct strbuf *b, const struct check_report *r, const struct site_growth *site);

/* Pairs to blame: those that grew most, at most max, from the front of the report's; 0 unless something failed. */
size_t words_blamed(const struct check_report *r, size_t max);
/* "file:line" for people who look at the repository: relative below r->directory (true), else as recorded.  Raw. */
bool words_path(struct strbuf *b, const struct check_report *r, const char *file);
/* As a URI reference: what is not unreserved or a slash is percent-encoded. */
void words_uri(struct strbuf *b, const char *path);
