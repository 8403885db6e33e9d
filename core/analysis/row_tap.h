#pragma once
/* The rows that a summary is made from, for somebody who wants them too: one scan of each table does for both.
 * They come in this order: begin; all holds and waits; waits_read; from here on the credits, in a thread of their own;
 * meanwhile all intervals and tallies; intervals_read; all hand-offs and samples.  When the summary is made they are
 * all there.  A callback that is not wanted is NULL.
 *
 * Owns: nothing; rows are borrowed for the call.  Context: credit runs in another thread than the rest, one at a time.
 * Errors: what is not 0 ends the summary with that error (-errno with the reader's failure filled). */
#include "core/timeline/model.h"

struct reader;

struct row_tap {
	void *ctx;
	int (*begin)(void *ctx, struct reader *r);
	int (*hold)(void *ctx, const struct hold *h);
	int (*wait)(void *ctx, const struct wait *w);
	int (*waits_read)(void *ctx);
	int (*credit)(void *ctx, const struct credit *c);
	int (*tally)(void *ctx, const struct tally *t);
	int (*interval)(void *ctx, const struct interval *i);
	int (*intervals_read)(void *ctx);
	int (*handoff)(void *ctx, const struct handoff *h);
	int (*sample)(void *ctx, const struct sample_row *s);
};
