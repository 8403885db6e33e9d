/* See instance.h.  Include/internal/pycore_object.h of each version: _PyObject_DictOrValuesPointer and friends. */
#include "core/interp/instance.h"

#include <errno.h>

#define FLAG_INLINE_VALUES (1u << 2) /* 3.13 */
#define FLAG_MANAGED_DICT (1u << 4) /* 3.11 */
#define MANAGED_VALUES_BEFORE 32 /* 3.11 only */

/* A dict pointer at tp_dictoffset (up to 3.10; later for types that ask for it). */
static int attributes_at_offset(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t object,
				uint64_t type)
{
	uint64_t offset, dict;
	int r = mem_u64(mem, type + l->type_dictoffset, &offset);

	if (r < 0)
		return r;
	if (offset == 0 || offset > 1u << 20)
		return DICT_NOT_ONE;
	r = mem_u64(mem, object + offset, &dict);
	return r == 0 ? dict_walk_begin(w, l, mem, dict) : r;
}

static int type_flags(const struct layout *l, const struct mem *mem, uint64_t type, uint64_t *ret)
{
	return mem_u64(mem, type + l->type_flags, ret);
}

static int split_of_type(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t type,
			 uint64_t values)
{
	uint64_t keys;
	int r = mem_u64(mem, type + l->type_cached_keys, &keys);

	return r == 0 ? dict_walk_begin_split(w, l, mem, keys, values) : r;
}

static int attributes_managed(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t object,
			      uint64_t type)
{
	uint64_t flags, values, dict;
	int r = type_flags(l, mem, type, &flags);

	if (r == 0 && !(flags & FLAG_MANAGED_DICT))
		return attributes_at_offset(w, l, mem, object, type);
	if (r == 0)
		r = mem_u64(mem, object - MANAGED_VALUES_BEFORE, &values);
	if (r == 0 && values)
		return split_of_type(w, l, mem, type, values);
	if (r == 0)
		r = mem_u64(mem, object - l->managed_dict, &dict);
	return r == 0 ? dict_walk_begin(w, l, mem, dict) : r;
}

static int attributes_tagged(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t object,
			     uint64_t type)
{
	uint64_t flags, word;
	int r = type_flags(l, mem, type, &flags);

	if (r == 0 && !(flags & FLAG_MANAGED_DICT))
		return attributes_at_offset(w, l, mem, object, type);
	if (r == 0)
		r = mem_u64(mem, object - l->managed_dict, &word);
	if (r < 0)
		return r;
	return word & 1 ? split_of_type(w, l, mem, type, word + 1) : dict_walk_begin(w, l, mem, word);
}

static int attributes_inline(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t object,
			     uint64_t type)
{
	uint64_t flags, dict, basicsize;
	int r = type_flags(l, mem, type, &flags);

	if (r == 0 && !(flags & FLAG_MANAGED_DICT))
		return attributes_at_offset(w, l, mem, object, type);
	if (r == 0)
		r = mem_u64(mem, object - l->managed_dict, &dict);
	if (r < 0)
		return r;
	if (dict || !(flags & FLAG_INLINE_VALUES))
		return dict_walk_begin(w, l, mem, dict);
	r = mem_u64(mem, type + l->type_basicsize, &basicsize);
	if (r == 0 && basicsize > 1u << 20)
		return DICT_NOT_ONE;
	return r == 0 ? split_of_type(w, l, mem, type, object + basicsize) : r;
}

const struct instance_ops instance_offset = { "dict at tp_dictoffset", attributes_at_offset };
const struct instance_ops instance_managed = { "managed dict, values apart", attributes_managed };
const struct instance_ops instance_tagged = { "managed dict or values", attributes_tagged };
const struct instance_ops instance_inline = { "inline values", attributes_inline };

int instance_attribute(const struct layout *l, const struct mem *mem, uint64_t object, const char *name,
		       uint64_t *ret_value)
{
	struct dict_walk w;
	uint64_t type;
	int r = mem_u64(mem, object + l->object_type, &type);

	if (r == 0)
		r = l->instance->attributes(&w, l, mem, object, type);
	return r == 0 ? dict_walk_find(&w, name, ret_value) : r;
}
