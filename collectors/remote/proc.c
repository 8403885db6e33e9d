/* See proc.h.  A look goes through a process in this order: does it live, who are its threads, who has each GIL, what does each thread
 * do, what follows.  The GIL is read before the threads: a thread that is found asleep on it may have been given it since, which is
 * told by the next look. */
#include "collectors/remote/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/remote/emit.h"
#include "collectors/remote/proc_children.h"
#include "collectors/remote/proc_threads.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/target/proc_task.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define CHECK_EVERY_NS (20 * NS_PER_MS) /* does it live, is it the same program */
#define HOLD_PIECE_NS (20 * NS_PER_MS) /* core/timeline settles after 100 ms what it was told */
#define TELL_EVERY_NS NS_PER_S
#define HOLDER_STACK_NS (5 * NS_PER_MS) /* while others wait for it */
#define STILL_NS (20 * NS_PER_MS)
#define NOBODY UINT32_MAX

static struct remote_slot *slot_of(const struct proc *p)
{
	return &p->shared->slots[p->slot];
}

/* --- begin and end --------------------------------------------------------------------------------------------------- */

static void learn_gils(struct proc *p)
{
	const struct runtime *r = target_runtime(p->target);
	const struct interp_place *gils[RUNTIME_MAX_INTERPS];

	p->n_gils = r ? runtime_gils(r, gils) : 0;
	for (unsigned i = 0; i < p->n_gils; i++)
		p->gils[i] = (struct proc_gil){ .addr = gils[i]->gil, .holder = NOBODY, .since_ns = clock_now_ns() };
}

static void refuse_places(struct proc *p)
{
	const struct remote_slot *slot = slot_of(p);
	unsigned n = atomic_load(&slot->n_refused);

	for (; p->refused < n && p->target; p->refused++)
		target_refuse_place(p->target, slot->refused[p->refused].addr, slot->refused[p->refused].len);
}

/* Its Python may not be known yet, or never be: then only what /proc shows is seen. */
static void open_target(struct proc *p)
{
	struct target_options options = { .threads_only = slot_of(p)->threads_only };
	struct fail why = { 0 };

	p->asked = atomic_load(&slot_of(p)->asked);
	if (target_open(&p->target, slot_of(p)->pid, &options, &why) && !options.threads_only) {
		options.threads_only = true;
		target_open(&p->target, slot_of(p)->pid, &options, &why);
	}
	if (!p->target)
		return;
	refuse_places(p);
	learn_gils(p);
}

struct proc *proc_new(struct remote_shared *shared, uint32_t slot)
{
	struct proc *p = xcalloc(1, sizeof(*p));
	char path[48];

	p->shared = shared;
	p->slot = slot;
	open_target(p);
	snprintf(path, sizeof(path), "/proc/%d/task", slot_of(p)->pid);
	p->task_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->list_wanted = true;
	p->told_ns = clock_now_ns();
	proc_threads_recall(p);
	return p;
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	proc_threads_done(p);
	if (p->task_fd >= 0)
		close(p->task_fd);
	target_free(p->target);
	free(p);
}

