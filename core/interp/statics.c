/* See statics.h. */
#include "core/interp/statics.h"

#include <errno.h>
#include <linux/types.h>
#include <stddef.h>

#include "core/interp/frame_walk.h"

#define COND_SIZE 48
#define MUTEX_SIZE 40
#define LOCKED_SIZE 8 /* mutex2_t of PyPy's src/thread_pthread.c: a char and its padding, a mutex, a condition */
#define TSTATE_SPAN 256
#define GIL_SPAN_MAX 4096 /* its four parts come from one source file, so lie together */

static uint64_t least(const uint64_t *addresses, size_t n)
{
	uint64_t low = 0;

	for (size_t i = 0; i < n; i++)
		if (addresses[i] && (!low || addresses[i] < low))
			low = addresses[i];
	return low;
}

static uint32_t offset_of(uint64_t address, uint64_t base)
{
	return address && address - base < NO_FIELD ? (uint32_t)(address - base) : NO_FIELD;
}

/* 3.6: its parts are separate variables, in the order the compiler chose. */
static int lay_out_gil(const struct static_vars *v, struct layout *l, uint64_t base)
{
	const uint64_t parts[] = { v->gil_mutex, v->gil_cond, v->switch_mutex, v->switch_cond };
	uint64_t low = least(parts, 4), end = 0;

	for (size_t i = 0; i < 4; i++) {
		uint64_t part_end = parts[i] + (i % 2 ? COND_SIZE : MUTEX_SIZE);

		if (!parts[i])
			return -EPROTO;
		end = part_end > end ? part_end : end;
	}
	if (end - low > GIL_SPAN_MAX)
		return -EPROTO;
	l->runtime_gil = offset_of(low, base);
	l->gil_size = (uint32_t)(end - low);
	l->gil_mutex = (uint32_t)(v->gil_mutex - low);
	l->gil_cond = (uint32_t)(v->gil_cond - low);
	l->gil_switch_mutex = (uint32_t)(v->switch_mutex - low);
	l->gil_switch_cond = (uint32_t)(v->switch_cond - low);
	return l->runtime_gil == NO_FIELD ? -EPROTO : 0;
}

/* The GIL is taken while rpy_fastgil names somebody and mutex_gil.locked is 1; the latter, a char, comes before the mutex. */
static int lay_out_pypy(const struct static_vars *v, struct layout *l, uint64_t *ret_base)
{
	const uint64_t parts[] = { v->gil_ident, v->gil_mutex - LOCKED_SIZE, v->gil_queue };
	const uint64_t ends[] = { v->gil_ident + 8, v->gil_mutex + MUTEX_SIZE + COND_SIZE, v->gil_queue + MUTEX_SIZE };
	uint64_t low = least(parts, 3), base = v->thread_ring < low ? v->thread_ring : low, end = 0;

	if (!v->gil_ident || !v->gil_mutex || !v->gil_queue || !v->thread_ring || v->thread_ident >= TSTATE_SPAN)
		return -EPROTO;
	for (size_t i = 0; i < 3; i++)
		end = ends[i] > end ? ends[i] : end;
	base -= 8; /* so that no offset is 0 */
	if (end - low > GIL_SPAN_MAX || offset_of(v->thread_ring, base) == NO_FIELD || offset_of(low, base) == NO_FIELD)
		return -EPROTO;
	l->runtime_interpreters_head = offset_of(v->thread_ring, base);
	l->runtime_gil = offset_of(low, base);
	l->gil_size = (uint32_t)(end - low);
	l->gil_last_holder = (uint32_t)(v->gil_ident - low);
	l->gil_locked = (uint32_t)(v->gil_mutex - LOCKED_SIZE - low);
	l->gil_mutex = (uint32_t)(v->gil_mutex - low);
	l->gil_cond = l->gil_mutex + MUTEX_SIZE;
	l->gil_switch_mutex = (uint32_t)(v->gil_queue - low);
	l->tstate_thread_id = (uint32_t)v->thread_ident;
	*ret_base = base;
	return 0;
}

int static_vars_layout(const struct static_vars *v, struct layout *l, uint64_t *ret_base)
{
	const uint64_t all[] = { v->interp_head, v->gil_lock, v->gil_mutex, v->gil_cond, v->switch_mutex, v->switch_cond,
				 v->tls_key, v->gc_collecting };
	uint64_t base = least(all, sizeof(all) / sizeof(all[0])) - 8; /* so that no offset is 0 */
	int r = 0;

	if (l->gil_words == WALK_GIL_IDENT)
		return lay_out_pypy(v, l, ret_base);
	if (!v->interp_head || !v->current)
		return -EPROTO;
	l->runtime_interpreters_head = offset_of(v->interp_head, base);
	l->runtime_tss_key = l->gil_words == WALK_GIL_SEMAPHORE ? NO_FIELD : offset_of(v->tls_key, base);
	l->runtime_gc_collecting = offset_of(v->gc_collecting, base);
	l->static_current = v->current;
	l->static_interval = v->gil_interval;
	if (l->gil_words == WALK_GIL_SEMAPHORE)
		l->runtime_gil_ptr = offset_of(v->gil_lock, base);
	else
		r = lay_out_gil(v, l, base);
	if (r == 0 && (l->runtime_interpreters_head == NO_FIELD || l->runtime_gil_ptr == NO_FIELD))
		r = -EPROTO;
	if (r == 0)
		*ret_base = base;
	return r;
}
