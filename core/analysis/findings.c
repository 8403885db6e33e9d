/* See findings.h: the table of rules, their words, and the rules about the recording and the machine. */
#include "core/analysis/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/finder.h"
#include "core/base/clock.h"
#include "core/util/escape.h"
#include "core/util/human.h"
#include "core/util/strbuf.h"

/* Thresholds.  All are shares; below them a report would cry wolf on a machine that is merely alive. */
static const double COST_NAMED = 0.001; /* threads kept waiting: a millisecond a second */
static const double SHARE_NAMED = 0.005, SHARE_FELT = 0.03; /* of all waiting for the GIL */
static const double LOSS_MATTERS = 0.001; /* of all events: as much as the accuracy we promise for a thread's wait */
static const double LOSS_SPOILS = 0.05; /* beyond, sums are no longer to be trusted */
static const double CPU_SHORT = 0.10; /* of the time threads could run: a tenth slower is what people notice */
static const double CPU_VERY_SHORT = 0.35; /* a third of it: a core is missing */
enum { PLACE_MARGIN_NS = 500000 }; /* at least: a moment is not seen on a timeline */
static const double CPU_SHORT_FLOOR = 0.02; /* threads: less than 20 ms a second is nobody's problem */

struct finding *finder_add(struct finder *f, enum severity severity, enum certainty certainty)
{
	vec_push(&f->found, ((struct finding){
		.id = f->id, .severity = severity, .certainty = certainty, .title = "", .detail = "", .advice = "",
		.thread = MODEL_NONE, .lock = MODEL_NONE, .place = {.thread = MODEL_NONE, .lock = MODEL_NONE},
	}));
	return vec_last(&f->found);
}

void finder_cost(struct finder *f, struct finding *finding, uint64_t wait_ns)
{
	finding->wait_ns = wait_ns;
	finding->wait_known = true;
	if (f->gil_wait_ns && wait_ns <= f->gil_wait_ns)
		finding->share = (double)wait_ns / (double)f->gil_wait_ns;
}

const char *finder_text(struct finder *f, const char *fmt, ...)
{
	autostrbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&text, fmt, args);
	va_end(args);
	return arena_strdup(f->arena, text.s);
}

const char *finder_name(struct finder *f, const char *name)
{
	char shown[64];

	escape_to(shown, sizeof(shown), name, strnlen(name, 256));
	return arena_strdup(f->arena, *shown ? shown : "(unnamed)");
}

const char *finder_line(struct finder *f, const struct summary_stack *stack)
{
	const struct summary_frame *leaf = stack->frames;
	const char *base;
	char function[96], file[96];

	if (stack->n == 0)
		return "a place without a Python stack";
	base = strrchr(leaf->file, '/');
	base = base && base[1] ? base + 1 : leaf->file;
	escape_to(function, sizeof(function), leaf->function, strnlen(leaf->function, 512));
	escape_to(file, sizeof(file), base, strnlen(base, 512));
	if (leaf->native)
		return finder_text(f, "%s (%s)", function, file);
	return finder_text(f, "%s (%s:%u)", function, file, leaf->line);
}

struct summary_place finder_place(const struct finder *f, const struct summary_place *place)
{
	struct summary_place wide = *place;
	uint64_t margin = (place->to_ns - place->from_ns) / 2;

	if (!place->known)
		return wide;
	margin = margin > PLACE_MARGIN_NS ? margin : PLACE_MARGIN_NS;
	wide.from_ns = place->from_ns > margin ? place->from_ns - margin : 0;
	wide.to_ns = place->to_ns + margin;
	wide.to_ns = wide.to_ns < f->s->duration_ns ? wide.to_ns : f->s->duration_ns;
	return wide;
}

double finder_rate(const struct finder *f, uint64_t ns)
{
	return f->s->duration_ns ? (double)ns / (double)f->s->duration_ns : 0;
}

static double share_of_waiting(const struct finder *f, uint64_t ns)
{
	return f->gil_wait_ns ? (double)ns / (double)f->gil_wait_ns : 1;
}

bool finder_negligible(const struct finder *f, uint64_t ns)
{
	return finder_rate(f, ns) < COST_NAMED || share_of_waiting(f, ns) < SHARE_NAMED;
}

