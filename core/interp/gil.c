/* See gil.h.  The four words are read at once, so that they belong together as far as one copy can make them. */
#include "core/interp/gil.h"

#include <errno.h>
#include <string.h>

#define GIL_HEAD_BYTES 128

/* Only who has it now is kept, in a variable of its own. */
static int read_current(const struct layout *l, const struct mem *mem, struct gil_view *ret)
{
	struct gil_view view = {0};
	int r = mem_u64(mem, l->static_current, &view.last_holder);

	if (r == 0 && l->static_interval)
		r = mem_u64(mem, l->static_interval, &view.interval_us);
	if (r < 0)
		return r;
	view.locked = view.last_holder != 0;
	*ret = view;
	return 0;
}

/* PyPy: while the GIL is handed on, the word still names who had it. */
static int read_ident(const struct layout *l, const struct mem *mem, uint64_t gil, struct gil_view *ret)
{
	struct gil_view view = {0};
	uint8_t locked;
	int r = mem_read(mem, gil + l->gil_locked, &locked, sizeof(locked));

	if (r == 0)
		r = mem_u64(mem, gil + l->gil_last_holder, &view.last_holder);
	if (r < 0)
		return r;
	if (locked > 1)
		return -EPROTO;
	view.locked = locked && view.last_holder;
	*ret = view;
	return 0;
}

int gil_read(const struct layout *l, const struct mem *mem, uint64_t gil, struct gil_view *ret)
{
	uint8_t head[GIL_HEAD_BYTES];
	size_t n = (size_t)l->gil_switch_number + 8;
	int r;

	if (l->static_current)
		return read_current(l, mem, ret);
	if (l->by_ident)
		return read_ident(l, mem, gil, ret);
	if (n > sizeof(head) || l->gil_interval > n - 8 || l->gil_last_holder > n - 8 || l->gil_locked > n - 4)
		return -EPROTO;
	r = mem_read(mem, gil, head, n);
	if (r < 0)
		return r;
	memcpy(&ret->interval_us, head + l->gil_interval, 8);
	memcpy(&ret->last_holder, head + l->gil_last_holder, 8);
	memcpy(&ret->locked, head + l->gil_locked, 4);
	memcpy(&ret->switch_number, head + l->gil_switch_number, 8);
	return 0;
}

int gil_of_interp(const struct layout *l, const struct mem *mem, uint64_t runtime_addr, uint64_t interp, uint64_t *ret)
{
	if (l->interp_gil_ptr != NO_FIELD) {
		uint32_t enabled = 1;
		uint64_t gil;
		int r = mem_u64(mem, interp + l->interp_gil_ptr, &gil);

		if (r == 0 && gil && l->gil_enabled != NO_FIELD)
			r = mem_u32(mem, gil + l->gil_enabled, &enabled);
		if (r == 0)
			*ret = enabled ? gil : 0;
		return r;
	}
	if (l->runtime_gil_ptr)
		return mem_u64(mem, runtime_addr + l->runtime_gil_ptr, ret);
	*ret = runtime_addr + l->runtime_gil;
	return 0;
}
