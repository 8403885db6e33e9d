/* See world.h. */
#include "core/interp/world.h"

#include <stdbool.h>
#include <string.h>

#include "core/interp/parked.h"

enum { REACH = 512, THREADS_MAX = 1 << 20 };

static bool plausible(const struct parked_world *w)
{
	return w->global == 1 && w->mutex <= PARKED_LOCKED && w->requested <= 1 && w->stopped <= 1 && w->stop_event <= PARKED_LOCKED &&
	       !w->pad[0] && !w->pad[1] && !w->pad[2] && w->countdown < THREADS_MAX && w->requester % 8 == 0;
}

uint64_t world_find(const struct mem *mem, uint64_t about)
{
	uint8_t bytes[2 * REACH];
	struct parked_world w;

	if (mem_read(mem, about - REACH, bytes, sizeof(bytes)) != 0)
		return 0;
	for (unsigned away = 0; away + sizeof(w) <= REACH; away += 8)
		for (int side = 0; side < 2; side++) {
			unsigned at = side ? REACH - away : REACH + away;

			memcpy(&w, bytes + at, sizeof(w));
			if (plausible(&w))
				return about - REACH + at;
		}
	return 0;
}
