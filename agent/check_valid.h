#pragma once
/* May a verdict be drawn from these runs at all?  Reasons against it, and what weakens one, as sentences.
 * Owns: struct check_reasons owns its texts.  Units: shares from 0 to 1.  Context: main thread.  Errors: none. */
#include <stdbool.h>

#include "agent/check_rounds.h"
#include "core/util/vec.h"

typedef vec(char *) reason_vec;
struct check_reasons { reason_vec invalid, notes; };
void check_reasons_done(struct check_reasons *r);
void check_reason(reason_vec *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct check_valid_options {
	bool compares; /* base and head, else budgets only */
	bool needs_waits; /* a metric is judged that means nothing without enough waits */
	bool force_unlike; /* unlike machines become a note */
	struct conditions_limits disturbed;
};
enum { CHECK_WAITS_MIN = 200 };
void check_valid(struct check_reasons *ret, const struct check_runs *base, const struct check_runs *head, const struct check_valid_options *o);
