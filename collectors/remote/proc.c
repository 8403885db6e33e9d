/* See proc.h.  A look goes through a process in this order: does it live, who are its threads, who has each GIL, what does each thread
 * do, what follows.  The GIL is read before the threads: a thread that is found asleep on it may have been given it since, which is
 * told by the next look. */
#include "collectors/remote/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/remote/emit.h"
#include "collectors/remote/proc_children.h"
#include "collectors/remote/proc_gil.h"
#include "collectors/remote/proc_threads.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/interp/cond_list.h"
#include "core/target/proc_task.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define CHECK_EVERY_NS (20 * NS_PER_MS) /* does it live, is it the same program */
#define TELL_EVERY_NS NS_PER_S
#define MANY_SWITCHES 10 /* between two looks */
#define STACK_HOLDS_NS (100 * NS_PER_MS)
#define HOLDER_STACK_NS (5 * NS_PER_MS) /* while others wait for it */
#define STILL_NS (20 * NS_PER_MS)

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
		p->gils[i] = (struct proc_gil){ .addr = gils[i]->gil, .holder = PROC_NOBODY, .since_ns = clock_now_ns() };
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

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* MANY_SWITCHES between two looks: what is said of them then is by how threads are met, not by when they begin and end.  The error is the largest
 * of those measured (docs/benchmarks.md, the remote collector beside bpf: mixed_io, read_zero_3). */
static void note_many(struct proc *p, const struct proc_gil *g)
{
	if (p->many_noted || g->switches <= MANY_SWITCHES * g->n)
		return;
	p->many_noted = true;
	emit_note(p->shared, "pid %u: its GIL changes hands some %" PRIu64 " times between two looks: shares of waiting for it and of holding it may then be "
		  "off by up to 17 points; only --collector bpf and signal see each", (unsigned)slot_of(p)->pid, g->switches / g->n);
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

		if (g->n) {
			emit(p->shared, &e.h);
			note_many(p, g);
		}
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
		if (p->gils[i].holder != PROC_NOBODY)
			proc_gil_tell_hold(p, &p->gils[i], now);
	tell_looks(p, now);
	proc_threads_end(p, now, unfinished);
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

static bool is_futex(const struct proc_syscall *c)
{
	return c->nr == 202 && ((c->arg[1] & 127) == 0 || (c->arg[1] & 127) == 9);
}

static struct proc_gil *asleep_on(struct proc *p, const struct proc_syscall *c)
{
	return c->running || !is_futex(c) ? NULL : proc_gil_slept_on(p, c->arg[0], c->sp);
}

/* With musl that is looked up in the target, where it may just have been taken off the list; then it sleeps elsewhere by now. */
static bool to_be_read_again(struct proc *p, const struct proc_seen *seen)
{
	const struct runtime *r = target_runtime(p->target);

	return r && r->walk.cond_list && !seen->gil && is_futex(&seen->call) && cond_may_list(seen->call.arg[0], seen->call.sp);
}

static bool same_place(const struct track_place *a, const struct track_place *b)
{
	return a->frame == b->frame && a->instr == b->instr;
}

/* It leaves the queue's head, the condition, only with the GIL (PyPy); so it had that if it is in the queue now. */
static bool queues_again(struct proc *p, const struct track *t, const struct proc_gil *g, uint64_t word)
{
	const struct walk_layout *w = &target_runtime(p->target)->walk;

	return w->gil_words == WALK_GIL_IDENT && word - g->addr - w->gil_forced < w->gil_forced_len &&
	       t->arg0 - g->addr - w->gil_wait < w->gil_wait_len;
}

/* It waited at the last look and may wait still: it has not had the GIL last, nor run Python code.  PyPy's first waiter wakes up ten times a
 * millisecond, so it is often seen ready to run, and what it did then its frames do not tell: it waits still if nobody has taken the GIL
 * meanwhile, and most likely if another one just has. */
static bool still_waits(struct proc *p, const struct track *t, const struct proc_gil *g, uint64_t now)
{
	struct track_place place;

	if (!t->looked_ns || t->state != TRACK_GIL_WAIT || g->last_holder == t->tstate)
		return false;
	if (target_runtime(p->target)->walk.tstate_frame == WALK_NO_FIELD)
		return !g->switched || now - t->slept_ns < STILL_NS;
	place = read_place(p, t);
	return same_place(&place, &t->place);
}

/* Running, wants this GIL or works without it. */
static bool may_want(struct proc *p, uint32_t i, const struct proc_gil *g)
{
	const struct track *t = &p->shared->tracks[p->tracks[i]];

	return p->seen[i].call.running && p->seen[i].inside == INSIDE_UNKNOWN && t->tstate && g->holder != p->tracks[i] && proc_gil_of(p, t) == g;
}

/* Those whose stacks say so; of which the stack is not known yet may want it still. */
static unsigned find_inside(struct proc *p, const struct proc_gil *g)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_tracks; i++)
		if (p->seen[i].inside == INSIDE_YES && !p->seen[i].gil && g->holder != p->tracks[i] &&
		    proc_gil_of(p, &p->shared->tracks[p->tracks[i]]) == g) {
			p->seen[i].woken = true;
			n++;
		}
	return n;
}

