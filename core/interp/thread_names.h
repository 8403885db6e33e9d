#pragma once
/* The names that Python's threading module gives its threads: interpreter -> modules -> threading -> _active, a dict
 * of ident to Thread, and each Thread's _name.  The comm of a thread is no substitute before 3.14.
 * Owns: nothing.  Context: any.  Errors: what cannot be read is left out; the return value counts what was found. */
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

#define THREAD_NAMES_MAX 10000
typedef void thread_name_fn(void *ctx, uint64_t ident, const char *name);

unsigned thread_names_read(const struct layout *l, const struct mem *mem, uint64_t interp, thread_name_fn *found,
			   void *ctx);
