/* See ring.h.  Events lie one after the other, each from a multiple of 8; one that would cross the end begins at 0 instead, and what
 * is left before it is marked by a size of 0. */
#include "collectors/remote/ring.h"

#include <string.h>

#include "core/event/event.h"
#include "core/event/event_names.h"

static uint64_t stride(uint16_t size)
{
	return (size + 7U) & ~7U;
}

bool ring_push(struct ring *r, const struct ev_hdr *event)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed), tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint64_t at = head % RING_BYTES, need = stride(event->size), skip = RING_BYTES - at < need ? RING_BYTES - at : 0;

	if (head + skip + need - tail > RING_BYTES)
		return false;
	if (skip) {
		memset(r->data + at, 0, sizeof(struct ev_hdr) < skip ? sizeof(struct ev_hdr) : skip);
		at = 0;
	}
	memcpy(r->data + at, event, event->size);
	atomic_store_explicit(&r->head, head + skip + need, memory_order_release);
	return true;
}

void ring_drain(struct ring *r, void (*each)(void *ctx, const struct ev_hdr *event), void *ctx)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire), tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	while (tail < head) {
		uint64_t at = tail % RING_BYTES, left = RING_BYTES - at;
		struct ev_hdr h;

		if (left < sizeof(h)) {
			tail += left;
			continue;
		}
		memcpy(&h, r->data + at, sizeof(h));
		if (h.size == 0) {
			tail += left;
			continue;
		}
		if (h.size > left || h.size > head - tail || !event_size_ok((const struct ev_hdr *)(r->data + at), left)) {
			tail = head; /* the child is ours, but nothing is read past its end */
			break;
		}
		each(ctx, (const struct ev_hdr *)(r->data + at));
		tail += stride(h.size);
	}
	atomic_store_explicit(&r->tail, tail, memory_order_release);
}