/* A thread that was woken in take_gil and has no CPU yet runs as far as /proc tells.  Mostly its stack tells better.  Else the lock itself
 * knows how many there are: more of them inside its conditions than asleep, but for those that are on their way to its mutex.  Who they are
 * matters only where others run without the GIL as well: those that waited at the last look, then any. */
static void find_woken(struct proc *p, const struct proc_gil *g, uint64_t now)
{
	unsigned found = g->asleep + find_inside(p, g), left = g->inside_known && g->inside > found ? g->inside - found : 0, may = 0;
	bool all;

	for (uint32_t i = 0; i < p->n_tracks; i++)
		may += may_want(p, i, g);
	all = left && left >= may;
	for (uint32_t i = 0; i < p->n_tracks && (left || !g->inside_known); i++)
		if (may_want(p, i, g) && (all || still_waits(p, &p->shared->tracks[p->tracks[i]], g, now))) {
			p->seen[i].woken = true;
			left -= left > 0;
		}
	for (uint32_t k = 0; k < p->n_tracks && left; k++) {
		uint32_t i = (uint32_t)((k + g->n) % p->n_tracks);

		if (may_want(p, i, g) && !p->seen[i].woken) {
			p->seen[i].woken = true;
			left--;
		}
	}
}

static void judge(struct proc *p, const struct track *t, uint32_t index, const struct proc_seen *seen, struct track_sight *s)
{
	struct proc_gil *g = seen->gil, *own = proc_gil_of(p, t);
	bool was_waiting = t->looked_ns && t->state == TRACK_GIL_WAIT;

	s->state = seen->call.running ? TRACK_CPU : TRACK_OFF;
	s->held = own && own->holder == index;
	s->nr = seen->call.nr;
	s->arg0 = seen->call.arg[0];
	s->arg1 = (uint32_t)seen->call.arg[1];
	if (s->held) {
		if (g)
			s->state = TRACK_CPU; /* inside drop_gil or take_gil, for a moment */
		else if (s->state == TRACK_OFF) /* asleep with the GIL?  Not if it let go between the two reads */
			s->held = proc_gil_unchanged(p, own);
	} else if (g && seen->inside == INSIDE_NO && inside_knows(&p->shared->tracks[index].inside, seen->call.sp)) {
		s->state = TRACK_CPU; /* it began to wait since the look began */
	} else if (g) {
		s->state = TRACK_GIL_WAIT;
		s->place = was_waiting && !g->switched ? t->place : read_place(p, t);
		s->again = was_waiting && (!same_place(&s->place, &t->place) || queues_again(p, t, g, s->arg0));
	} else if (seen->woken) {
		s->state = TRACK_GIL_WAIT;
		s->place = was_waiting ? t->place : read_place(p, t);
		s->nr = 202;
		s->arg0 = was_waiting ? t->arg0 : own->addr + target_runtime(p->target)->walk.gil_wait;
		s->arg1 = was_waiting ? t->arg1 : 0;
	}
}

/* The stack at the begin of a stretch.  Reading it costs as much as looking at all the other threads, and most threads come to the same few
 * places again and again: one that was read there a moment ago is taken for it. */
static uint64_t stack_at(struct proc *p, struct track *t, struct track_place place, uint64_t now)
{
	struct track_stack *oldest = &t->stacks[0];

	if (!t->tstate)
		return 0;
	if (!place.frame)
		place = read_place(p, t);
	for (unsigned i = 0; i < TRACK_STACKS; i++) {
		struct track_stack *s = &t->stacks[i];

		if (place.frame && same_place(&s->place, &place) && now - s->read_ns < STACK_HOLDS_NS)
			return s->key;
		oldest = s->read_ns < oldest->read_ns ? s : oldest;
	}
	*oldest = (struct track_stack){ .place = place, .key = emit_stack(p->shared, p->target, t), .read_ns = now };
	return oldest->key;
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
	e.context = t->context;
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

static void look_at_thread(struct proc *p, uint32_t i, uint64_t now)
{
	uint32_t index = p->tracks[i];
	struct track *t = &p->shared->tracks[index];
	struct track_sight s = { .t_ns = now };
	uint64_t since = t->since_ns;
	struct proc_gil *g;
	struct ev_off e;

	judge(p, t, index, &p->seen[i], &s);
	if (s.state == TRACK_GIL_WAIT && !p->seen[i].call.running)
		t->slept_ns = now;
	see_queued(p, i, t, &s);
	if (!t->looked_ns)
		since = UINT64_MAX;
	if (track_look(t, &s, &e))
		emit(p->shared, &e.h);
	if (t->state != TRACK_CPU && t->since_ns != since)
		t->stack = stack_at(p, t, t->place, now);
	if (t->state == TRACK_GIL_WAIT && (g = p->seen[i].gil ? p->seen[i].gil : proc_gil_of(p, t))) {
		t->gil = g->addr;
		g->waiters++;
	}
}

/* After the look, when it is known who waits. */
static void sample_threads(struct proc *p, uint64_t now)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];
		const struct proc_gil *g = proc_gil_of(p, t);
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
		if (p->gils[i].holder != PROC_NOBODY)
			proc_gil_tell_hold(p, &p->gils[i], now);
	p->n_gils = 0;
	proc_threads_forget_python(p);
	slot_of(p)->threads_only = true; /* until we are asked, which may be as soon as the exec is told */
	tell_exec(p, now);
	target_free(p->target);
	p->target = NULL;
	open_target(p);
	p->list_wanted = true;
}

