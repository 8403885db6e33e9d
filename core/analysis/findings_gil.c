/* The rules about the GIL.  Each reads numbers that are already there and words what they mean; severity follows what
 * it costs: the mean number of threads that are kept waiting (thread-seconds each second). */
#include "core/analysis/finder.h"
#include "core/analysis/summary_priv.h"
#include "core/base/clock.h"
#include "core/base/syscall_names.h"
#include "core/util/human.h"

/* Held nine tenths of the time leaves no room for another thread; one thread more cannot be served. */
static const double SATURATED = 0.90, SATURATED_FULLY = 0.97;
/* Without anybody waiting a full GIL is one busy thread, which is no fault: a fifth of a thread must wait. */
static const double SATURATED_WAITERS = 0.2, SATURATED_WAITERS_MANY = 1.0;

/* A convoy's victim works a fifth of an interval at most between two waits, and a third of its waits run into one. */
static const double CONVOY_WORK = 0.2, CONVOY_SHARE = 0.3;
static const double CONVOY_PER_SECOND = 2; /* rarer is a delay, not a habit */
enum { CONVOY_WAITS = 5 };

/* Thread-seconds a second that make a cause worth a warning, and worth dropping everything else. */
static const double COSTLY = 0.01, VERY_COSTLY = 0.15;

/* A fair queue makes a thread wait about one interval for each other contender; eight times that is not fair. */
enum { STARVED_TURNS = 8, STARVED_NS = 100000000 }; /* and a tenth of a second is when people notice */
static const double CONTENDER = 0.05; /* of its life waiting: it takes part in the fight */
static const double STARVED_WAITING = 0.5;

static const double STORM_FULL = 0.5; /* of the forced hand-offs that the interval allows at all */
static const double STORM_PER_SECOND = 1000; /* each costs some 10 us of two threads: a hundredth of a core */

static const double SLOW_WAKE_SHARE = 0.1; /* of all waiting: a tenth of it is the scheduler's, not the holder's */
enum { SLOW_WAKE_NS = 200000, SLOW_WAKE_WAITS = 20 }; /* an idle core wakes in 50 us; ten times less is normal load */

static const double SPIN_MATTERS = 0.05, SPIN_COSTLY = 0.25; /* of a CPU, as sampled */

void rule_gil_saturated(struct finder *f)
{
	const struct summary_lock *gil = f->p->gil;
	char held[HUMAN_LEN], contended[HUMAN_LEN];
	double waiters = gil ? finder_rate(f, gil->waits.ns) : 0;
	struct finding *x;

	if (!gil || gil->utilisation < SATURATED || waiters < SATURATED_WAITERS)
		return;
	x = finder_add(f, gil->utilisation >= SATURATED_FULLY && waiters >= SATURATED_WAITERS_MANY ?
		       SEVERITY_CRITICAL : SEVERITY_WARNING, CERTAINTY_MEASURED);
	finder_cost(f, x, gil->waits.ns);
	x->lock = gil->lock;
	x->place = gil->places[TROUBLE_FULL];
	x->title = finder_text(f, "the GIL is full: held %s of the time", human_pct(held, gil->utilisation, 1));
	x->detail = finder_text(f, "On average %.1f threads wait for it, and %s of the time at least one does. "
				"More threads can only wait more.", waiters,
				human_pct(contended, (double)gil->contended_ns, (double)f->s->duration_ns));
	x->advice = "Move the busiest lines to other processes (multiprocessing, more workers) or into code that releases "
		    "the GIL; the pairs say which lines.";
}

static bool in_convoy(const struct finder *f, const struct summary_thread *t)
{
	uint64_t interval = f->p->switch_interval_ns;
	double seconds = (double)f->s->duration_ns / (double)NS_PER_S;

	if (!interval || t->long_waits < CONVOY_WAITS || (double)t->long_waits < CONVOY_PER_SECOND * seconds)
		return false;
	if ((double)t->long_waits < CONVOY_SHARE * (double)t->waits.n)
		return false;
	return (double)t->held_ns / (double)t->waits.n <= CONVOY_WORK * (double)interval;
}

