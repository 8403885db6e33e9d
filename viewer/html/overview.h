#pragma once
/* The threads' states over time, small: what most of each thread's life in a stretch of time was.  For the drawing of the
 * part that is read without a script.
 * Owns: overview_done frees.  Context: one thread.  Errors: none. */
#include <stdint.h>

#include "core/util/strbuf.h"

struct rows;
struct summary;
struct summary_process;

enum { OVERVIEW_BUCKETS = 240, OVERVIEW_NONE = 255 };

struct overview {
	uint32_t threads;
	unsigned char *state; /* OVERVIEW_BUCKETS of each thread; enum thread_state or OVERVIEW_NONE */
};

void overview_make(struct overview *ret, const struct rows *x);
void overview_done(struct overview *o);
/* An <svg> of the process's first threads, by presentation attributes alone (no style needed). */
void overview_draw(struct strbuf *b, const struct overview *o, const struct summary *s, const struct summary_process *p);
