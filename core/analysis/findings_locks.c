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
	default: return "lock";
	}
}

static const char *advice(const struct summary_other *o)
{
	if (o->kind == LOCK_IMPORT)
		return "Import the module before the threads start.";
	if (o->kind == LOCK_SEMAPHORE)
		return "All its places are taken: allow more at once, or keep each for a shorter time.";
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

		if (o->idle || o->kind == LOCK_FUTEX || finder_rate(f, o->waits.ns) < COSTLY)
			continue; /* a futex may be anything, an idle wait too */
		contention(f, o);
		told++;
	}
}