void rule_convoy(struct finder *f)
{
	const struct summary_thread *worst = NULL;
	char waits[HUMAN_LEN], all[HUMAN_LEN], interval[HUMAN_LEN], work[HUMAN_LEN], share[HUMAN_LEN];
	struct finding *x;
	uint64_t ns = 0;
	size_t n = 0;

	for (size_t i = 0; i < f->p->n_threads; i++) {
		const struct summary_thread *t = &f->p->threads[i];

		if (!in_convoy(f, t))
			continue;
		n++;
		ns += t->long_wait_ns;
		if (!worst || t->long_wait_ns > worst->long_wait_ns)
			worst = t;
	}
	if (!worst)
		return;
	x = finder_add(f, finder_severity(f, ns, COSTLY, VERY_COSTLY), CERTAINTY_MEASURED);
	finder_cost(f, x, ns);
	x->thread = worst->thread;
	x->place = finder_place(f, worst->convoy.known ? &worst->convoy : &worst->longest_wait);
	human_ns(interval, f->p->switch_interval_ns);
	x->title = n == 1 ?
		finder_text(f, "convoy: %s waits a switch interval (%s) again and again",
			    finder_name(f, worst->name), interval) :
		finder_text(f, "convoy: %s and %zu more wait a switch interval (%s) again and again",
			    finder_name(f, worst->name), n - 1, interval);
	x->detail = finder_text(f, "%s of %s's %s waits ran into it, for %s of work each time: %s of its life. It lets go "
				"of the GIL at every system call, and gets it back only when the holder is made to give it up.",
				human_count(waits, worst->long_waits), finder_name(f, worst->name),
				human_count(all, worst->waits.n), human_ns(work, worst->held_ns / worst->waits.n),
				human_pct(share, (double)worst->state_ns[STATE_WAIT_GIL],
					  (double)(worst->last_ns - worst->first_ns)));
	x->advice = "Keep computing and serving threads in different processes; a smaller sys.setswitchinterval() shortens "
		    "each wait at the price of more switches.";
}

/* Blame of one GIL whose holder was in that state, and the line of it that costs most. */
struct held_in_state {
	const struct summary_blame *worst; /* NULL: none */
	uint64_t ns, worst_ns; /* in all; at that line (in that system call) */
};

static bool same_place(const struct summary_blame *a, const struct summary_blame *b)
{
	return a->lock == b->lock && a->nr == b->nr && summary_same_line(&a->holder, &b->holder);
}

static struct held_in_state held_in_state(const struct summary_process *p, enum holder_state state)
{
	struct held_in_state h = {0};

	for (size_t i = 0; i < p->n_blame; i++) {
		if (p->blame[i].state != state)
			continue;
		h.worst = h.worst ? h.worst : &p->blame[i]; /* sorted: the first is the worst */
		h.ns += p->blame[i].ns;
		h.worst_ns += same_place(h.worst, &p->blame[i]) ? p->blame[i].ns : 0;
	}
	return h;
}

static const char *blocked_in(struct finder *f, int32_t nr)
{
	const char *name;

	if (nr < 0)
		return "the kernel, outside a system call (a page fault)";
	name = syscall_name(nr);
	return name ? finder_text(f, "%s()", name) : finder_text(f, "system call %d", nr);
}

/* A finding of what waiting for holders in that state cost, still without words; NULL if it is not worth one. */
static struct finding *held_finding(struct finder *f, const struct held_in_state *h, enum lock_trouble trouble)
{
	struct finding *x;

	if (finder_negligible(f, h->ns))
		return NULL;
	x = finder_add(f, finder_severity(f, h->ns, COSTLY, VERY_COSTLY), CERTAINTY_MEASURED);
	finder_cost(f, x, h->ns);
	x->lock = h->worst->lock;
	for (size_t i = 0; i < f->p->n_locks; i++)
		if (f->p->locks[i].lock == x->lock)
			x->place = finder_place(f, &f->p->locks[i].places[trouble]);
	return x;
}

void rule_held_while_blocked(struct finder *f)
{
	const struct held_in_state h = held_in_state(f->p, HOLDER_BLOCKED);
	struct finding *x = held_finding(f, &h, TROUBLE_BLOCKED);
	char all[HUMAN_LEN], most[HUMAN_LEN];

	if (!x)
		return;
	x->title = finder_text(f, "the GIL is held while its holder sleeps in %s", blocked_in(f, h.worst->nr));
	x->detail = finder_text(f, "Others waited %s for holders that slept, %s of it at %s.", human_ns(all, h.ns),
				human_ns(most, h.worst_ns), finder_line(f, &h.worst->holder));
	x->advice = "Have the call made without the GIL: Py_BEGIN_ALLOW_THREADS in C, 'with nogil' in Cython, CDLL instead of "
		    "PyDLL in ctypes. Or make it in another process.";
}

