/* See frames.h. */
#include <linux/types.h>
#include <stddef.h>

#include "core/event/event.h"
#include "core/interp/mem.h"

static _Thread_local const struct mem *walked;

#define WALK_READ(dst, len, addr) mem_read(walked, (addr), (dst), (len))
#define WALK_FN static
#include "core/interp/frame_walk.h"
#include "core/interp/parked.h"
#include "core/interp/frames.h"

uint64_t frames_read(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t seed,
		     struct ev_stack *ret)
{
	struct walk_buf buf;
	uint64_t key;

	walked = mem;
	key = walk_frames(walk, tstate, seed, &buf, ret);
	walked = NULL;
	return key;
}

void frames_parked(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t ident, uint64_t sema, struct parked *ret)
{
	walked = mem;
	parked_read(walk, tstate, ident, sema, ret);
	walked = NULL;
}
