#pragma once
/* The struct by which a free-threaded build stops the threads of all its interpreters, _PyRuntime.stoptheworld.  Nothing describes its place,
 * which moves inside a minor version (3.13.5: 10336, 3.13.15: 10360): it is known by its flag is_global, which no interpreter's own has.
 * Owns: nothing.  Context: any, no allocation.  Errors: none. */
#include <stdint.h>

#include "core/interp/mem.h"

/* The one nearest to an address; 0: there is none near it. */
uint64_t world_find(const struct mem *mem, uint64_t about);