enum severity finder_severity(const struct finder *f, uint64_t ns, double warning, double critical)
{
	double rate = finder_rate(f, ns);

	if (share_of_waiting(f, ns) < SHARE_FELT)
		return SEVERITY_INFO;
	return rate >= critical ? SEVERITY_CRITICAL : rate >= warning ? SEVERITY_WARNING : SEVERITY_INFO;
}

/* The recording */

static void rule_incomplete(struct finder *f)
{
	struct finding *x;
	char reason[160];

	if (f->s->complete)
		return;
	x = finder_add(f, SEVERITY_WARNING, CERTAINTY_MEASURED);
	x->place.known = f->s->duration_ns > 0;
	x->place.to_ns = f->s->duration_ns;
	x->place.from_ns = f->s->duration_ns > NS_PER_S ? f->s->duration_ns - NS_PER_S : 0;
	x->title = "the recording is cut off";
	if (f->s->write_error) {
		escape_to(reason, sizeof(reason), f->s->write_error, strnlen(f->s->write_error, 512));
		x->detail = finder_text(f, "It could not be written to its end (%s); everything before is there.", reason);
	} else {
		x->detail = "The recorder was killed, or still writes; everything up to its last commit (each 250 ms) is "
			    "there.";
	}
	x->advice = "Take the shares as they are, but not the totals; record again where the end matters.";
}

static void rule_losses(struct finder *f)
{
	uint64_t lost = f->s->lost_events, all = f->s->own.events + lost;
	double share = all ? (double)lost / (double)all : 1;
	char n[HUMAN_LEN], pct[HUMAN_LEN];
	struct finding *x;

	if (lost == 0)
		return;
	x = finder_add(f, share >= LOSS_SPOILS ? SEVERITY_CRITICAL : share >= LOSS_MATTERS ? SEVERITY_WARNING :
		       SEVERITY_INFO, CERTAINTY_MEASURED);
	x->place = finder_place(f, &f->s->worst_loss);
	x->title = finder_text(f, "%s events were lost", human_count(n, lost));
	x->detail = f->s->own.events ?
		finder_text(f, "That is %s of all; times around a loss count as unknown, waits inside it may be missing.",
			    human_pct(pct, (double)lost, (double)all)) :
		"Times around a loss count as unknown, waits inside it may be missing.";
	x->advice = "Record on a less busy machine, or with a lower sampling rate (-r).";
}

static void rule_no_python(struct finder *f)
{
	struct finding *x;

	if (f->p->runtime)
		return;
	x = finder_add(f, SEVERITY_INFO, CERTAINTY_MEASURED);
	x->title = "recorded without knowledge of Python";
	x->detail = "Thread states and locks are here; who held the GIL is not.";
	x->advice = "If it is Python: record without --no-python, or see in the notes what kept it from being read.";
}

/* The machine */

/* Threads without a CPU are seen best where one of them was to have the GIL, or had it. */
static struct summary_place worst_ready(const struct finder *f)
{
	struct summary_place worst = {.thread = MODEL_NONE, .lock = MODEL_NONE};

	for (size_t i = 0; i < f->p->n_locks; i++) {
		const struct summary_place *places = f->p->locks[i].places;

		if (places[TROUBLE_PREEMPTED].known)
			return places[TROUBLE_PREEMPTED];
		if (places[TROUBLE_WAKING].known && !worst.known)
			worst = places[TROUBLE_WAKING];
	}
	return worst;
}

static void rule_too_few_cpus(struct finder *f)
{
	uint64_t ready = 0, ran = 0;
	struct finding *x;
	char pct[HUMAN_LEN], ns[HUMAN_LEN];
	double share;

	for (size_t i = 0; i < f->p->n_threads; i++) {
		const struct summary_thread *t = &f->p->threads[i];

		ready += t->state_ns[STATE_RUNNABLE];
		ran += t->state_ns[STATE_GIL] + t->state_ns[STATE_NOGIL];
	}
	share = ready ? (double)ready / (double)(ready + ran) : 0;
	if (share < CPU_SHORT || finder_rate(f, ready) < CPU_SHORT_FLOOR)
		return;
	x = finder_add(f, share >= CPU_VERY_SHORT ? SEVERITY_CRITICAL : SEVERITY_WARNING, CERTAINTY_MEASURED);
	x->wait_ns = ready;
	x->wait_known = true;
	x->place = worst_ready(f);
	x->place = finder_place(f, &x->place);
	x->title = finder_text(f, "too few CPUs: its threads were ready to run, but had none, %s of the time",
			       human_pct(pct, (double)ready, (double)(ready + ran)));
	x->detail = finder_text(f, "%s in all, on a machine of %u CPU%s. This is not the GIL: something else runs "
				"instead, or a CPU quota is used up.", human_ns(ns, ready), f->s->cpus,
				f->s->cpus == 1 ? "" : "s");
	x->advice = "Look for what else runs on this machine, and at the cgroup's cpu.max and cpu.stat (nr_throttled).";
}

