/* See frames.h. */
#include <linux/types.h>
#include <stddef.h>

#include "core/event/event.h"
#include "core/interp/mem.h"

struct walk_state;
struct frames_entries;

static _Thread_local const struct mem *walked;
static _Thread_local struct frames_entries *entries; /* NULL: nobody asks */
static _Thread_local __u64 cframe; /* 3.11: of the next one, 0 unknown */

static void note_entry(const struct walk_state *w, __u64 addr);

#define WALK_READ(dst, len, addr) mem_read(walked, (addr), (dst), (len))
#define WALK_FN static
#define WALK_ENTRY(w, addr) note_entry(w, addr)
#include "core/interp/cond_list.h"
#include "core/interp/frame_walk.h"
#include "core/interp/parked.h"
#include "core/interp/frames.h"

static void note_entry(const struct walk_state *w, __u64 addr)
{
	if (!entries || entries->n == EV_MAX_ENTRIES)
		return;
	if (!addr && cframe) { /* struct _PyCFrame: current_frame, then previous */
		addr = cframe;
		if (mem_read(walked, cframe + w->l->cframe_frame + 8, &cframe, sizeof(cframe)))
			cframe = 0;
	}
	entries->at[entries->n++] = (struct ev_entry){ .addr = addr, .frames = w->out->n };
}

uint64_t frames_read_entries(const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t seed, struct ev_stack *ret,
			     struct frames_entries *ret_entries)
{
	uint64_t key;

	ret_entries->n = 0;
	if (walk->frame_entry == WALK_NO_OWNER || mem_read(mem, tstate + walk->tstate_frame, &cframe, sizeof(cframe)))
		cframe = 0;
	entries = ret_entries;
	key = frames_read(walk, mem, tstate, seed, ret);
	entries = NULL;
	return key;
}

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

bool frames_listed(const struct walk_layout *walk, const struct mem *mem, uint64_t gil, uint64_t word)
{
	enum cond_found found;

	walked = mem;
	found = cond_find(gil + walk->gil_cond + walk->cond_list, gil + walk->gil_forced + walk->cond_list, word);
	walked = NULL;
	return found == COND_FIRST || found == COND_SECOND;
}

void frames_task_name(const struct walk_layout *walk, const struct mem *mem, uint64_t name, struct ev_frame *ret)
{
	struct walk_buf buf;

	walked = mem;
	walk_name(&walk->tasks, name, &buf, ret);
	walked = NULL;
}
