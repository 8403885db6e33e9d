#pragma once
/* Attributes of plain Python instances, read from outside.  Where they are kept changed in 3.11, 3.12 and 3.13; the
 * layout row names the way.
 * Owns: nothing.  Context: any, no allocation.  Errors: -errno of the read. */
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"
#include "core/interp/pydict.h"

struct instance_ops {
	const char *name;
	/* Begins a walk of the attributes of object, whose type is at type: 0, DICT_NOT_ONE, -errno. */
	int (*attributes)(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t object,
			  uint64_t type);
};
extern const struct instance_ops instance_offset, instance_managed, instance_tagged, instance_inline;

/* 0, DICT_ABSENT, DICT_NOT_ONE or -errno */
int instance_attribute(const struct layout *l, const struct mem *mem, uint64_t object, const char *name,
		       uint64_t *ret_value);
