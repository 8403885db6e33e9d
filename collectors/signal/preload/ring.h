#pragma once
/* A ring of events between one producer (a thread of a target, or a signal handler on it, never both at once) and one consumer
 * (gilscope, in another process).  Records are whole events, 8-byte aligned, and may wrap anywhere.  The producer never waits: what
 * does not fit is refused.  The consumer trusts nothing it reads: it copies first and checks the copy.
 *
 * Owns: nothing.  Context: the producer's half is async-signal-safe.  Errors: false, RING_E_CORRUPT. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/event/event.h"

struct ring { /* in shared memory; zeroed is empty */
	uint64_t head; /* bytes ever written; the producer's */
	uint64_t pad[7];
	uint64_t tail; /* bytes ever read; the consumer's */
	uint64_t pad2[7];
};

static inline uint32_t ring_stride(uint32_t size)
{
	return (size + 7U) & ~7U;
}

static inline void ring_copy_in(uint8_t *data, uint32_t bytes, uint64_t at, const void *from, uint32_t n)
{
	uint32_t start = (uint32_t)(at & (bytes - 1)), first = bytes - start < n ? bytes - start : n;

	memcpy(data + start, from, first);
	memcpy(data, (const uint8_t *)from + first, n - first);
}

static inline void ring_copy_out(void *to, const uint8_t *data, uint32_t bytes, uint64_t at, uint32_t n)
{
	uint32_t start = (uint32_t)(at & (bytes - 1)), first = bytes - start < n ? bytes - start : n;

	memcpy(to, data + start, first);
	memcpy((uint8_t *)to + first, data, n - first);
}

/* bytes: size of data, a power of two.  False: no room. */
static inline bool ring_put(struct ring *r, uint8_t *data, uint32_t bytes, const struct ev_hdr *e)
{
	uint64_t head = __atomic_load_n(&r->head, __ATOMIC_RELAXED);
	uint64_t tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);

	if (bytes - (head - tail) < ring_stride(e->size))
		return false;
	ring_copy_in(data, bytes, head, e, e->size);
	__atomic_store_n(&r->head, head + ring_stride(e->size), __ATOMIC_RELEASE);
	return true;
}

enum { RING_EMPTY = 0, RING_GOT = 1, RING_E_CORRUPT = -1 };

/* The oldest record up to `limit` (a head read before) into out, max bytes.  Nothing is freed before ring_free. */
static inline int ring_get(const uint8_t *data, uint32_t bytes, uint64_t *at, uint64_t limit, void *out, uint32_t max)
{
	struct ev_hdr *h = out;
	uint64_t left = limit - *at;
	uint32_t size;

	if (!left)
		return RING_EMPTY;
	if (left > bytes || left < sizeof(*h) || (left & 7) || max < sizeof(*h))
		return RING_E_CORRUPT;
	ring_copy_out(out, data, bytes, *at, sizeof(*h));
	size = h->size; /* of our copy: the producer's may change under us */
	if (size < sizeof(*h) || size > max || ring_stride(size) > left)
		return RING_E_CORRUPT;
	ring_copy_out((uint8_t *)out + sizeof(*h), data, bytes, *at + sizeof(*h), size - (uint32_t)sizeof(*h));
	*at += ring_stride(size);
	return RING_GOT;
}

static inline uint64_t ring_head(const struct ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
}

static inline void ring_free(struct ring *r, uint64_t upto)
{
	__atomic_store_n(&r->tail, upto, __ATOMIC_RELEASE);
}
