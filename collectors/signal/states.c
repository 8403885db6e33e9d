/* What threads do that the library does not stand before: how long they were off the CPU it tells by their CPU time (struct shared_ran),
 * in which system call is looked up in /proc now and then.  All that is concluded here carries EV_F_INFERRED. */
#include "collectors/signal/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/target/proc_task.h"

#define LOOK_EVERY_NS (100 * NS_PER_MS)
#define QUIET_NS (50 * NS_PER_MS) /* threads that told of themselves since are not looked at */
#define LOOKS_MAX 64 /* threads a round */
#define NOT_OFF_NS (50 * NS_PER_US)

static void fill(struct ev_off *e, const struct signal_process *p, uint32_t tid, uint64_t t0, uint64_t t1)
{
	memset(e, 0, sizeof(*e));
	e->h = (struct ev_hdr){ .kind = EV_OFF, .size = sizeof(*e), .pid = (uint32_t)p->pid, .tid = tid,
				.flags = EV_F_INFERRED | (p->python ? EV_F_PYTHON : 0) };
	e->t_out_ns = t0;
	e->t_in_ns = t1;
	e->nr = -1;
}

/* A look that fell into the stretch tells what it was blocked in. */
static void fill_call(struct ev_off *e, const struct signal_look *look, uint64_t t0, uint64_t t1)
{
	e->h.flags |= EV_F_BLOCKED;
	if (!look->asleep || look->t_ns < t0 || look->t_ns > t1)
		return;
	e->nr = look->nr;
	e->arg0 = look->arg0;
	e->arg1 = look->arg1;
}

void signal_states_ran(const struct signal_process *p, const struct signal_thread *t, const struct shared_ran *ran, struct signal_gathered *g)
{
	uint64_t off = ran->off_ns < ran->to_ns - ran->from_ns ? ran->off_ns : ran->to_ns - ran->from_ns;
	struct ev_off e;

	if (off < NOT_OFF_NS)
		return;
	fill(&e, p, t->tid, ran->to_ns - off, ran->to_ns);
	e.h.flags |= ran->h.flags & (EV_F_TAKE_SEEN | EV_F_MOVED | EV_F_STAYED);
	if (ran->blocked)
		fill_call(&e, &t->look, ran->from_ns, ran->to_ns);
	signal_gather(g, &e.h);
}

static void read_look(const struct signal_process *p, struct signal_thread *t, uint64_t now)
{
	struct proc_syscall call;
	struct proc_stat stat;
	char name[64];

	snprintf(name, sizeof(name), "task/%u/stat", t->tid);
	if (proc_stat_read(p->proc, name, &stat))
		return;
	t->look = (struct signal_look){ .t_ns = now, .nr = -1, .asleep = stat.state == 'S' || stat.state == 'D' };
	snprintf(name, sizeof(name), "task/%u/syscall", t->tid);
	if (t->look.asleep && !proc_syscall_read(p->proc, name, &call) && !call.running) {
		t->look.nr = call.nr;
		t->look.arg0 = call.arg[0];
		t->look.arg1 = (uint32_t)call.arg[1];
	}
}

static void tell_name(const struct signal_process *p, struct signal_thread *t, uint64_t now, struct signal_gathered *g)
{
	struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .flags = EV_F_RENAMED, .pid = (uint32_t)p->pid, .tid = t->tid },
			       .t_ns = now };
	struct proc_stat stat;
	char name[64];

	snprintf(name, sizeof(name), "task/%u/stat", t->tid);
	if (proc_stat_read(p->proc, name, &stat) || !strncmp(stat.comm, t->comm, sizeof(t->comm) - 1))
		return;
	memcpy(t->comm, stat.comm, sizeof(t->comm) - 1);
	memcpy(e.comm, t->comm, sizeof(e.comm));
	e.start_ns = stat.start_ns;
	signal_gather(g, &e.h);
}

void signal_states_look(struct signal_process *p, uint64_t now, struct signal_gathered *g)
{
	unsigned looks = 0;

	if (now - p->looked_ns < LOOK_EVERY_NS)
		return;
	p->looked_ns = now;
	for (uint32_t i = 0; i < p->ready && looks < LOOKS_MAX; i++) {
		const struct shared_slot *s = &p->shared->slot[i];
		struct signal_thread *t = &p->threads[i];

		if (!t->tid || s->state != SLOT_LIVE || s->waiting.since_ns || now - s->seen_ns < QUIET_NS)
			continue;
		read_look(p, t, now);
		tell_name(p, t, now, g);
		looks++;
	}
}

/* Its CPU time, to the nanosecond: the first number of schedstat. */
static bool cpu_time(const struct signal_process *p, uint32_t tid, uint64_t *ret)
{
	char name[64], *text;
	size_t n;

	snprintf(name, sizeof(name), "task/%u/schedstat", tid);
	if (proc_read(p->proc, name, 256, &text, &n))
		return false;
	*ret = strtoull(text, NULL, 10);
	free(text);
	return true;
}

static void waiting_still(const struct signal_process *p, const struct signal_thread *t, const struct shared_waiting *w, uint64_t now,
			  struct signal_gathered *g)
{
	struct ev_off e;

	fill(&e, p, t->tid, w->since_ns, now);
	e.h.flags = (w->flags & ~(uint32_t)EV_F_INFERRED) | EV_F_UNFINISHED;
	e.arg0 = w->word;
	e.gil = w->gil;
	e.own_stack = w->own_stack;
	e.nr = 202;
	signal_gather(g, &e.h);
}

static void asleep_still(const struct signal_process *p, struct signal_thread *t, const struct shared_slot *s, uint64_t now,
			 struct signal_gathered *g)
{
	uint64_t seen = s->seen_ns, cpu, ran = 0;
	struct ev_off e;

	read_look(p, t, now);
	if (!t->look.asleep || t->look.t_ns != now || seen >= now)
		return;
	if (cpu_time(p, t->tid, &cpu) && s->seen_cpu_ns && cpu > s->seen_cpu_ns)
		ran = cpu - s->seen_cpu_ns;
	if (ran >= now - seen)
		return;
	fill(&e, p, t->tid, seen + ran, now);
	fill_call(&e, &t->look, seen, now);
	e.h.flags |= EV_F_UNFINISHED;
	signal_gather(g, &e.h);
}

void signal_states_unfinished(struct signal_process *p, uint64_t now, struct signal_gathered *g)
{
	for (uint32_t i = 0; i < p->ready; i++) {
		const struct shared_slot *s = &p->shared->slot[i];
		struct signal_thread *t = &p->threads[i];
		struct shared_waiting w = s->waiting;

		if (!t->tid || s->state != SLOT_LIVE)
			continue;
		if (w.since_ns && w.since_ns < now)
			waiting_still(p, t, &w, now, g);
		else
			asleep_still(p, t, s, now, g);
	}
}
