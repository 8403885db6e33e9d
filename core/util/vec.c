/* See vec.h. */
#include "core/util/vec.h"

#include <stdint.h>

#include "core/util/xalloc.h"

void *vec_grow(void *items, size_t *cap, size_t want, size_t item_size)
{
	size_t grown = *cap < 8 ? 8 : *cap > SIZE_MAX / 2 ? want : *cap * 2;

	if (grown < want)
		grown = want;
	items = xrealloc_array(items, grown, item_size);
	*cap = grown;
	return items;
}
