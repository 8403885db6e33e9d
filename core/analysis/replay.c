/* See replay.h.  A small simulation: a heap of the threads that will want the lock, ordered by when, a queue of those that wait, and
 * the lock, which is held, or free with somebody on the way to it. */
#include "core/analysis/replay.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/xalloc.h"

/* As for long holds (summary_waits.c): one that went on for longer after it was demanded does not heed demands. */
static const double HEEDS_INTERVALS = 2.5;
enum { SOON_NS = 1000000 }; /* a thread that was made to let go wants the lock again at once */
enum { ON_ITS_WAY_NS = 200000 }; /* a waiter that takes longer than this to come was not being woken all the time */
enum { STRETCH_MIN = 256, TURNS_EACH = 16 };
enum { STEPS_MAX = 64 * REPLAY_STRETCH_MAX }; /* a switch interval of next to nothing could cut holds without end */
#define NEVER UINT64_MAX

struct actor { /* a thread */
	uint32_t thread;
	size_t item, last; /* the hold it is about to make or makes, and the last one of the stretch */
	uint64_t asks_ns, left_ns; /* when it wants or wanted the lock; what is left of its hold, or work to do before it */
	bool returning; /* it only gets the lock back after a removed hold */
	bool rest; /* its hold was cut: this is what is left of it */
};

struct replay_memory {
	size_t next[REPLAY_STRETCH_MAX]; /* the next hold of the same thread, by place in the stretch; 0 none */
	uint64_t wake_ns[REPLAY_STRETCH_MAX]; /* from the lock's being free to its being taken, where it was waited for */
	struct actor actors[REPLAY_STRETCH_MAX];
	uint32_t heap[REPLAY_STRETCH_MAX], queue[REPLAY_STRETCH_MAX];
	size_t slots[REPLAY_STRETCH_MAX * 2]; /* thread to actor + 1, open addressing */
	uint32_t n_actors, n_heap, queue_head, n_queue;
};

struct run {
	const struct replay *r;
	struct replay_memory *m;
	const struct logged_hold *holds; /* of the stretch */
	size_t n;
	uint32_t removed, holder, forced_out; /* actors, UINT32_MAX none */
	uint64_t held_since_ns, release_ns; /* of the holder */
	uint64_t demanded_ns; /* when the first of those came who wait for it now */
	uint32_t waking; /* actor: the first of the queue when the lock became free */
	uint64_t wake_at_ns; /* when it is there */
	uint64_t usual_wake_ns; /* of one that did not wait when recorded */
	uint64_t waited_ns;
	bool cut; /* the release is by force, something is left of the hold */
};

void replay_init(struct replay *r, const struct hold_log *log, uint64_t interval_ns)
{
	*r = (struct replay){.log = log, .interval_ns = interval_ns, .memory = xcalloc(1, sizeof(*r->memory))};
}

void replay_done(struct replay *r)
{
	free(r->memory);
	r->memory = NULL;
}

/* The heap of those that will ask */

static bool before(const struct run *run, uint32_t a, uint32_t b)
{
	const struct actor *x = &run->m->actors[a], *y = &run->m->actors[b];

	return x->asks_ns != y->asks_ns ? x->asks_ns < y->asks_ns : x->item < y->item;
}

