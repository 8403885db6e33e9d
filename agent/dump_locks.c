/* See dump_locks.h. */
#include "agent/dump_locks.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/lock_kinds.h"
#include "core/analysis/wait_graph.h"
#include "core/symbols/lock_finder.h"
#include "core/target/target.h"
#include "core/timeline/lock_place.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define NR_FUTEX 202 /* x86-64 */
#define LOOK_AGAIN_US 50000
#define OWNER_LOOK_US 1500 /* of a switch interval of 5 ms usually */

enum { OWNER_LOOKS = 20 };

typedef vec(struct dump_lock) lock_vec;

static struct place_frame frame_at(const void *ctx, unsigned i)
{
	const struct dump_thread *t = ctx;
	const struct dump_frame *f = &t->frames[t->n_below + i];

	return (struct place_frame){ f->function, f->file };
}

static int thread_by(const struct dump_wait_input *in, uint64_t ident, pid_t tid)
{
	for (unsigned i = 0; i < in->n_threads; i++)
		if ((ident && in->raw[i].ident == ident) || (tid && in->raw[i].tid == tid))
			return (int)i;
	return -1;
}

/* The only thread that is inside a `with` of the lock; several are not to be told apart. */
static int thread_inside(const struct dump_wait_input *in, uint64_t object)
{
	int found = -1;

	for (unsigned i = 0; i < in->n_threads; i++) {
		if (!lock_finder_inside(in->target, &in->raw[i], object))
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

static void find_owner(const struct dump_wait_input *in, const struct found_lock *found, struct dump_lock *l)
{
	if (lock_kind_fleeting(l->kind))
		return;
	l->owner_known = DUMP_OWNER_UNKNOWN;
	if (found->owner_ident || found->owner_tid)
		l->owner = thread_by(in, found->owner_ident, found->owner_tid);
	if (l->owner >= 0) {
		l->owner_known = DUMP_OWNER_TOLD;
	} else if (found->kind == FOUND_LOCK) {
		l->owner = thread_inside(in, found->object);
		l->owner_known = l->owner >= 0 ? DUMP_OWNER_INFERRED : DUMP_OWNER_UNKNOWN;
	}
}

static unsigned lock_index(const struct dump_wait_input *in, lock_vec *locks, const struct dump_thread *t, const struct found_lock *found)
{
	enum lock_kind kind = lock_place_kind(lock_place(t->n_frames - t->n_below, frame_at, t).kind, lock_kind_found(found->kind));
	struct dump_lock *l;

	for (unsigned i = 0; i < locks->n; i++)
		if (locks->items[i].address == found->addr)
			return i;
	l = vec_add(locks);
	*l = (struct dump_lock){ .kind = kind, .address = found->addr, .owner = -1, .owner_known = DUMP_OWNER_NONE,
				 .name = lock_kind_fleeting(kind) ? "" : in->keep(in->ctx, found->name) };
	find_owner(in, found, l);
	return (unsigned)locks->n - 1;
}

unsigned dump_locks_find(const struct dump_wait_input *in, struct dump_thread *threads, struct dump_lock **ret_locks)
{
	lock_vec locks = { 0 };

	for (unsigned i = 0; i < in->n_threads; i++) {
		struct dump_thread *t = &threads[i];
		struct found_lock found;

		t->lock = t->deadlock = -1;
		if (in->raw[i].nr != NR_FUTEX || in->raw[i].state == 'R' || t->state == DUMP_WAITS_GIL)
			continue;
		lock_finder_waited(in->target, &in->raw[i], true, &found);
		t->lock = (int)lock_index(in, &locks, t, &found);
		locks.items[t->lock].waiters++;
	}
	*ret_locks = locks.items;
	return (unsigned)locks.n;
}

static uint32_t waits_for(const struct dump_wait_input *in, const struct dump_thread *t, const struct dump_lock *locks)
{
	int owner = -1;

	if (t->state == DUMP_WAITS_GIL && t->gil >= 0)
		owner = in->gils[t->gil].holder;
	else if (t->lock >= 0)
		owner = locks[t->lock].owner;
	return owner >= 0 ? (uint32_t)owner : WAIT_GRAPH_NOBODY;
}

/* Asleep at the same word?  A waiter of the GIL wakes up every switch interval; if its holder has not moved, it has got nowhere. */
static bool still_there(const struct target_thread *was, const struct target_thread *now, bool gil)
{
	return gil || (now->nr == NR_FUTEX && now->state != 'R' && now->arg0 == was->arg0);
}

static void forget_moved(const struct dump_wait_input *in, const struct dump_thread *threads, uint32_t *edges, const uint32_t *cycle)
{
	struct target_thread *now = NULL;
	unsigned n = 0;

	usleep(LOOK_AGAIN_US);
	if (target_threads(in->target, false, &now, &n) < 0)
		n = 0;
	for (unsigned i = 0; i < in->n_threads; i++) {
		unsigned k = 0;

		if (cycle[i] == WAIT_GRAPH_NOBODY)
			continue;
		while (k < n && now[k].tid != in->raw[i].tid)
			k++;
		if (k == n || !still_there(&in->raw[i], &now[k], threads[i].state == DUMP_WAITS_GIL))
			edges[i] = WAIT_GRAPH_NOBODY;
	}
	free(now);
}

static bool asleep_on_gil(const struct dump_wait_input *in, pid_t tid, const struct dump_gil *gil)
{
	struct target_thread *now = NULL;
	bool asleep = false;
	unsigned n = 0;

	if (target_threads(in->target, false, &now, &n) < 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		asleep |= now[i].tid == tid && now[i].gil == gil->address;
	free(now);
	return asleep;
}

/* A holder of the GIL sleeps for a lock, and who has that lock is on a CPU: perhaps only between two sleeps on the GIL, which last a
 * switch interval each. */
static void look_at_owners(const struct dump_wait_input *in, struct dump_thread *threads, const struct dump_lock *locks)
{
	for (unsigned i = 0; i < in->n_threads; i++) {
		const struct dump_thread *t = &threads[i];
		struct dump_thread *owner = t->lock >= 0 && locks[t->lock].owner >= 0 ? &threads[locks[t->lock].owner] : NULL;

		if (t->state != DUMP_HOLDS_GIL_BLOCKED || !owner || owner == t || owner->state == DUMP_WAITS_GIL || owner->lock >= 0)
			continue;
		for (unsigned look = 0; look < OWNER_LOOKS && owner->state != DUMP_WAITS_GIL; look++) {
			usleep(OWNER_LOOK_US);
			if (!asleep_on_gil(in, owner->tid, &in->gils[t->gil]))
				continue;
			owner->state = DUMP_WAITS_GIL;
			owner->gil = t->gil;
		}
	}
}

unsigned dump_deadlocks_find(const struct dump_wait_input *in, struct dump_thread *threads, const struct dump_lock *locks)
{
	uint32_t *edges = xcalloc(in->n_threads ? in->n_threads : 1, sizeof(*edges));
	uint32_t *cycle = xcalloc(in->n_threads ? in->n_threads : 1, sizeof(*cycle));
	unsigned n;

	look_at_owners(in, threads, locks);
	for (unsigned i = 0; i < in->n_threads; i++)
		edges[i] = waits_for(in, &threads[i], locks);
	n = wait_graph_cycles(edges, in->n_threads, cycle);
	if (n) {
		forget_moved(in, threads, edges, cycle);
		n = wait_graph_cycles(edges, in->n_threads, cycle);
	}
	for (unsigned i = 0; i < in->n_threads; i++)
		threads[i].deadlock = cycle[i] == WAIT_GRAPH_NOBODY ? -1 : (int)cycle[i];
	free(edges);
	free(cycle);
	return n;
}