/* Asked to find out again: its Python has come up, it has other interpreters, or another program. */
static void open_again(struct proc *p, uint64_t now)
{
	for (unsigned i = 0; i < p->n_gils; i++)
		if (p->gils[i].holder != PROC_NOBODY)
			proc_gil_tell_hold(p, &p->gils[i], now);
	p->n_gils = 0;
	p->refused = 0;
	target_free(p->target);
	p->target = NULL;
	open_target(p);
	p->list_wanted = true;
}

static bool has_memory(const struct proc *p)
{
	struct proc_status status;

	return !proc_status_read(p->task_fd, "../status", &status) && status.vm;
}

static bool lives(struct proc *p, uint64_t now)
{
	p->checked_ns = now;
	if (!p->target || !target_alive(p->target) || p->task_fd < 0)
		return false;
	if (!target_same_program(p->target)) {
		if (!has_memory(p))
			return false; /* it ends: its memory goes before it does */
		replace(p, now);
	}
	if (atomic_load(&slot_of(p)->asked) != p->asked)
		open_again(p, now);
	return p->target != NULL;
}

static void note_distance(struct proc *p, uint64_t now)
{
	if (p->looked_ns)
		p->distances[p->n_distances++ % PROC_DISTANCES] = now - p->looked_ns;
	p->looked_ns = now;
}

/* Who is inside take_gil: soon after the GILs were read, for while we look, one of the CPUs is ours, and others queue up. */
static void read_stacks(struct proc *p)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];

		p->seen[i].inside = t->tstate && p->n_gils ? inside_look(&t->inside, target_mem(p->target)) : INSIDE_UNKNOWN;
	}
}

/* What its stack looks like there, and elsewhere. */
static void learn_stack(struct proc *p, uint32_t i, const struct proc_seen *seen)
{
	struct track *t = &p->shared->tracks[p->tracks[i]];
	const struct proc_gil *own = t->tstate ? proc_gil_of(p, t) : NULL;
	const struct mem *m = target_mem(p->target);
	uint64_t sp = seen->call.sp;
	struct proc_syscall again;
	struct inside_window w;

	if (!own)
		return;
	if (seen->gil) {
		if (inside_wants_sleep(&t->inside, sp) && inside_read(m, sp, &w) && proc_threads_call(p, i, &again) == THREAD_THERE &&
		    !again.running && again.sp == sp && again.arg[0] == seen->call.arg[0])
			inside_learn(&t->inside, sp, &w, target_is_code, p->target);
	} else if ((own->holder == p->tracks[i] || (!seen->call.running && !is_futex(&seen->call))) && inside_wants_contrast(&t->inside)) {
		inside_compare(&t->inside, m);
		if (own->holder != p->tracks[i] || proc_gil_unchanged(p, own))
			inside_contrast(&t->inside);
	}
}

/* First what all of them do, then what follows from it. */
static void read_calls(struct proc *p, uint64_t now)
{
	for (uint32_t i = 0; i < p->n_tracks;) {
		struct proc_seen *seen = &p->seen[i];

		seen->woken = false;
		seen->gil = NULL;
		if (proc_threads_call(p, i, &seen->call) == THREAD_GONE) {
			proc_threads_drop(p, i, now);
			*seen = p->seen[p->n_tracks];
			continue;
		}
		seen->gil = asleep_on(p, &seen->call);
		if (to_be_read_again(p, seen) && proc_threads_call(p, i, &seen->call) != THREAD_GONE)
			seen->gil = asleep_on(p, &seen->call);
		if (seen->gil)
			proc_gil_asleep(p, seen->gil, seen->call.arg[0]);
		learn_stack(p, i, seen);
		i++;
	}
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
		err = proc_gil_look(p, &p->gils[i], now);
	if (err == -ESRCH)
		return PROC_ENDED;
	read_stacks(p);
	read_calls(p, now);
	for (unsigned i = 0; i < p->n_gils; i++)
		find_woken(p, &p->gils[i], now);
	for (uint32_t i = 0; i < p->n_tracks; i++)
		look_at_thread(p, i, now);
	sample_threads(p, now);
	note_distance(p, now);
	if (now - p->told_ns >= TELL_EVERY_NS)
		tell_looks(p, now);
	if (p->shared->config.follow)
		proc_children_look(p, births, now);
	return PROC_GOES_ON;
}
