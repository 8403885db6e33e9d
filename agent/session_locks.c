/* See session_locks.h. */
#include "agent/session_locks.h"

#include <stdlib.h>
#include <string.h>

#include "agent/lock_kinds.h"
#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/interp/frames.h"
#include "core/symbols/lock_finder.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/timeline/lock_place.h"
#include "core/util/xalloc.h"

#define uthash_fatal(msg) abort() /* cannot happen: xmalloc stops first */
#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

#define NR_FUTEX 202 /* x86-64 */
#define LOOK_EVERY_NS (40 * NS_PER_MS)
#define EAGER_LOOKS 16 /* who sleeps for a short time only is gone again when the look comes */
#define GLANCE_MAX_NS (2 * NS_PER_S)
#define GLANCE_EVERY_NS (160 * NS_PER_MS)
#define LOOK_SHARE 100 /* looks take one part in so many of the time … */
#define LOOK_CREDIT_NS (500 * NS_PER_MS) /* … and so much beforehand: a recording may be short, and most locks are new at its begin */

enum { TOLD_MAX = 65536, LOOKED_AT_MAX = 64, TRIES = 100 };

struct told_key {
	uint64_t addr;
	uint32_t pid, zero;
};

struct told {
	struct told_key key;
	unsigned tries; /* TRIES: enough */
	UT_hash_handle hh;
};

/* A word that threads sleep at.  A thread that goes on sleeping at one is looked at ever more rarely. */
struct glance {
	struct told_key key;
	uint64_t gap_ns, due_ns;
	unsigned looks;
	UT_hash_handle hh;
};

struct next_look {
	uint32_t pid;
	uint64_t at_ns, gap_ns; /* the gap grows while there is nothing new */
	uint64_t since_ns, spent_ns;
	unsigned from; /* thread to begin with: each look takes up where the last one ended */
	UT_hash_handle hh;
};

struct session_locks {
	struct told *told;
	struct glance *glances;
	struct next_look *next;
};

struct session_locks *session_locks_new(void)
{
	return xcalloc(1, sizeof(struct session_locks));
}

void session_locks_free(struct session_locks *x)
{
	struct next_look *look, *next_look;
	struct told *told, *next_told;
	struct glance *glance, *next_glance;

	if (!x)
		return;
	HASH_ITER(hh, x->told, told, next_told) {
		HASH_DEL(x->told, told);
		free(told);
	}
	HASH_ITER(hh, x->glances, glance, next_glance) {
		HASH_DEL(x->glances, glance);
		free(glance);
	}
	HASH_ITER(hh, x->next, look, next_look) {
		HASH_DEL(x->next, look);
		free(look);
	}
	free(x);
}

static struct told *told_of(struct session_locks *x, uint32_t pid, uint64_t addr)
{
	struct told_key key = { .addr = addr, .pid = pid };
	struct told *t;

	HASH_FIND(hh, x->told, &key, sizeof(key), t);
	if (t || HASH_COUNT(x->told) >= TOLD_MAX)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->key = key;
	HASH_ADD(hh, x->told, key, sizeof(t->key), t);
	return t;
}

static struct glance *glance_at(struct session_locks *x, uint32_t pid, uint64_t word)
{
	struct told_key key = { .addr = word, .pid = pid };
	struct glance *g;

	HASH_FIND(hh, x->glances, &key, sizeof(key), g);
	if (g || HASH_COUNT(x->glances) >= TOLD_MAX)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->key = key;
	HASH_ADD(hh, x->glances, key, sizeof(g->key), g);
	return g;
}

struct frames { /* of a waiter */
	struct session_target *t;
	struct ev_stack stack;
};

static struct place_frame frame_at(const void *ctx, unsigned i)
{
	const struct frames *f = ctx;
	struct symbol sym;

	symbols_frame(f->t->symbols, &f->stack.frames[i], &sym);
	return (struct place_frame){ sym.function, sym.file };
}

static enum lock_kind place_kind(struct session_target *t, const struct target_thread *thread)
{
	const struct runtime *rt = target_runtime(t->target);
	struct frames *f;
	enum lock_kind kind;

	if (!rt || !thread->tstate || !t->symbols)
		return LOCK_FUTEX;
	f = xcalloc(1, sizeof(*f));
	f->t = t;
	frames_read(&rt->walk, target_mem(t->target), thread->tstate, t->pid, &f->stack);
	kind = lock_place(f->stack.n, frame_at, f).kind;
	free(f);
	return kind;
}

