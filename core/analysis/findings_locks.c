/* Rules about locks other than the GIL.  Waiting for something to happen (an empty queue, an event) is never a finding: it is idle time. */
#include "core/analysis/finder.h"
#include "core/util/human.h"

/* Threads kept waiting, as for the GIL: a hundredth of one is noticed, a seventh is a bottleneck. */
static const double COSTLY = 0.01, VERY_COSTLY = 0.15;
enum { TOLD_MAX = 3 };

static const char *line(struct finder *f, const struct summary_frame *frame)
{
	return finder_line(f, &(struct summary_stack){ .frames = frame, .n = frame != NULL });
}

static const char *words(enum lock_kind kind)
{
	switch (kind) {
	case LOCK_RLOCK: return "RLock";
	case LOCK_LOCK: return "Lock";
	case LOCK_SEMAPHORE: return "semaphore";
	case LOCK_PROCESS: return "lock that processes share";
	case LOCK_MUTEX: return "mutex of native code";
	case LOCK_IMPORT: return "import of a module by another thread";
	case LOCK_PYMUTEX: return "mutex of the interpreter";
	case LOCK_OBJECT: return "lock of an object";
	case LOCK_SECTION: return "critical section";
	default: return "lock";
	}
}

static const char *advice(const struct summary_other *o)
{
	if (o->kind == LOCK_IMPORT)
		return "Import the module before the threads start.";
	if (o->kind == LOCK_SEMAPHORE)
		return "All its places are taken: allow more at once, or keep each for a shorter time.";
	if (o->kind == LOCK_OBJECT)
		return "Give each thread an object of its own and join the results, or use one that is made for many threads (queue.Queue).";
	return "Do less with it held: I/O and long computations before or after, or one lock for each part of the data.";
}

static void contention(struct finder *f, const struct summary_other *o)
{
	const struct summary_party *holder = o->n_holders ? &o->holders[0] : NULL;
	const char *s = o->waits.n == 1 ? "" : "s";
	char n[HUMAN_LEN], ns[HUMAN_LEN], share[HUMAN_LEN];
	struct finding *x;

	x = finder_add(f, finder_rate(f, o->waits.ns) >= VERY_COSTLY ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		       o->holder_inferred ? CERTAINTY_INFERRED : CERTAINTY_MEASURED);
	x->wait_ns = o->waits.ns;
	x->wait_known = true;
	x->title = o->name ? finder_text(f, "threads wait for the %s %s", words(o->kind), finder_name(f, o->name)) :
			     finder_text(f, "threads wait for a %s at %s", words(o->kind), line(f, o->where));
	human_count(n, o->waits.n);
	human_ns(ns, o->waits.ns);
	if (holder && holder->ns)
		x->detail = finder_text(f, "%s wait%s took %s; %s of it while %s had it%s.", n, s, ns,
					human_pct(share, (double)holder->ns, (double)o->waits.ns), line(f, holder->where),
					o->holder_inferred ? ", as the wake-ups tell" : "");
	else
		x->detail = finder_text(f, "%s wait%s took %s; the lock does not say who had it.", n, s, ns);
	x->advice = advice(o);
}

void rule_lock_contention(struct finder *f)
{
	unsigned told = 0;

	for (size_t i = 0; i < f->p->n_others && told < TOLD_MAX; i++) {
		const struct summary_other *o = &f->p->others[i];

		if (o->idle || o->kind == LOCK_FUTEX || o->kind == LOCK_STW || o->kind == LOCK_STW_REQUEST || finder_rate(f, o->waits.ns) < COSTLY)
			continue; /* a futex may be anything, an idle wait too */
		contention(f, o);
		told++;
	}
}

/* How long the threads that stopped the world waited for the others before, in thread time. */
static uint64_t asking_ns(const struct finder *f)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < f->p->n_others; i++)
		ns += f->p->others[i].kind == LOCK_STW_REQUEST ? f->p->others[i].waits.ns : 0;
	return ns;
}

void rule_stop_the_world(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_others; i++) {
		const struct summary_other *o = &f->p->others[i];
		const struct summary_party *by = o->n_holders ? &o->holders[0] : NULL;
		char n[HUMAN_LEN], ns[HUMAN_LEN], max[HUMAN_LEN], lost[HUMAN_LEN], share[HUMAN_LEN], asked[HUMAN_LEN];
		struct finding *x;

		if (o->kind != LOCK_STW || finder_rate(f, o->waits.ns) < COSTLY)
			continue;
		x = finder_add(f, finder_rate(f, o->waits.ns) >= VERY_COSTLY ? SEVERITY_CRITICAL : SEVERITY_WARNING,
			       o->holder_inferred ? CERTAINTY_INFERRED : CERTAINTY_MEASURED);
		x->wait_ns = o->waits.ns;
		x->wait_known = true;
		x->title = finder_text(f, "all threads were stopped %s times, for %s in all", human_count(n, o->pauses),
				       human_ns(ns, o->contended_ns));
		x->detail = finder_text(f, "That cost %s of thread time; the longest pause took %s. %s of it was asked for at %s. Until all stood "
					"still took %s more.", human_ns(lost, o->waits.ns), human_ns(max, o->pause_max_ns),
					human_pct(share, (double)(by ? by->ns : 0), (double)o->waits.ns), by ? line(f, by->where) : "an unknown place",
					human_ns(asked, asking_ns(f)));
		x->advice = "Without the GIL the garbage collector stops every thread: call gc.collect() less often, raise gc.set_threshold(), or "
			    "call gc.freeze() once the long-lived objects are made.";
	}
}
