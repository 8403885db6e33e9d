#pragma once
/* Percentiles of waits of which some are only known by size class.
 * Owns: nothing.  Context: any.  Errors: none. */
#include "core/analysis/summary.h"
#include "core/store/reader.h"

/* The q-quantile (nearest rank) read off the classes, even within each; 0 of nothing. */
uint64_t wait_quantile_ns(const uint64_t hist[READER_HIST_BUCKETS], double q);
/* Adds the waits of one row; percentiles stay exact as long as nothing in it was tallied and it is the only row. */
void wait_stats_add(struct summary_waits *w, const struct reader_wait_stats *row);
