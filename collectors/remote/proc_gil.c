/* See proc_gil.h.  Who waits in take_gil is seen in two ways: a thread asleep on the words of the GIL by its system call; one that was woken
 * and is on its way, which the lock itself counts: glibc's condition the threads inside pthread_cond_wait, its semaphore those inside sem_wait. */
#include "collectors/remote/proc_gil.h"

#include <errno.h>
#include <string.h>

#include "collectors/remote/emit.h"
#include "collectors/remote/proc.h"
#include "collectors/remote/proc_threads.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/target/target.h"

#define HOLD_PIECE_NS (20 * NS_PER_MS) /* core/timeline settles after 100 ms what it was told */
#define GIL_BYTES 512
/* pthread_cond_t, from its begin: waiters sleep on one of two words of __g_signals; just before them lies __wrefs, threads inside it
 * times 8.  nptl/bits/thread-shared-types.h: at 40 and 36 in glibc up to 2.40, at 32 and 28 since g_refs went (2.41). */
enum { COND_SIZE = 48, COND_SIGNALS_OLD = 40, COND_SIGNALS_NEW = 32, COND_REFS_BEFORE = 4, COND_REFS_SHIFT = 3 };
#define SEMAPHORE_WAITERS 4 /* struct new_sem, sysdeps/nptl/internaltypes.h: value, then nwaiters */

void proc_gil_tell_hold(struct proc *p, struct proc_gil *g, uint64_t t_ns)
{
	const struct track *t = &p->shared->tracks[g->holder];
	struct ev_hold e = { .h = { .kind = EV_HOLD, .size = sizeof(e), .flags = EV_F_INFERRED | EV_F_SAMPLED, .pid = t->pid, .tid = t->tid },
			     .t0_ns = g->held_ns, .t1_ns = t_ns, .gil = g->addr };

	if (t_ns > g->held_ns)
		emit(p->shared, &e.h);
	g->held_ns = t_ns;
}

struct words {
	uint64_t holder; /* thread state that has it now, 0 none */
	uint64_t last_holder, number;
	unsigned inside;
	bool inside_known;
};

static uint32_t word_at(const uint8_t *bytes, size_t n, size_t at)
{
	uint32_t word = 0;

	if (at + sizeof(word) <= n)
		memcpy(&word, bytes + at, sizeof(word));
	return word;
}

/* Threads inside its two conditions; the GIL's struct lies in bytes. */
static void count_inside(const struct walk_layout *w, const struct proc_gil *g, const uint8_t *bytes, size_t n, struct words *ret)
{
	size_t cond = w->gil_wait - COND_SIGNALS_NEW, forced = w->gil_forced;

	if (!g->refs_at)
		return;
	ret->inside = (word_at(bytes, n, cond + g->refs_at) >> COND_REFS_SHIFT) + (word_at(bytes, n, forced + g->refs_at) >> COND_REFS_SHIFT);
	ret->inside_known = true;
}

/* All of it in one read: of one moment. */
static int read_together(struct proc *p, const struct proc_gil *g, const struct walk_layout *w, struct words *ret)
{
	size_t n = w->gil_size < GIL_BYTES ? w->gil_size : GIL_BYTES, at = w->gil_holder;
	uint8_t bytes[GIL_BYTES];
	int32_t locked;
	int err;

	if (at + 24 > n)
		return -EPROTO;
	err = mem_read(target_mem(p->target), g->addr, bytes, n);
	if (err)
		return err;
	memcpy(&ret->last_holder, bytes + at, sizeof(ret->last_holder));
	memcpy(&locked, bytes + at + 8, sizeof(locked));
	memcpy(&ret->number, bytes + at + 16, sizeof(ret->number));
	ret->holder = locked == 1 ? ret->last_holder : 0;
	count_inside(w, g, bytes, n, ret);
	return 0;
}

