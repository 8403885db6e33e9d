/* The rows and the lookups in them.  See layout.h; a new version is a row in scripts/offsets.json, not code here. */
#include "core/interp/layout.h"

#include <linux/types.h>

#include "core/interp/frame_walk.h"
#include "core/interp/instance.h"
#include "core/interp/linetable.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#include "core/interp/layout_rows.inc"

const struct layout *layout_find_build(uint32_t version_hex, bool free_threaded)
{
	for (size_t i = 0; i < ARRAY_SIZE(layout_rows); i++)
		if (layout_rows[i].version == version_hex >> 16 && layout_rows[i].free_threaded == free_threaded)
			return &layout_rows[i];
	return NULL;
}

const struct layout *layout_find(uint32_t version_hex)
{
	return layout_find_build(version_hex, false);
}

const struct layout *layout_find_by_runtime_size(uint64_t size)
{
	const struct layout *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(layout_rows); i++) {
		if (layout_rows[i].runtime_size != size || layout_rows[i].self_describing || layout_rows[i].statics)
			continue;
		if (found)
			return NULL;
		found = &layout_rows[i];
	}
	return found;
}

const struct debug_offsets_table *layout_debug_offsets(uint32_t version_hex)
{
	for (size_t i = 0; i < ARRAY_SIZE(debug_tables); i++)
		if (debug_tables[i].version == version_hex >> 16)
			return &debug_tables[i];
	return NULL;
}

const char *layout_supported_text(void)
{
	return "CPython 2.7 and 3.6 to 3.15, free-threaded 3.13 to 3.15, PyPy 7.3 and 8 (x86-64)";
}

const char *layout_known_text(void)
{
	return "other processors than x86-64";
}
