#pragma once
/* What a program calls an object: a global of the modules whose functions a thread is in, or the attribute of an object that is one or
 * that a function has as a local (self).  Searched from the innermost frame outwards, within NAME_READS reads of memory.
 * Owns: nothing.  Context: any, no allocation.  Errors: none; a name is plausible, as the target runs meanwhile. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/frame_values.h"

#define OBJECT_NAME_SIZE 256

/* "__main__.LOCK", "app.store.guard" (attribute of a global), "Store.guard" (attribute of a local's), "local lock of work"; false: none.
 * Raw bytes of the target as UTF-8, not escaped. */
bool object_name_find(const struct layout *l, const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t object,
		      char ret[OBJECT_NAME_SIZE]);
