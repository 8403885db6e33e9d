#pragma once
/* What a report says about waits, from the store's row of a lock or a thread.
 * Owns: nothing.  Context: any.  Errors: none. */
#include "core/analysis/summary.h"
#include "core/store/reader.h"

/* Adds the waits of one row; percentiles stay as they are told as long as it is the only row. */
void wait_stats_add(struct summary_waits *w, const struct reader_wait_stats *row);
