/* How much faster at most (what_if.h).  All three are of one kind: what the threads did or wanted to do, over what they got
 * done, cut off by what the CPUs and the GIL can give at all (Amdahl). */
#include "core/analysis/what_if.h"

#include "core/util/human.h"
#include "core/util/strbuf.h"

static const double CPUS_TOLD = 0.02; /* of what was done: waiting for CPUs below it is not worth a line */
static const double SPEEDUP_MAX = 1000; /* of next to nothing done everything is a large part */

struct demand { /* sums over the threads of a process */
	double cpu; /* ran on a CPU */
	double busy; /* got work done: ran, or slept with the GIL, which keeps it as busy */
	double waited, ready; /* for GILs; for a CPU */
	double held_ready; /* part of ready, holding a GIL */
};

static struct demand measure(const struct summary_process *p)
{
	struct demand d = {0};

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct summary_thread *t = &p->threads[i];

		d.cpu += (double)t->state_ns[STATE_GIL] + (double)t->state_ns[STATE_NOGIL];
		d.busy += (double)t->held_blocked_ns;
		d.waited += (double)t->state_ns[STATE_WAIT_GIL];
		d.ready += (double)t->state_ns[STATE_RUNNABLE];
		d.held_ready += (double)t->held_preempted_ns;
	}
	d.busy += d.cpu;
	return d;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static const char *text(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *text(struct arena *arena, const char *fmt, ...)
{
	autostrbuf s = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&s, fmt, args);
	va_end(args);
	return arena_strdup(arena, s.s);
}

static struct summary_bound *add(struct summary_process *p, const char *id, const char *title, double speedup)
{
	struct summary_bound *b = &p->what_if.bounds[p->what_if.n_bounds++];

	*b = (struct summary_bound){.id = id, .title = title, .speedup = least(speedup < 1 ? 1 : speedup, SPEEDUP_MAX)};
	return b;
}

static void assume(struct summary_bound *b, const char *what)
{
	b->assumes[b->n_assumes++] = what;
}

static const char *all_cpus(const struct summary *s, struct arena *arena)
{
	return text(arena, "the machine's %u CPU%s %s for it alone", s->cpus, s->cpus == 1 ? "" : "s",
		    s->cpus == 1 ? "is" : "are");
}

static void bound_without_gil(const struct summary *s, struct summary_process *p, const struct demand *d, double by_cpus,
			      struct arena *arena)
{
	struct summary_bound *b = add(p, "without_gil",
				      "several processes, a GIL for each interpreter, or a free-threaded build",
				      least((d->busy + d->waited + d->ready) / d->busy, by_cpus));

	assume(b, "all waiting for the GIL and for CPUs becomes work");
	assume(b, "nothing else is shared, and passing data costs nothing");
	assume(b, "Python code runs as fast as it did (one thread of a free-threaded build runs slower)");
	assume(b, all_cpus(s, arena));
}

/* Sound for one GIL only: with several nobody knows which of them further threads would use. */
static void bound_more_threads(const struct summary *s, struct summary_process *p, double by_cpus, struct arena *arena)
{
	const struct summary_lock *gil = p->gil;
	struct summary_bound *b;

	if (!gil || !gil->held_ns || (p->n_locks > 1 && p->locks[1].kind == LOCK_GIL))
		return;
	b = add(p, "more_threads", "more threads of the same kind, the GIL as it is",
		least((double)s->duration_ns / (double)gil->held_ns, by_cpus));
	assume(b, "the work needs the GIL for the same share of its time, one thread at a time");
	assume(b, all_cpus(s, arena));
}

static void bound_more_cpus(const struct summary *s, struct summary_process *p, const struct demand *d)
{
	const struct summary_lock *gil = p->gil;
	double speedup = (d->busy + d->ready) / d->busy, held = gil ? (double)gil->held_ns - d->held_ready : 0;
	struct summary_bound *b;

	if (d->ready < CPUS_TOLD * d->busy)
		return;
	if (held > 0 && p->n_locks && !(p->n_locks > 1 && p->locks[1].kind == LOCK_GIL))
		speedup = least(speedup, (double)s->duration_ns / held);
	b = add(p, "more_cpus", "a CPU whenever a thread wants one, the GIL as it is", speedup);
	assume(b, "all time in which its threads were ready but had no CPU becomes work");
	assume(b, "holds of the GIL take as long as their time on a CPU and asleep");
}

void what_if_bounds(const struct summary *s, struct summary_process *p, struct arena *arena)
{
	const struct demand d = measure(p);
	double by_cpus;

	if (d.busy <= 0 || d.cpu <= 0 || !p->runtime || !s->cpus || !s->duration_ns)
		return;
	by_cpus = (double)s->cpus * (double)s->duration_ns / d.cpu;
	p->what_if.bounds = arena_array(arena, SUMMARY_BOUNDS_MAX, sizeof(*p->what_if.bounds));
	bound_more_threads(s, p, by_cpus, arena);
	if (!p->free_threaded)
		bound_without_gil(s, p, &d, by_cpus, arena);
	bound_more_cpus(s, p, &d);
}