static void rule_nothing_wrong(struct finder *f)
{
	char waits[HUMAN_LEN], ns[HUMAN_LEN], pct[HUMAN_LEN];
	struct finding *x;

	for (size_t i = 0; i < f->found.n; i++)
		if (f->found.items[i].severity > SEVERITY_INFO)
			return;
	if (!f->p->runtime)
		return;
	x = finder_add(f, SEVERITY_INFO, CERTAINTY_MEASURED);
	x->title = "nothing is wrong with the GIL here";
	x->detail = f->p->gil && f->p->gil->waits.n ?
		finder_text(f, "%s wait%s took %s in all, %s of one thread's time.", human_count(waits, f->p->gil->waits.n),
			    f->p->gil->waits.n == 1 ? "" : "s", human_ns(ns, f->gil_wait_ns), human_pct(pct, (double)f->gil_wait_ns, (double)f->s->duration_ns)) :
		"No thread had to wait for it.";
	x->advice = "If the program is slow, look elsewhere; the thread table says what its threads do.";
}

static const struct {
	const char *id;
	void (*find)(struct finder *f);
} rules[] = {
	{"incomplete_recording", rule_incomplete},
	{"losses", rule_losses},
	{"no_python", rule_no_python},
	{"gil_saturated", rule_gil_saturated},
	{"convoy", rule_convoy},
	{"held_while_blocked", rule_held_while_blocked},
	{"holder_preempted", rule_holder_preempted},
	{"long_hold", rule_long_hold},
	{"starved_thread", rule_starved_thread},
	{"forced_handoff_storm", rule_forced_handoff_storm},
	{"gc_holding", rule_gc_holding},
	{"gil_spin", rule_gil_spin},
	{"wakeup_latency", rule_wakeup_latency},
	{"lock_contention", rule_lock_contention},
	{"stop_the_world", rule_stop_the_world},
	{"loop_stalled", rule_loop_stalled},
	{"too_few_cpus", rule_too_few_cpus},
	{"nothing_wrong", rule_nothing_wrong}, /* last: it looks at what the others found */
};

/* Ties stay in the order of the table. */
static void sort_by_gravity(struct finding *x, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct finding moved = x[i];
		size_t j = i;

		while (j > 0 && (x[j - 1].severity < moved.severity ||
				 (x[j - 1].severity == moved.severity && x[j - 1].wait_ns < moved.wait_ns))) {
			x[j] = x[j - 1];
			j--;
		}
		x[j] = moved;
	}
}

/* No number of a process that was only sampled is measured. */
static void sampled_at_best(struct finder *f)
{
	for (size_t i = 0; i < f->found.n; i++)
		if (f->found.items[i].wait_known && f->found.items[i].certainty == CERTAINTY_MEASURED)
			f->found.items[i].certainty = CERTAINTY_SAMPLED;
}

void findings_find(const struct summary *s, struct summary_process *p, struct arena *arena)
{
	struct finder f = {.s = s, .p = p, .arena = arena, .gil_wait_ns = p->gil_wait_ns};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		f.id = rules[i].id;
		rules[i].find(&f);
	}
	if (p->estimated)
		sampled_at_best(&f);
	sort_by_gravity(f.found.items, f.found.n);
	p->n_findings = f.found.n;
	p->findings = arena_array(arena, f.found.n, sizeof(*p->findings));
	if (f.found.n)
		memcpy(p->findings, f.found.items, f.found.n * sizeof(*p->findings));
	vec_done(&f.found);
}