static void tell(struct session *s, struct session_target *t, const struct found_lock *found, enum lock_kind kind)
{
	size_t len = strlen(found->name) + 1, bytes = sizeof(struct lock_letter) + len;
	struct lock_letter *l = xcalloc(1, bytes);

	l->l = (struct letter){ .kind = LETTER_LOCK, .bytes = bytes };
	l->lock = (struct store_lock){ .pid = t->pid, .addr = found->addr, .kind = kind, .device = found->device, .inode = found->inode,
				       .offset = found->offset };
	memcpy(l->name, found->name, len);
	l->lock.name = l->name;
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

/* Returns whether it cost anything. */
static bool look_at(struct session_locks *x, struct session *s, struct session_target *t, const struct target_thread *thread)
{
	struct told *told = told_of(x, t->pid, lock_finder_address(t->target, thread));
	struct found_lock found;
	enum lock_kind kind;

	if (!told || told->tries >= TRIES)
		return false;
	if (lock_kind_fleeting(place_kind(t, thread)))
		return true;
	told->tries++;
	lock_finder_waited(t->target, thread, true, &found);
	kind = lock_kind_found(found.kind);
	if (kind == LOCK_FUTEX)
		return true;
	tell(s, t, &found, kind);
	if (found.name[0] || !found.object)
		told->tries = TRIES;
	return true;
}

static bool sleeps_at_a_lock(const struct target_thread *thread)
{
	return thread->nr == NR_FUTEX && thread->state != 'R' && !thread->gil;
}

static uint64_t grown(uint64_t gap_ns, uint64_t most_ns)
{
	return gap_ns * 2 < most_ns ? gap_ns * 2 : most_ns;
}

/* Whether a look would show anything new: to look into the target's memory takes a process of its own, the list of tasks does not (but for musl, target_tasks). */
static bool worth_a_look(struct session_locks *x, struct session_target *t, uint64_t now)
{
	struct target_thread *tasks = NULL;
	unsigned n = 0;
	bool worth = false;

	if (target_tasks(t->target, &tasks, &n) < 0)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct glance *g = sleeps_at_a_lock(&tasks[i]) ? glance_at(x, t->pid, tasks[i].arg0) : NULL;

		if (!g || now < g->due_ns)
			continue;
		g->gap_ns = ++g->looks <= EAGER_LOOKS ? LOOK_EVERY_NS : grown(g->gap_ns, GLANCE_MAX_NS);
		g->due_ns = now + g->gap_ns;
		worth = true;
	}
	free(tasks);
	return worth;
}

static struct next_look *next_look_of(struct session_locks *x, uint32_t pid, uint64_t now)
{
	struct next_look *look;

	HASH_FIND(hh, x->next, &pid, sizeof(pid), look);
	if (look)
		return look;
	look = xcalloc(1, sizeof(*look));
	look->pid = pid;
	look->since_ns = now;
	HASH_ADD(hh, x->next, pid, sizeof(look->pid), look);
	return look;
}

static void set_next(struct next_look *look, bool worth, uint64_t began, uint64_t took)
{
	uint64_t paid;

	look->gap_ns = worth || !look->gap_ns ? LOOK_EVERY_NS : grown(look->gap_ns, GLANCE_EVERY_NS);
	look->spent_ns += took;
	paid = look->spent_ns > LOOK_CREDIT_NS ? look->since_ns + (look->spent_ns - LOOK_CREDIT_NS) * LOOK_SHARE : 0;
	look->at_ns = began + look->gap_ns > paid ? began + look->gap_ns : paid;
}

void session_locks_look(struct session_locks *x, struct session *s, struct session_target *t)
{
	uint64_t now = clock_now_ns();
	struct next_look *look = next_look_of(x, t->pid, now);
	struct target_thread *threads = NULL;
	unsigned n = 0, looked = 0;
	bool worth;

	if (now < look->at_ns)
		return;
	worth = worth_a_look(x, t, now);
	if (!worth || target_threads(t->target, false, &threads, &n) < 0)
		n = 0;
	for (unsigned k = 0; k < n && looked < LOOKED_AT_MAX; k++) {
		const struct target_thread *thread = &threads[look->from++ % n];

		if (sleeps_at_a_lock(thread))
			looked += look_at(x, s, t, thread);
	}
	free(threads);
	set_next(look, worth, now, clock_now_ns() - now);
}

void session_locks_where(struct session_locks *x, struct session *s, const struct shared_letter *l)
{
	struct session_target *t = session_target_by_pid(s, l->pid);
	struct told *told = told_of(x, l->pid, l->addr);
	struct found_lock found = { .kind = FOUND_SHARED, .addr = l->addr };
	bool shared;

	if (!t || !t->target || !told || told->tries >= TRIES)
		return; /* not opened yet: it will be seen waiting again */
	shared = target_shared_word(t->target, l->addr, &found.device, &found.inode, &found.offset);
	told->tries = TRIES;
	tell(s, t, &found, shared ? LOCK_PROCESS : LOCK_JOIN); /* pthread_join sleeps on the tid as if processes shared it */
}