static void tell_hold(struct proc *p, struct proc_gil *g, uint64_t t_ns)
{
	const struct track *t = &p->shared->tracks[g->holder];
	struct ev_hold e = { .h = { .kind = EV_HOLD, .size = sizeof(e), .flags = EV_F_INFERRED | EV_F_SAMPLED, .pid = t->pid, .tid = t->tid },
			     .t0_ns = g->held_ns, .t1_ns = t_ns, .gil = g->addr };

	if (t_ns > g->held_ns)
		emit(p->shared, &e.h);
	g->held_ns = t_ns;
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How it was looked at: the error of every estimate, and what fell between two looks. */
static void tell_looks(struct proc *p, uint64_t now)
{
	size_t n = p->n_distances < PROC_DISTANCES ? p->n_distances : PROC_DISTANCES;

	qsort(p->distances, n, sizeof(p->distances[0]), order);
	for (unsigned i = 0; i < p->n_gils && n; i++) {
		struct proc_gil *g = &p->gils[i];
		struct ev_looks e = { .h = { .kind = EV_LOOKS, .size = sizeof(e), .pid = (uint32_t)slot_of(p)->pid, .flags = EV_F_INFERRED },
				      .t0_ns = g->since_ns, .t1_ns = now, .gil = g->addr, .n = g->n, .p50_ns = p->distances[n / 2],
				      .p99_ns = p->distances[n * 99 / 100], .max_ns = p->distances[n - 1], .switches = g->switches,
				      .seen = g->changes };

		if (g->n)
			emit(p->shared, &e.h);
		g->since_ns = now;
		g->n = g->switches = g->changes = 0;
	}
	p->n_distances = 0;
	p->told_ns = now;
}

void proc_finish(struct proc *p, bool unfinished)
{
	uint64_t now = clock_now_ns();

	for (unsigned i = 0; i < p->n_gils; i++)
		if (p->gils[i].holder != NOBODY)
			tell_hold(p, &p->gils[i], now);
	tell_looks(p, now);
	proc_threads_end(p, now, unfinished);
}

/* --- who has the GIL -------------------------------------------------------------------------------------------------- */

struct words {
	uint64_t holder; /* thread state that has it now, 0 none */
	uint64_t last_holder, number;
};

static int read_words(struct proc *p, const struct proc_gil *g, struct words *ret)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;
	struct {
		uint64_t last_holder;
		int32_t locked, pad;
		uint64_t number;
	} raw = { 0 };
	size_t n = w->gil_words == WALK_GIL_TOGETHER ? sizeof(raw) : sizeof(raw.last_holder);
	int err = mem_read(target_mem(p->target), g->addr + w->gil_holder, &raw, n);

	*ret = (struct words){ 0 };
	if (!err && w->gil_words == WALK_GIL_IDENT)
		err = mem_read(target_mem(p->target), g->addr + w->gil_locked, &raw.locked, 1);
	if (err)
		return err;
	ret->last_holder = raw.last_holder;
	ret->number = raw.number;
	if (w->gil_words == WALK_GIL_CURRENT || w->gil_words == WALK_GIL_SEMAPHORE || raw.locked == 1)
		ret->holder = raw.last_holder;
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

static int look_at_gil(struct proc *p, struct proc_gil *g, uint64_t now)
{
	struct words w;
	uint32_t holder = NOBODY;
	int err = read_words(p, g, &w);

	if (err)
		return err;
	note_turn(g, &w);
	g->waiters = 0;
	if (w.holder) {
		holder = proc_threads_by_state(p, w.holder);
		p->list_wanted |= holder == NOBODY;
	}
	if (g->holder != NOBODY && holder != g->holder) {
		uint64_t between = track_between(p->looked_ns, now);

		tell_hold(p, g, between > g->held_ns ? between : g->held_ns);
	}
	if (holder != NOBODY && holder != g->holder)
		g->held_ns = p->looked_ns ? track_between(p->looked_ns, now) : now;
	g->holder = holder;
	if (holder != NOBODY && now - g->held_ns >= HOLD_PIECE_NS)
		tell_hold(p, g, now);
	return 0;
}

/* --- what each thread does -------------------------------------------------------------------------------------------- */

static struct track_place read_place(struct proc *p, const struct track *t)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;
	const struct mem *m = target_mem(p->target);
	struct track_place place = { 0 };
	uint64_t frame = 0;

	if (!t->tstate || w->tstate_frame == WALK_NO_FIELD || mem_u64(m, t->tstate + w->tstate_frame, &frame))
		return place;
	if (w->cframe_frame != WALK_NO_FIELD && frame && mem_u64(m, frame + w->cframe_frame, &frame))
		return place;
	if (frame && !mem_u64(m, frame + w->frame_instr, &place.instr))
		place.frame = frame;
	return place;
}

static struct proc_gil *gil_at(struct proc *p, uint64_t word)
{
	const struct runtime *r = target_runtime(p->target);

	for (unsigned i = 0; r && i < p->n_gils; i++)
		if (word - p->gils[i].addr < r->walk.gil_size)
			return &p->gils[i];
	return NULL;
}

/* PyPy's first waiter wakes up ten times a millisecond, so it is often seen ready to run, and what it did then its frames do not tell.  It
 * waits still if nobody has taken the GIL meanwhile, and most likely if another one just has. */
static bool still_there(struct proc *p, const struct track *t, const struct proc_gil *g, const struct track_sight *s, const struct track_place *now)
{
	if (target_runtime(p->target)->walk.tstate_frame == WALK_NO_FIELD)
		return !g->switched || s->t_ns - t->slept_ns < STILL_NS;
	return now->frame == t->place.frame && now->instr == t->place.instr;
}