static void push(struct run *run, uint32_t actor)
{
	uint32_t *heap = run->m->heap, i = run->m->n_heap++;

	for (; i && before(run, actor, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = actor;
}

static uint32_t pop(struct run *run)
{
	uint32_t *heap = run->m->heap, first = heap[0], n = --run->m->n_heap, moved = heap[n], i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && before(run, heap[child + 1], heap[child]))
			child++;
		if (!before(run, heap[child], moved))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = moved;
	return first;
}

static uint32_t first_waiting(const struct run *run)
{
	return run->m->queue[run->m->queue_head];
}

static uint32_t *queue_at(struct run *run, uint32_t i)
{
	return &run->m->queue[(run->m->queue_head + i) % REPLAY_STRETCH_MAX];
}

/* In the order in which they had their turns; what was not recorded (returns, rests) goes behind all that wait already. */
static void enqueue(struct run *run, uint32_t actor)
{
	const struct actor *a = &run->m->actors[actor];
	uint32_t i = run->m->n_queue++;

	for (; i && !a->returning && !a->rest; i--) {
		const struct actor *ahead = &run->m->actors[*queue_at(run, i - 1)];

		if (ahead->returning || ahead->rest || ahead->item < a->item)
			break;
		*queue_at(run, i) = *queue_at(run, i - 1);
	}
	*queue_at(run, i) = actor;
}

static void dequeue(struct run *run)
{
	run->m->queue_head = (run->m->queue_head + 1) % REPLAY_STRETCH_MAX;
	run->m->n_queue--;
}

/* What was recorded */

static uint64_t asked_ns(const struct logged_hold *h)
{
	return h->asked_ns == HOLD_LOG_NO_WAIT ? h->t0_ns : h->asked_ns;
}

static uint64_t length(const struct logged_hold *h)
{
	return h->t1_ns - h->t0_ns;
}

/* How long after the first waiter came it let go; 0: it is not known to let go when asked. */
static uint64_t heeds_ns(const struct run *run, const struct logged_hold *h)
{
	uint64_t ns = length(h) - h->first_waiter_ns;

	if (!run->r->interval_ns || !h->forced || h->first_waiter_ns == UINT32_MAX ||
	    (double)ns > HEEDS_INTERVALS * (double)run->r->interval_ns)
		return 0;
	return ns > run->r->interval_ns ? ns : run->r->interval_ns;
}

static uint64_t wake_ns(const struct run *run, const struct actor *a)
{
	if (a->returning || a->rest || run->holds[a->item].asked_ns == HOLD_LOG_NO_WAIT)
		return run->usual_wake_ns;
	return run->m->wake_ns[a->item];
}

static uint32_t find_actor(struct replay_memory *m, uint32_t thread)
{
	size_t slot = (thread * 2654435761u) % (REPLAY_STRETCH_MAX * 2);

	while (m->slots[slot] && m->actors[m->slots[slot] - 1].thread != thread)
		slot = (slot + 1) % (REPLAY_STRETCH_MAX * 2);
	if (!m->slots[slot]) {
		m->actors[m->n_actors] = (struct actor){.thread = thread, .item = SIZE_MAX};
		m->slots[slot] = ++m->n_actors;
	}
	return (uint32_t)(m->slots[slot] - 1);
}

/* From when the lock was free for hold i: the end of the one before.  If that one came without waiting and took it
 * before i, which was being woken then, i was on its way since the end of the one before that. */
static uint64_t wake_of(const struct run *run, size_t i, uint64_t free_ns)
{
	const struct logged_hold *h = &run->holds[i], *b = i ? h - 1 : h;
	uint64_t asked = asked_ns(h), ready = asked > free_ns ? asked : free_ns, wake = h->t0_ns > ready ? h->t0_ns - ready : 0;
	uint64_t since;

	if (i < 2 || b->asked_ns != HOLD_LOG_NO_WAIT || asked >= b->t0_ns)
		return wake;
	since = h[-2].t1_ns > asked ? h[-2].t1_ns : asked;
	if (h->t0_ns >= since && h->t0_ns - since < ON_ITS_WAY_NS)
		return h->t0_ns - since;
	return b->t0_ns > since && b->t0_ns - since + 1 > wake ? b->t0_ns - since + 1 : wake;
}

/* Each thread's holds strung together, and how long each took to be there; free_ns: when the stretch finds the lock free. */
static void prepare(struct run *run, uint64_t free_ns)
{
	struct replay_memory *m = run->m;
	uint64_t woken = 0, sum = 0;

	memset(m->slots, 0, sizeof(m->slots));
	m->n_actors = m->n_heap = m->n_queue = m->queue_head = 0;
	for (size_t i = 0; i < run->n; i++) {
		const struct logged_hold *h = &run->holds[i];
		struct actor *a = &m->actors[find_actor(m, h->thread)];

		m->next[i] = 0;
		m->wake_ns[i] = wake_of(run, i, free_ns);
		if (h->asked_ns != HOLD_LOG_NO_WAIT) {
			sum += m->wake_ns[i] < SOON_NS ? m->wake_ns[i] : SOON_NS;
			woken++;
		}
		if (a->item == SIZE_MAX) {
			a->item = i;
			a->asks_ns = asked_ns(h);
		} else {
			m->next[a->last] = i;
		}
		a->last = i;
		free_ns = h->t1_ns > free_ns ? h->t1_ns : free_ns;
	}
	run->usual_wake_ns = woken ? sum / woken : 0;
	for (uint32_t i = 0; i < m->n_actors; i++)
		push(run, i);
}

/* The course of things */

/* The actor is done with its hold at t: it will ask for the lock for its next one.  False: that was its last one. */
static bool think(struct run *run, struct actor *a, uint64_t t)
{
	size_t next = run->m->next[a->item];
	uint64_t asks;

	if (!next)
		return false;
	asks = asked_ns(&run->holds[next]);
	a->asks_ns = t + (asks > run->holds[a->item].t1_ns ? asks - run->holds[a->item].t1_ns : 0);
	a->item = next;
	return true;
}

static bool is_removed(const struct run *run, const struct actor *a)
{
	return run->removed != HOLD_LOG_NO_LINE && run->holds[a->item].line == run->removed;
}

/* The work of a removed hold goes on from t without the lock; so do the next ones, if only force came between. */
static void go_on_without(struct run *run, uint32_t actor, uint64_t t)
{
	struct actor *a = &run->m->actors[actor];

	for (;;) {
		const struct logged_hold *h = &run->holds[a->item];
		size_t next = run->m->next[a->item];

		t += length(h);
		if (!h->forced || (next && asked_ns(&run->holds[next]) > h->t1_ns + SOON_NS)) {
			a->returning = true;
			a->asks_ns = t;
			break;
		}
		if (!next)
			return;
		a->item = next;
		a->asks_ns = t;
		if (!is_removed(run, a))
			break;
	}
	push(run, actor);
}

/* The first of the queue sets out at t. */
static void wake(struct run *run, uint64_t t)
{
	run->waking = first_waiting(run);
	run->wake_at_ns = t + wake_ns(run, &run->m->actors[run->waking]);
}

/* One that is on its way already, while another took the lock for a moment, need not set out again. */
static void set_free(struct run *run, uint64_t t)
{
	run->holder = UINT32_MAX;
	if (run->m->n_queue && (run->waking != first_waiting(run) || run->wake_at_ns < t))
		wake(run, t);
}

/* When the holder lets go: at the end of its hold, or sooner when it is made to. */
static void plan_release(struct run *run)
{
	const struct actor *a = &run->m->actors[run->holder];
	uint64_t end = run->held_since_ns + a->left_ns, since, heeds = heeds_ns(run, &run->holds[a->item]);

	run->release_ns = end;
	run->cut = false;
	if (!run->m->n_queue || !heeds)
		return;
	since = run->demanded_ns > run->held_since_ns ? run->demanded_ns : run->held_since_ns;
	/* what little would be left is margin of the recording, not a hold of its own */
	if (end - since <= heeds + run->r->interval_ns / 2)
		return;
	run->release_ns = since + heeds;
	run->cut = true;
}

static void take(struct run *run, uint32_t actor, uint64_t t)
{
	struct actor *a = &run->m->actors[actor];

	run->waited_ns += t - a->asks_ns;
	run->forced_out = UINT32_MAX;
	if (run->waking == actor)
		run->waking = UINT32_MAX;
	if (a->returning) {
		a->returning = false;
		if (think(run, a, t))
			push(run, actor);
		set_free(run, t);
	} else if (is_removed(run, a)) {
		go_on_without(run, actor, t);
		set_free(run, t);
	} else {
		if (!a->rest)
			a->left_ns = length(&run->holds[a->item]);
		a->rest = false;
		run->holder = actor;
		run->held_since_ns = run->demanded_ns = t;
		plan_release(run);
	}
}

static void let_go(struct run *run)
{
	uint32_t actor = run->holder;
	struct actor *a = &run->m->actors[actor];
	uint64_t t = run->release_ns;

	run->forced_out = run->cut || run->holds[a->item].forced ? actor : UINT32_MAX;
	if (run->cut) {
		a->left_ns -= t - run->held_since_ns;
		a->asks_ns = t;
		a->rest = true;
		push(run, actor);
	} else if (think(run, a, t)) {
		push(run, actor);
	}
	set_free(run, t);
}

/* One that was made to let go waits until another has had the lock; one that had to be woken when recorded, has again. */
static void ask(struct run *run, uint32_t actor, uint64_t t)
{
	const struct actor *a = &run->m->actors[actor];
	bool waits = run->holder != UINT32_MAX || (actor == run->forced_out && run->m->n_queue) ||
		     (!a->returning && !a->rest && run->holds[a->item].asked_ns != HOLD_LOG_NO_WAIT);

	if (!waits) {
		take(run, actor, t);
		return;
	}
	enqueue(run, actor);
	if (run->holder != UINT32_MAX && run->m->n_queue == 1) {
		run->demanded_ns = t;
		plan_release(run);
	} else if (run->holder == UINT32_MAX && first_waiting(run) == actor) {
		wake(run, t);
	}
}

/* False: no end in sight.  Until the stretch begins (free_ns) the lock is nobody's to take, as it was. */
static bool simulate(struct run *run, uint64_t free_ns)
{
	struct replay_memory *m = run->m;

	for (unsigned step = 0; step < STEPS_MAX; step++) {
		uint64_t asks = m->n_heap ? m->actors[m->heap[0]].asks_ns : NEVER;
		bool held = run->holder != UINT32_MAX;
		uint64_t next = held ? run->release_ns : m->n_queue ? run->wake_at_ns : NEVER;

		next = next < free_ns ? free_ns : next;
		if (asks == NEVER && next == NEVER)
			return true;
		if (asks < next && asks < free_ns) {
			enqueue(run, pop(run));
			wake(run, free_ns);
		} else if (asks < next) {
			ask(run, pop(run), asks);
		} else if (held) {
			let_go(run);
		} else {
			uint32_t actor = first_waiting(run);

			dequeue(run);
			take(run, actor, next);
		}
	}
	return false;
}

size_t replay_stretch(struct replay *r)
{
	struct replay_memory *m = r->memory;
	size_t n = r->log->holds.n < REPLAY_STRETCH_MAX ? r->log->holds.n : REPLAY_STRETCH_MAX, stretch;

	memset(m->slots, 0, sizeof(m->slots));
	m->n_actors = 0;
	for (size_t i = 0; i < n; i++)
		find_actor(m, r->log->holds.items[i].thread);
	stretch = (size_t)m->n_actors * TURNS_EACH;
	return stretch < STRETCH_MIN ? STRETCH_MIN : stretch > REPLAY_STRETCH_MAX ? REPLAY_STRETCH_MAX : stretch;
}

uint64_t replay_run(struct replay *r, size_t from, size_t to, uint32_t removed)
{
	uint64_t free_ns = 0;
	struct run run = {
		.r = r, .m = r->memory, .holds = r->log->holds.items + from, .n = to - from, .removed = removed,
		.holder = UINT32_MAX, .forced_out = UINT32_MAX, .waking = UINT32_MAX, .wake_at_ns = NEVER,
	};

	if (from)
		free_ns = r->log->holds.items[from - 1].t1_ns;
	prepare(&run, free_ns);
	return simulate(&run, free_ns) ? run.waited_ns : REPLAY_FAILED;
}