void rule_holder_preempted(struct finder *f)
{
	const struct held_in_state h = held_in_state(f->p, HOLDER_PREEMPTED);
	struct finding *x = held_finding(f, &h, TROUBLE_PREEMPTED);
	char all[HUMAN_LEN], share[HUMAN_LEN];

	if (!x)
		return;
	x->title = "the GIL's holder is often without a CPU";
	x->detail = finder_text(f, "Others waited %s (%s of all waiting) for a holder that itself waited for a CPU, most "
				"at %s.", human_ns(all, h.ns), human_pct(share, (double)h.ns, (double)f->gil_wait_ns),
				finder_line(f, &h.worst->holder));
	x->advice = "Give the process more CPU (cpu.max of its cgroup, fewer neighbours), or lower the priority of what "
		    "competes with it.";
}

/* One finding for each of the worst places: they are mended one by one. */
enum { LONG_HOLDS_SHOWN = 3 };

void rule_long_hold(struct finder *f)
{
	char max[HUMAN_LEN], n[HUMAN_LEN], excess[HUMAN_LEN], interval[HUMAN_LEN];

	for (size_t i = 0; i < f->p->n_long_holds && i < LONG_HOLDS_SHOWN; i++) {
		const struct summary_long_hold *h = &f->p->long_holds[i];
		struct finding *x;

		if (finder_negligible(f, h->excess_ns))
			return;
		/* short waits that were only counted leave no trace of a holder in between */
		x = finder_add(f, finder_severity(f, h->excess_ns, COSTLY, VERY_COSTLY),
			       f->p->gil->recorded_waits < f->p->gil->waits.n ? CERTAINTY_INFERRED : CERTAINTY_MEASURED);
		finder_cost(f, x, h->excess_ns);
		x->place = finder_place(f, &h->place);
		x->title = finder_text(f, "%s keeps the GIL up to %s at a stretch", finder_line(f, &h->stack),
				       human_ns(max, h->max_ns));
		x->detail = finder_text(f, "%s time%s it did not let go when a waiter demanded it after %s, which cost the "
					"waiters %s. Python code lets go between byte codes: this is a C call that does not.",
					human_count(n, h->n), h->n == 1 ? "" : "s",
					human_ns(interval, f->p->switch_interval_ns), human_ns(excess, h->excess_ns));
		x->advice = "Split the call into smaller ones, use one that releases the GIL, or do it in another process.";
	}
}

static double share_of_life(const struct summary_thread *t, uint64_t ns)
{
	return t->last_ns > t->first_ns ? (double)ns / (double)(t->last_ns - t->first_ns) : 0;
}

void rule_starved_thread(struct finder *f)
{
	const struct summary_thread *worst = NULL;
	char max[HUMAN_LEN], fair[HUMAN_LEN], share[HUMAN_LEN];
	uint64_t contenders = 0, turn;
	struct finding *x;

	for (size_t i = 0; i < f->p->n_threads; i++)
		contenders += share_of_life(&f->p->threads[i], f->p->threads[i].state_ns[STATE_WAIT_GIL]) >= CONTENDER;
	turn = f->p->switch_interval_ns * (contenders ? contenders - 1 : 0);
	for (size_t i = 0; i < f->p->n_threads && turn && contenders > 1; i++) {
		const struct summary_thread *t = &f->p->threads[i];

		if (t->waits.max_ns >= STARVED_TURNS * turn && t->waits.max_ns >= STARVED_NS &&
		    share_of_life(t, t->state_ns[STATE_WAIT_GIL]) >= STARVED_WAITING &&
		    (!worst || t->waits.max_ns > worst->waits.max_ns))
			worst = t;
	}
	if (!worst)
		return;
	x = finder_add(f, SEVERITY_WARNING, CERTAINTY_MEASURED); /* its cause is a finding too */
	finder_cost(f, x, worst->waits.ns);
	x->thread = worst->thread;
	x->place = finder_place(f, &worst->longest_wait);
	x->title = finder_text(f, "%s starves: it waited up to %s for its turn", finder_name(f, worst->name),
			       human_ns(max, worst->waits.max_ns));
	x->detail = finder_text(f, "Among %llu threads that fight for the GIL a turn should come within %s; it spent %s of "
				"its life waiting.", (unsigned long long)contenders, human_ns(fair, turn),
				human_pct(share, share_of_life(worst, worst->state_ns[STATE_WAIT_GIL]), 1));
	x->advice = "Look at who holds the GIL during its waits (the pairs), and run fewer computing threads beside it.";
}

