#pragma once
/* Credits, told once.  A wait's credits are the holds of its lock that overlap it, cut into pieces by what the holder did and
 * the lines it was seen at (core/timeline/credit.c).  Hundreds of waits overlap the same hold, so the page gets the pieces
 * of each hold and works the credits out (page/data/credits.ts), which takes a tenth of the room.
 *
 * The recording has credits, not pieces: they are learned here.  Waits come in the order of their ends, so each hold's
 * pieces are what is left of the first wait that covers it when the holds learned before are taken away.  Whatever then
 * still differs from the recorded credits (a hold with lines in turns, seen in part) is kept as a difference: what the page
 * works out is what was recorded, to the nanosecond.
 *
 * Owns: pieces_done frees.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stdint.h>

#include "core/timeline/model.h"
#include "core/util/vec.h"

struct rows;

struct piece_key { uint32_t holder, stack; uint16_t nr; uint8_t state, pad; }; /* nr: system call + 1; holder MODEL_NONE */
struct piece { uint64_t ns; uint32_t stack, next; uint16_t nr; uint8_t state; }; /* next: index + 1 in items, 0 the last */
struct piece_hold { uint64_t known_from; uint32_t first; }; /* pieces cover [known_from, end); first: index + 1 */
struct piece_delta { int64_t ns; uint32_t wait; struct piece_key key; }; /* by row of the wait, in order of appearance */

struct pieces {
	const struct rows *x;
	struct piece_hold *holds; /* by row */
	vec(struct piece) items;
	vec(struct piece_delta) deltas;
	struct piece_sum *sums; /* of the wait being worked on */
	uint32_t *slots; /* hash of sums: index + 1 */
	size_t n_sums, cap_sums, n_slots;
	bool *seen; /* by row of the wait */
	uint64_t exact; /* waits that need no difference */
};

/* After the holds are ordered. */
void pieces_init(struct pieces *p, const struct rows *x);
void pieces_done(struct pieces *p);
/* The credits of one wait, all of them. */
void pieces_wait(struct pieces *p, uint32_t wait, const struct credit *credits, size_t n);
/* After the last: waits without credits, holds that nobody waited through. */
void pieces_finish(struct pieces *p);