static int read_words(struct proc *p, const struct proc_gil *g, struct words *ret)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;
	const struct mem *m = target_mem(p->target);
	uint32_t waiters;
	uint8_t locked = 0;
	int err;

	*ret = (struct words){ 0 };
	if (w->gil_words == WALK_GIL_TOGETHER)
		return read_together(p, g, w, ret);
	err = mem_u64(m, g->addr + w->gil_holder, &ret->last_holder);
	if (!err && w->gil_words == WALK_GIL_IDENT)
		err = mem_read(m, g->addr + w->gil_locked, &locked, sizeof(locked));
	if (err)
		return err;
	if (w->gil_words != WALK_GIL_IDENT || locked == 1)
		ret->holder = ret->last_holder;
	if (w->gil_words == WALK_GIL_SEMAPHORE && !mem_read(m, g->addr + SEMAPHORE_WAITERS, &waiters, sizeof(waiters))) {
		ret->inside = waiters;
		ret->inside_known = true;
	}
	return 0;
}

static void note_turn(struct proc_gil *g, const struct words *w)
{
	g->switched = !g->seen || w->last_holder != g->last_holder || w->number != g->number;
	if (g->seen) {
		g->changes += w->last_holder != g->last_holder;
		g->switches += w->number > g->number ? w->number - g->number : 0;
	}
	g->seen = true;
	g->last_holder = w->last_holder;
	g->number = w->number;
	g->n++;
}

int proc_gil_look(struct proc *p, struct proc_gil *g, uint64_t now)
{
	struct words w;
	uint32_t holder = PROC_NOBODY;
	int err = read_words(p, g, &w);

	g->waiters = g->asleep = 0;
	g->inside_known = false;
	if (err)
		return err;
	note_turn(g, &w);
	g->inside = w.inside;
	g->inside_known = w.inside_known && w.inside <= p->n_tracks;
	if (w.holder) {
		holder = proc_threads_by_state(p, w.holder);
		p->list_wanted |= holder == PROC_NOBODY;
	}
	if (g->holder != PROC_NOBODY && holder != g->holder) {
		uint64_t between = track_between(p->looked_ns, now);

		proc_gil_tell_hold(p, g, between > g->held_ns ? between : g->held_ns);
	}
	if (holder != PROC_NOBODY && holder != g->holder)
		g->held_ns = p->looked_ns ? track_between(p->looked_ns, now) : now;
	g->holder = holder;
	if (holder != PROC_NOBODY && now - g->held_ns >= HOLD_PIECE_NS)
		proc_gil_tell_hold(p, g, now);
	return 0;
}

bool proc_gil_unchanged(struct proc *p, const struct proc_gil *g)
{
	struct words w;

	return !read_words(p, g, &w) && w.holder == g->last_holder && w.number == g->number;
}

struct proc_gil *proc_gil_at(struct proc *p, uint64_t word)
{
	const struct runtime *r = target_runtime(p->target);

	for (unsigned i = 0; r && i < p->n_gils; i++)
		if (word - p->gils[i].addr < r->walk.gil_size)
			return &p->gils[i];
	return NULL;
}

struct proc_gil *proc_gil_slept_on(struct proc *p, uint64_t word, uint64_t sp)
{
	const struct runtime *r = target_runtime(p->target);
	uint64_t gil = r ? runtime_gil_slept_on(r, target_mem(p->target), word, sp) : 0;

	return gil ? proc_gil_at(p, gil) : NULL;
}

struct proc_gil *proc_gil_of(struct proc *p, const struct track *t)
{
	return t->gil ? proc_gil_at(p, t->gil) : p->n_gils ? &p->gils[0] : NULL;
}

void proc_gil_asleep(struct proc *p, struct proc_gil *g, uint64_t word)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;
	uint64_t at = word - g->addr - (w->gil_wait - COND_SIGNALS_NEW), at_forced = word - g->addr - w->gil_forced;

	g->asleep += w->gil_words == WALK_GIL_SEMAPHORE || at < COND_SIZE || at_forced < COND_SIZE; /* else on a mutex */
	if (w->gil_words == WALK_GIL_TOGETHER && !w->cond_list && !g->refs_at) {
		if (at == COND_SIGNALS_OLD || at == COND_SIGNALS_OLD + 4)
			g->refs_at = COND_SIGNALS_OLD - COND_REFS_BEFORE;
		else if (at == COND_SIGNALS_NEW || at == COND_SIGNALS_NEW + 4)
			g->refs_at = COND_SIGNALS_NEW - COND_REFS_BEFORE;
	}
}