void rule_forced_handoff_storm(struct finder *f)
{
	const struct summary_lock *gil = f->p->gil;
	double seconds = (double)f->s->duration_ns / (double)NS_PER_S, rate, possible;
	char shown[HUMAN_LEN], interval[HUMAN_LEN], share[HUMAN_LEN];
	struct finding *x;

	if (!gil || seconds <= 0 || !f->p->switch_interval_ns)
		return;
	rate = (double)gil->forced_handoffs / seconds;
	possible = (double)NS_PER_S / (double)f->p->switch_interval_ns;
	if (rate < STORM_FULL * possible)
		return;
	x = finder_add(f, rate >= STORM_PER_SECOND ? SEVERITY_WARNING : SEVERITY_INFO, CERTAINTY_MEASURED);
	finder_cost(f, x, gil->forced_wait_ns);
	x->lock = gil->lock;
	x->place = gil->places[TROUBLE_FORCED];
	x->title = finder_text(f, "the GIL changes hands by force %s", human_rate(shown, rate));
	x->detail = finder_text(f, "%s of all hand-offs were demanded by a waiter whose switch interval of %s ran out: "
				"several threads compute in Python at once.",
				human_pct(share, (double)gil->forced_handoffs, (double)gil->handoffs),
				human_ns(interval, f->p->switch_interval_ns));
	x->advice = rate >= STORM_PER_SECOND ?
		"Raise sys.setswitchinterval(): switching itself costs much here. Or compute in fewer threads." :
		"Compute in fewer threads, or in processes; each such switch cools caches and gains nothing.";
}

void rule_gc_holding(struct finder *f)
{
	const struct summary_lock *gil = f->p->gil;
	char held[HUMAN_LEN], waited[HUMAN_LEN];
	struct finding *x;

	if (!gil || finder_negligible(f, gil->gc_wait_ns))
		return;
	x = finder_add(f, finder_severity(f, gil->gc_wait_ns, COSTLY, VERY_COSTLY), CERTAINTY_INFERRED);
	finder_cost(f, x, gil->gc_wait_ns);
	x->lock = gil->lock;
	x->place = finder_place(f, &gil->places[TROUBLE_GC]);
	x->title = "the garbage collector runs while others wait for the GIL";
	x->detail = finder_text(f, "Holds in which it was seen running lasted %s in all; others waited %s meanwhile.",
				human_ns(held, gil->gc_hold_ns), human_ns(waited, gil->gc_wait_ns));
	x->advice = "Call gc.freeze() after start-up, raise gc.set_threshold(), or collect when it is quiet.";
}

void rule_gil_spin(struct finder *f)
{
	char ns[HUMAN_LEN], cpu[HUMAN_LEN];
	struct finding *x;
	uint64_t spin = 0;

	for (size_t i = 0; i < f->p->n_threads; i++)
		spin += f->p->threads[i].spin_ns;
	if (finder_rate(f, spin) < SPIN_MATTERS)
		return;
	x = finder_add(f, finder_rate(f, spin) >= SPIN_COSTLY ? SEVERITY_WARNING : SEVERITY_INFO, CERTAINTY_SAMPLED);
	x->wait_ns = spin;
	x->wait_known = true;
	x->title = finder_text(f, "threads burn CPU on their way into the GIL: %s of a CPU",
			       human_pct(cpu, (double)spin, (double)f->s->duration_ns));
	x->detail = finder_text(f, "About %s by samples, apart from the waiting above: the GIL is released and taken again so "
				"often that threads collide without sleeping.", human_ns(ns, spin));
	x->advice = "Make fewer, larger calls that release the GIL: read and write bigger blocks, batch small ones.";
}

void rule_wakeup_latency(struct finder *f)
{
	const struct summary_lock *gil = f->p->gil;
	char mean[HUMAN_LEN], all[HUMAN_LEN], share[HUMAN_LEN];
	struct finding *x;
	uint64_t mean_ns;

	if (!gil || gil->recorded_waits < SLOW_WAKE_WAITS || finder_negligible(f, gil->wake_latency_ns))
		return;
	mean_ns = gil->wake_latency_ns / gil->recorded_waits;
	if (mean_ns < SLOW_WAKE_NS && (double)gil->wake_latency_ns < SLOW_WAKE_SHARE * (double)gil->waits.ns)
		return;
	x = finder_add(f, finder_severity(f, gil->wake_latency_ns, COSTLY, VERY_COSTLY), CERTAINTY_MEASURED);
	finder_cost(f, x, gil->wake_latency_ns);
	x->lock = gil->lock;
	x->place = finder_place(f, &gil->places[TROUBLE_WAKING]);
	x->title = finder_text(f, "a thread that is given the GIL needs %s to wake up", human_ns(mean, mean_ns));
	x->detail = finder_text(f, "%s in all, %s of the waiting: nobody runs Python meanwhile. The CPUs are busy, or wake "
				"slowly from sleep.", human_ns(all, gil->wake_latency_ns),
				human_pct(share, (double)gil->wake_latency_ns, (double)gil->waits.ns));
	x->advice = "Leave a CPU free for it, or pin less; on a virtual machine look at steal time.";
}
