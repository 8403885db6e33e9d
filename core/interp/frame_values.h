#pragma once
/* The frames of a thread with the values they keep: locals, and the part of the value stack that is certainly alive.
 * A frame that runs keeps its stack pointer in a register; but whoever is inside a `with` or `try` has at least those values on its stack
 * which its handler would find, and that depth is told by the block stack (up to 3.10) or the table of handlers (3.11).
 * The target runs meanwhile: what is found is plausible, not certain; every count is bounded.
 * Owns: nothing.  Context: any, no allocation.  Errors: -errno of the read. */
#include <stdint.h>

#include "core/interp/frame_walk.h"
#include "core/interp/layout.h"
#include "core/interp/mem.h"

struct py_frame {
	uint64_t code, globals; /* dict */
	int32_t lasti;
	uint64_t locals, stack; /* addresses of the first value of each */
	uint32_t n_locals, n_held; /* values; of the stack, those alive for certain */
	uint64_t local_names; /* tuple of str */
};

struct frame_scan {
	const struct layout *l;
	const struct walk_layout *walk;
	const struct mem *mem;
	uint64_t frame;
	unsigned n;
};

enum { FRAME_SCAN_END = 1 };
#define FRAME_LOCALS_MAX 256
int frame_scan_begin(struct frame_scan *s, const struct layout *l, const struct walk_layout *walk, const struct mem *mem, uint64_t tstate);
int frame_scan_next(struct frame_scan *s, struct py_frame *ret); /* leaf first: 0, FRAME_SCAN_END, -errno */
/* Address of the name of local i, 0 if it cannot be had. */
uint64_t frame_local_name(const struct frame_scan *s, const struct py_frame *f, unsigned i);
