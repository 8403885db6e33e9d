/* See lock_finder.h. */
#include "core/symbols/lock_finder.h"

#include <stdio.h>
#include <string.h>

#include "core/interp/frames.h"
#include "core/interp/layout.h"
#include "core/interp/lock_object.h"

#define NR_FUTEX 202 /* x86-64 */
#define FUTEX_CMD 127 /* without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME (linux/futex.h) */
#define FUTEX_PRIVATE 128
#define FUTEX_WAIT 0
#define MUTEX_CONTENDED 2 /* glibc's lowlevellock: taken, and somebody waits */

enum { WAITER_FRAMES = 4, INSIDE_FRAMES = 256, STACK_ABOVE = 16, VALUES_MAX = FRAME_LOCALS_MAX + 64 + STACK_ABOVE };

/* What lies behind the last frame of a chunk need not be there. */
static void read_values(const struct mem *mem, uint64_t at, unsigned n, uint64_t *ret)
{
	while (n && mem_read(mem, at, ret, (size_t)n * 8) != 0)
		n /= 2;
}

/* The lock whose word it sleeps on, among the values of its innermost frames. */
static bool in_frames(struct target *t, uint64_t tstate, uint64_t word, struct lock_object *ret)
{
	const struct runtime *rt = target_runtime(t);
	const struct mem *mem = target_mem(t);
	struct frame_scan scan;
	struct py_frame f;

	if (frame_scan_begin(&scan, rt->layout, &rt->walk, mem, tstate) != 0)
		return false;
	for (unsigned i = 0; i < WAITER_FRAMES && frame_scan_next(&scan, &f) == 0; i++) {
		uint64_t values[VALUES_MAX] = { 0 };
		unsigned n = f.n_locals;

		read_values(mem, f.locals, n, values);
		if (f.stack)
			read_values(mem, f.stack, f.n_held + STACK_ABOVE, values + n);
		for (unsigned k = 0; k < n + f.n_held + STACK_ABOVE; k++)
			if (values[k] && lock_object_of_value(rt->layout, mem, values[k], ret) == 0 && ret->word == word)
				return true;
	}
	return false;
}

void lock_finder_parked(struct target *t, const struct target_thread *thread, struct parked *ret)
{
	*ret = (struct parked){ .as = EV_PARKED_NOT };
	if (target_runtime(t) && thread->nr == NR_FUTEX && thread->arg0 - thread->sp < PARKED_WITHIN)
		frames_parked(&target_runtime(t)->walk, target_mem(t), thread->tstate, thread->ident, thread->arg0, ret);
}

uint64_t lock_finder_address(struct target *t, const struct target_thread *thread)
{
	struct parked parked;

	lock_finder_parked(t, thread, &parked);
	return parked.at ? parked.at : thread->arg0;
}

static void find_parked(struct target *t, const struct parked *parked, struct found_lock *ret)
{
	static const enum found_kind kinds[EV_PARKED_N] = {
		[EV_PARKED_NOT] = FOUND_WORD, [EV_PARKED_ELSEWHERE] = FOUND_WORD, [EV_PARKED_MUTEX] = FOUND_PYMUTEX,
		[EV_PARKED_LOCK] = FOUND_PYMUTEX, [EV_PARKED_OBJECT] = FOUND_OBJECT, [EV_PARKED_SECTION] = FOUND_SECTION,
		[EV_PARKED_STOPPED] = FOUND_STW, [EV_PARKED_STOPPING] = FOUND_STW_REQUEST,
	};
	const struct layout *l = target_runtime(t)->layout;
	struct lock_object o;

	ret->addr = parked->at;
	ret->kind = kinds[parked->as];
	if (parked->as == EV_PARKED_OBJECT)
		ret->object = parked->at - l->object_mutex;
	else if (parked->as == EV_PARKED_STOPPED)
		ret->owner_ident = parked->owner;
	else if (parked->as == EV_PARKED_LOCK && lock_object_parked(l, target_mem(t), parked->at, &o) == 0) {
		ret->object = o.object;
		ret->kind = o.recursive ? FOUND_RLOCK : FOUND_LOCK;
		ret->owner_ident = o.owner;
	}
}

static void find_object(struct target *t, const struct target_thread *thread, struct found_lock *ret)
{
	struct parked parked;
	struct lock_object o;

	lock_finder_parked(t, thread, &parked);
	if (parked.at) {
		find_parked(t, &parked, ret);
	} else if (in_frames(t, thread->tstate, thread->arg0, &o)) {
		ret->object = o.object;
		ret->kind = o.recursive ? FOUND_RLOCK : FOUND_LOCK;
		ret->owner_ident = o.owner;
	}
}

static void find_mutex(struct target *t, const struct target_thread *thread, struct found_lock *ret)
{
	struct { uint32_t lock, count, owner; } mutex; /* glibc's pthread_mutex_t begins so */

	if ((thread->arg1 & FUTEX_CMD) != FUTEX_WAIT || mem_read(target_mem(t), thread->arg0, &mutex, sizeof(mutex)) != 0)
		return;
	if (mutex.lock != MUTEX_CONTENDED || !mutex.owner || mutex.owner > INT32_MAX)
		return;
	ret->kind = FOUND_MUTEX;
	ret->owner_tid = (pid_t)mutex.owner;
}

static void find_name(struct target *t, const struct target_thread *thread, struct found_lock *ret)
{
	const struct runtime *rt = target_runtime(t);
	char type[32];

	if (!object_name_find(rt->layout, &rt->walk, target_mem(t), thread->tstate, ret->object, ret->name))
		ret->name[0] = 0;
	if (ret->kind == FOUND_OBJECT && object_type_name(rt->layout, target_mem(t), ret->object, type, sizeof(type)) == 0) {
		size_t n = strlen(ret->name);

		snprintf(ret->name + n, sizeof(ret->name) - n, n ? " (%s)" : "a %s", type);
	}
}

void lock_finder_waited(struct target *t, const struct target_thread *thread, bool want_name, struct found_lock *ret)
{
	*ret = (struct found_lock){ .kind = FOUND_WORD, .addr = thread->arg0 };
	if (!(thread->arg1 & FUTEX_PRIVATE) && target_shared_word(t, thread->arg0, &ret->device, &ret->inode, &ret->offset)) {
		ret->kind = FOUND_SHARED;
		return;
	}
	if (target_runtime(t) && thread->tstate)
		find_object(t, thread, ret);
	if (ret->kind == FOUND_WORD)
		find_mutex(t, thread, ret);
	if (want_name && ret->object)
		find_name(t, thread, ret);
}

bool lock_finder_inside(struct target *t, const struct target_thread *thread, uint64_t object)
{
	const struct runtime *rt = target_runtime(t);
	const struct mem *mem = target_mem(t);
	struct frame_scan scan;
	struct py_frame f;

	if (!thread->tstate || frame_scan_begin(&scan, rt->layout, &rt->walk, mem, thread->tstate) != 0)
		return false;
	for (unsigned i = 0; i < INSIDE_FRAMES && frame_scan_next(&scan, &f) == 0; i++) {
		uint64_t values[64];
		struct lock_object o;

		if (!f.stack || !f.n_held || mem_read(mem, f.stack, values, (size_t)f.n_held * 8) != 0)
			continue;
		for (unsigned k = 0; k < f.n_held; k++)
			if (lock_object_of_value(rt->layout, mem, values[k], &o) == 0 && o.object == object)
				return true;
	}
	return false;
}
