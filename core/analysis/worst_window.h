#pragma once
/* Where in a recording something is densest: time in cells, and the stretch of a given length with the most in it.
 *     worst_window_init(&w, duration);  worst_window_add(&w, t0, t1);  …  worst_window_find(&w, length, &t0, &t1);
 * Times count from the begin of the recording.  Cells are a millisecond or the 4096th part of it, whichever is longer.
 *
 * Owns: its cells, made with the first thing added.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worst_window {
	uint64_t *cells; /* ns in each */
	uint64_t cell_ns;
	size_t n;
};

void worst_window_init(struct worst_window *w, uint64_t duration_ns);
void worst_window_add(struct worst_window *w, uint64_t t0_ns, uint64_t t1_ns);
/* False when there is nothing anywhere. */
bool worst_window_find(const struct worst_window *w, uint64_t length_ns, uint64_t *ret_t0_ns, uint64_t *ret_t1_ns);
void worst_window_done(struct worst_window *w);
