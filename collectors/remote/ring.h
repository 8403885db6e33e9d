#pragma once
/* Events from the sampling child to us: one producer, one consumer, in shared memory.  What does not fit is counted, never waited for.
 * Owns: nothing, it lies in memory of others (zeroed is empty).  Context: push in one process, drain in one other.
 * Errors: none; an event that the child left half-written when it was killed is not seen. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ev_hdr;

#define RING_BYTES (4U << 20) /* a power of two */

struct ring {
	_Alignas(64) atomic_uint_fast64_t head; /* written up to */
	_Alignas(64) atomic_uint_fast64_t tail; /* read up to */
	_Alignas(8) uint8_t data[RING_BYTES];
};

bool ring_push(struct ring *r, const struct ev_hdr *event);
/* Calls each with every event there is; the event is checked to be whole. */
void ring_drain(struct ring *r, void (*each)(void *ctx, const struct ev_hdr *event), void *ctx);
