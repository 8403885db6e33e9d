#pragma once
/* The wait histogram of a report: decades below a switch interval, multiples of it above, because that is where waits
 * for the GIL pile up.  Without a switch interval decades only.
 * Owns: nothing.  Context: any.  Errors: none. */
#include "core/analysis/summary.h"

void wait_hist_init(struct summary_hist *h, uint64_t switch_interval_ns);
void wait_hist_add(struct summary_hist *h, uint64_t ns);
/* Tallied waits: class b is [2^b, 2^(b+1)) * 1024 ns; each is put where its middle is, ns is shared out by size. */
void wait_hist_add_classes(struct summary_hist *h, const uint32_t classes[EV_AGG_BUCKETS], uint64_t ns);