/* It leaves the queue's head, the condition, only with the GIL; so it had that if it is in the queue now. */
static bool queues_again(struct proc *p, const struct track *t, const struct proc_gil *g, uint64_t word)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;

	return w->gil_words == WALK_GIL_IDENT && word - g->addr - w->gil_forced < w->gil_forced_len &&
	       t->arg0 - g->addr - w->gil_wait < w->gil_wait_len;
}

static struct proc_gil *gil_of(struct proc *p, const struct track *t)
{
	return t->gil ? gil_at(p, t->gil) : p->n_gils ? &p->gils[0] : NULL;
}

static bool is_futex(const struct proc_syscall *c)
{
	return c->nr == 202 && ((c->arg[1] & 127) == 0 || (c->arg[1] & 127) == 9);
}

/* A thread in take_gil runs no Python code: as long as it stands where it began to wait and has not had the GIL, it waits, whether it
 * is asleep, on its way to the CPU, or bouncing on a mutex. */
static void judge(struct proc *p, const struct track *t, uint32_t index, const struct proc_syscall *call, struct track_sight *s)
{
	struct proc_gil *g = call->running || !is_futex(call) ? NULL : gil_at(p, call->arg[0]), *own = gil_of(p, t);
	bool holds = own && own->holder == index, was_waiting = t->looked_ns && t->state == TRACK_GIL_WAIT;

	s->state = call->running ? TRACK_CPU : TRACK_OFF;
	s->held = holds;
	s->nr = call->nr;
	s->arg0 = call->arg[0];
	s->arg1 = (uint32_t)call->arg[1];
	if (holds) {
		if (g)
			s->state = TRACK_CPU; /* inside drop_gil or take_gil, for a moment */
		return;
	}
	if (g) {
		s->state = TRACK_GIL_WAIT;
		if (!was_waiting || g->switched)
			s->place = read_place(p, t);
		else
			s->place = t->place;
		s->again = was_waiting && (s->place.frame != t->place.frame || s->place.instr != t->place.instr ||
					   queues_again(p, t, g, s->arg0));
	} else if (was_waiting && call->running && own && own->last_holder != t->tstate) {
		s->place = read_place(p, t);
		if (still_there(p, t, own, s, &s->place)) {
			s->state = TRACK_GIL_WAIT;
			s->arg0 = t->arg0;
			s->arg1 = t->arg1;
			s->nr = t->nr;
		}
	}
}

static void take_sample(struct proc *p, struct track *t, bool holds, const struct proc_gil *g, uint64_t now)
{
	struct ev_sample e = { .h = { .kind = EV_SAMPLE, .size = sizeof(e), .pid = t->pid, .tid = t->tid,
				      .flags = EV_F_INFERRED | EV_F_SAMPLED | (t->tstate ? EV_F_PYTHON : 0) },
			       .t_ns = now, .gil = g ? g->addr : 0, .holder_ident = t->ident, .nr = -1 };
	uint32_t hz = p->shared->config.sample_hz;
	uint64_t every = hz ? NS_PER_S / hz : 0;

	if (holds && g->waiters && (!every || every > HOLDER_STACK_NS))
		every = HOLDER_STACK_NS;
	if (!every || now - t->sampled_ns < every)
		return;
	t->sampled_ns = now;
	t->stack = e.stack = emit_stack(p->shared, p->target, t);
	if (holds)
		e.h.flags |= EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS;
	emit(p->shared, &e.h);
}

/* Which part of its time on the CPU it had none: only asked where it is told and wanted, for it costs as much as the system call. */
static void see_queued(struct proc *p, uint32_t i, const struct track *t, struct track_sight *s)
{
	struct proc_schedstat queue;

	if (s->state != TRACK_CPU && (t->state != TRACK_CPU || !t->looked_ns))
		return;
	s->queue_known = proc_threads_queued(p, i, &queue);
	if (s->queue_known)
		s->queued_ns = queue.queued_ns;
}

