/* See debug_offsets.h.  Which number stands where comes from the generated table, so a new minor version is data. */
#include "core/interp/debug_offsets.h"

#include <errno.h>
#include <string.h>

static const char cookie[8] = "xdebugpy";
#define VERSION_AT 8
#define FREE_THREADED_AT 16
#define HEAD_BYTES 24
#define VALUE_MAX (8u << 20) /* no CPython struct is larger */

static uint64_t value_at(const uint8_t *table, unsigned at)
{
	uint64_t value;

	memcpy(&value, table + at, sizeof(value));
	return value;
}

static int apply_offsets(const struct debug_offsets_table *t, const uint8_t *bytes, struct layout *l)
{
	for (size_t i = 0; i < t->n_offsets; i++) {
		const struct debug_offset *o = &t->offsets[i];
		uint64_t value = value_at(bytes, o->at);
		uint32_t small = (uint32_t)value;

		if (value > VALUE_MAX || (o->size_at && value >= value_at(bytes, o->size_at)))
			return -EPROTO;
		memcpy((char *)l + o->field, &small, sizeof(small));
	}
	if (!l->free_threaded) /* each has one copy of the bytecode; 0 there */
		l->frame_tlbc = l->code_tlbc = NO_FIELD;
	return 0;
}

/* The table gives holder and locked of an interpreter's own GIL; the rest of the struct keeps its distances. */
static int apply_gil(const struct debug_offsets_table *t, const uint8_t *bytes, struct layout *l)
{
	uint64_t gil = value_at(bytes, t->own_gil);
	uint64_t holder = value_at(bytes, t->own_gil_holder) - gil;
	uint64_t locked = value_at(bytes, t->own_gil_locked) - gil;
	uint32_t moved = (uint32_t)holder - l->gil_last_holder;

	if (holder < 8 || holder > 64 || locked != holder + (l->gil_locked - l->gil_last_holder))
		return -EPROTO;
	l->gil_interval += moved;
	l->gil_last_holder += moved;
	l->gil_locked += moved;
	l->gil_switch_number += moved;
	l->gil_cond += moved;
	l->gil_mutex += moved;
	l->gil_switch_cond += moved;
	l->gil_switch_mutex += moved;
	l->gil_size += moved;
	if (l->interp_world != NO_FIELD)
		l->interp_world += (uint32_t)gil - l->interp_own_gil;
	return 0;
}

static int apply_gc(const struct debug_offsets_table *t, const uint8_t *bytes, struct layout *l)
{
	uint64_t gc = value_at(bytes, t->gc), collecting = value_at(bytes, t->gc_collecting);

	if (gc > VALUE_MAX || collecting > VALUE_MAX || gc + collecting >= l->interp_size)
		return -EPROTO;
	l->interp_gc_collecting = (uint32_t)(gc + collecting);
	return 0;
}

int debug_offsets_read(const struct mem *mem, uint64_t runtime_addr, struct layout *ret, uint32_t *ret_version,
		       bool *ret_free_threaded)
{
	uint8_t bytes[LAYOUT_DEBUG_OFFSETS_MAX] = {0};
	const struct debug_offsets_table *table;
	const struct layout *row;
	uint64_t version;
	int r = mem_read(mem, runtime_addr, bytes, HEAD_BYTES);

	if (r < 0)
		return r;
	if (memcmp(bytes, cookie, sizeof(cookie)) != 0)
		return -ENODATA;
	version = value_at(bytes, VERSION_AT);
	*ret_version = (uint32_t)version;
	*ret_free_threaded = value_at(bytes, FREE_THREADED_AT) != 0;
	row = version <= UINT32_MAX ? layout_find_build((uint32_t)version, *ret_free_threaded) : NULL;
	table = row ? layout_debug_offsets((uint32_t)version) : NULL;
	if (!table)
		return -ENOTSUP;
	r = mem_read(mem, runtime_addr, bytes, table->size);
	if (r < 0)
		return r;
	*ret = *row;
	r = apply_offsets(table, bytes, ret);
	if (r == 0)
		r = apply_gc(table, bytes, ret);
	return r == 0 ? apply_gil(table, bytes, ret) : r;
}
