#pragma once
/* Who holds a GIL.  CPython keeps the *last* holder: holder_tstate means "holds it now" only while locked is 1, and
 * may dangle while it is not.
 * Owns: nothing.  Context: async-signal-safe.  Errors: -errno of the read. */
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

struct gil_view {
	uint64_t interval_us; /* 0: it has none (2.7, PyPy) */
	uint64_t last_holder; /* PyThreadState, of PyPy the pthread id; 0 none (yet) */
	int32_t locked; /* 1 taken, 0 free, -1 not created yet */
	uint64_t switch_number; /* 0 where it is not kept */
};

int gil_read(const struct layout *l, const struct mem *mem, uint64_t gil, struct gil_view *ret);
/* The GIL an interpreter follows; 0 in *ret when it has none (yet), or is switched off (free-threaded builds). */
int gil_of_interp(const struct layout *l, const struct mem *mem, uint64_t runtime_addr, uint64_t interp, uint64_t *ret);