static void look_at_thread(struct proc *p, uint32_t i, const struct proc_syscall *call, uint64_t now)
{
	uint32_t index = p->tracks[i];
	struct track *t = &p->shared->tracks[index];
	struct track_sight s = { .t_ns = now };
	uint64_t since = t->since_ns;
	struct proc_gil *g;
	struct ev_off e;

	judge(p, t, index, call, &s);
	if (s.state == TRACK_GIL_WAIT && !call->running)
		t->slept_ns = now;
	see_queued(p, i, t, &s);
	if (!t->looked_ns)
		since = UINT64_MAX;
	if (track_look(t, &s, &e))
		emit(p->shared, &e.h);
	if (t->state != TRACK_CPU && t->since_ns != since)
		t->stack = emit_stack(p->shared, p->target, t);
	if (t->state == TRACK_GIL_WAIT && (g = gil_at(p, t->arg0))) {
		t->gil = g->addr;
		g->waiters++;
	}
}

/* After the look, when it is known who waits. */
static void sample_threads(struct proc *p, uint64_t now)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];
		const struct proc_gil *g = gil_of(p, t);
		bool holds = g && g->holder == p->tracks[i];

		if (t->state == TRACK_CPU && t->looked_ns == now && p->target)
			take_sample(p, t, holds, g, now);
	}
}

/* --- the look ---------------------------------------------------------------------------------------------------------- */

static void tell_exec(struct proc *p, uint64_t now)
{
	struct ev_exec e = { .h = { .kind = EV_EXEC, .size = sizeof(e), .pid = (uint32_t)slot_of(p)->pid, .tid = (uint32_t)slot_of(p)->pid },
			     .t_ns = now };
	char path[48], name[EV_COMM_LEN + 2] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", slot_of(p)->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, name, sizeof(name) - 1);

		name[n > 0 ? n : 0] = '\0';
		name[strcspn(name, "\n")] = '\0';
		close(fd);
	}
	memcpy(e.comm, name, strnlen(name, sizeof(e.comm)));
	emit(p->shared, &e.h);
}

/* From now on another program runs in it, of which nothing is known. */
static void replace(struct proc *p, uint64_t now)
{
	for (unsigned i = 0; i < p->n_gils; i++)
		if (p->gils[i].holder != NOBODY)
			tell_hold(p, &p->gils[i], now);
	p->n_gils = 0;
	proc_threads_forget_python(p);
	tell_exec(p, now);
	target_free(p->target);
	p->target = NULL;
	slot_of(p)->threads_only = true;
	open_target(p);
	p->list_wanted = true;
}

/* Asked to find out again: its Python has come up, it has other interpreters, or another program. */
static void open_again(struct proc *p, uint64_t now)
{
	for (unsigned i = 0; i < p->n_gils; i++)
		if (p->gils[i].holder != NOBODY)
			tell_hold(p, &p->gils[i], now);
	p->n_gils = 0;
	p->refused = 0;
	target_free(p->target);
	p->target = NULL;
	open_target(p);
	p->list_wanted = true;
}

static bool lives(struct proc *p, uint64_t now)
{
	p->checked_ns = now;
	if (!p->target || !target_alive(p->target) || p->task_fd < 0)
		return false;
	if (!target_same_program(p->target))
		replace(p, now);
	else if (atomic_load(&slot_of(p)->asked) != p->asked)
		open_again(p, now);
	return p->target != NULL;
}

static void note_distance(struct proc *p, uint64_t now)
{
	if (p->looked_ns)
		p->distances[p->n_distances++ % PROC_DISTANCES] = now - p->looked_ns;
	p->looked_ns = now;
}

enum proc_end proc_look(struct proc *p, uint64_t births)
{
	uint64_t now = clock_now_ns();
	int err = 0;

	if ((now - p->checked_ns >= CHECK_EVERY_NS && !lives(p, now)) || !p->target)
		return PROC_ENDED;
	if (proc_threads_list(p, now))
		now = clock_now_ns();
	for (unsigned i = 0; i < p->n_gils && !err; i++)
		err = look_at_gil(p, &p->gils[i], now);
	if (err == -ESRCH)
		return PROC_ENDED;
	for (uint32_t i = 0; i < p->n_tracks;) {
		struct proc_syscall call;

		if (proc_threads_call(p, i, &call) == THREAD_GONE) {
			proc_threads_drop(p, i, now);
			continue;
		}
		look_at_thread(p, i, &call, now);
		i++;
	}
	sample_threads(p, now);
	note_distance(p, now);
	if (now - p->told_ns >= TELL_EVERY_NS)
		tell_looks(p, now);
	if (p->shared->config.follow)
		proc_children_look(p, births, now);
	return PROC_GOES_ON;
}
