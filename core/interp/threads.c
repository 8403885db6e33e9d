/* See threads.h. */
#include "core/interp/threads.h"

#include <errno.h>
#include <string.h>

#define TSTATE_SPAN 512 /* every field read of a tstate lies below this */

static uint64_t word(const uint8_t *bytes, uint32_t at)
{
	uint64_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static uint32_t tstate_span(const struct layout *l)
{
	const uint32_t fields[] = { l->tstate_prev, l->tstate_next, l->tstate_interp, l->tstate_thread_id,
				    l->tstate_native_thread_id };
	uint32_t span = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i] != NO_FIELD && fields[i] + 8 > span)
			span = fields[i] + 8;
	return span;
}

int thread_walk_begin(struct thread_walk *w, const struct layout *l, const struct mem *mem, uint64_t interp)
{
	*w = (struct thread_walk){ .l = l, .mem = mem, .interp = interp };
	if (l->by_ident)
		w->end = w->prev = interp;
	return mem_u64(mem, interp + l->interp_tstate_head, &w->next);
}

int thread_walk_next(struct thread_walk *w, struct py_thread *ret)
{
	uint8_t bytes[TSTATE_SPAN];
	uint32_t span = tstate_span(w->l);
	int r;

	if (w->next == w->end)
		return THREADS_END;
	if (span > sizeof(bytes))
		return -EPROTO;
	if (w->n++ >= THREADS_MAX || w->next % 8 != 0)
		return THREADS_TORN;
	r = mem_read(w->mem, w->next, bytes, span);
	if (r < 0)
		return r == -EFAULT ? THREADS_TORN : r;
	if ((w->l->tstate_interp != NO_FIELD && word(bytes, w->l->tstate_interp) != w->interp) ||
	    (w->l->tstate_prev != NO_FIELD && word(bytes, w->l->tstate_prev) != w->prev))
		return THREADS_TORN;
	ret->interp = w->interp;
	ret->ident = word(bytes, w->l->tstate_thread_id);
	ret->tstate = w->l->by_ident ? ret->ident : w->next;
	ret->native_tid = w->l->tstate_native_thread_id == NO_FIELD ? 0 : word(bytes, w->l->tstate_native_thread_id);
	w->prev = w->next;
	w->next = word(bytes, w->l->tstate_next);
	return 0;
}
