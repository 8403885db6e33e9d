/* See check_valid.h.  Losses and damage count from the first run on: their metrics are wrong.  What the machine did to single runs is
 * borne by the ranks as long as it is few of them: one in ten.  (check_rounds has run disturbed rounds again before, while it could.) */
#include "agent/check_valid.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/strbuf.h"

static const double LOST_MAX = 0.001, SPREAD_MAX = 0.30, DISTURBED_RUNS = 0.1;

void check_reasons_done(struct check_reasons *r)
{
	for (size_t i = 0; i < r->invalid.n; i++)
		free(r->invalid.items[i]);
	for (size_t i = 0; i < r->notes.n; i++)
		free(r->notes.items[i]);
	vec_done(&r->invalid);
	vec_done(&r->notes);
}

void check_reason(reason_vec *to, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&text, fmt, args);
	va_end(args);
	vec_push(to, strbuf_steal(&text));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_waits(const struct check_runs *r)
{
	double waits[PAIRED_MAX];

	if (!r->n)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		waits[i] = (double)r->metrics[i].waits;
	qsort(waits, r->n, sizeof(*waits), compare);
	return (waits[(r->n - 1) / 2] + waits[r->n / 2]) / 2;
}

static double spread_of_length(const struct check_runs *r)
{
	double sum = 0, squares = 0, mean;

	for (size_t i = 0; i < r->n; i++)
		sum += r->metrics[i].duration_s;
	mean = sum / (double)r->n;
	for (size_t i = 0; i < r->n; i++)
		squares += (r->metrics[i].duration_s - mean) * (r->metrics[i].duration_s - mean);
	return r->n > 1 && mean > 0 ? sqrt(squares / (double)(r->n - 1)) / mean : 0;
}

static void check_recordings(struct check_reasons *ret, const struct check_runs *r, const char *what)
{
	size_t incomplete = 0, lossy = 0;
	double worst = 0, spread = spread_of_length(r);

	for (size_t i = 0; i < r->n; i++) {
		const struct run_metrics *m = &r->metrics[i];

		incomplete += !m->complete;
		lossy += m->lost_share > LOST_MAX;
		worst = m->lost_share > worst ? m->lost_share : worst;
	}
	if (incomplete)
		check_reason(&ret->invalid, "%zu of %zu recordings of %s are incomplete", incomplete, r->n, what);
	if (lossy)
		check_reason(&ret->invalid, "events were lost in %zu of %zu runs of %s, up to %.2g %% (at most %g %% may be)", lossy, r->n, what,
			     100 * worst, 100 * LOST_MAX);
	if (spread > SPREAD_MAX)
		check_reason(&ret->invalid, "runs of %s differ in length by %.0f %% (coefficient of variation; at most %.0f %% may be)", what,
			     100 * spread, 100 * SPREAD_MAX);
}

static void judge_disturbed(struct check_reasons *ret, const char *what, const char *by, size_t disturbed, size_t n, double worst, double max)
{
	bool many = (double)disturbed > DISTURBED_RUNS * (double)n;

	if (disturbed)
		check_reason(many ? &ret->invalid : &ret->notes, "%zu of %zu runs of %s %s, up to %.0f %% of the time (more than %.0f %% counts)", disturbed,
			     n, what, by, 100 * worst, 100 * max);
}

static void check_machine(struct check_reasons *ret, const struct check_runs *r, const struct conditions_limits *max, const char *what)
{
	size_t stolen = 0, throttled = 0;
	double worst_steal = 0, worst_throttled = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct conditions_shares *c = &r->conditions[i];

		stolen += c->steal > max->steal;
		throttled += c->throttled > max->throttled;
		worst_steal = fmax(worst_steal, c->steal);
		worst_throttled = fmax(worst_throttled, c->throttled);
	}
	judge_disturbed(ret, what, "lost CPU time to other virtual machines (steal)", stolen, r->n, worst_steal, max->steal);
	judge_disturbed(ret, what, "were throttled by a CPU quota", throttled, r->n, worst_throttled, max->throttled);
}

static void note_again(struct check_reasons *ret, const struct check_runs *head)
{
	if (head->again)
		check_reason(&ret->notes, "%zu round%s more %s run, instead of those in which CPU time was lost to other virtual machines (steal, up to %.0f %%) "
			     "or to a CPU quota (up to %.0f %%)", head->again, head->again == 1 ? "" : "s", head->again == 1 ? "was" : "were",
			     100 * head->worst_again.steal, 100 * head->worst_again.throttled);
}

static void check_waits(struct check_reasons *ret, const struct check_runs *base, const struct check_runs *head, bool compares)
{
	double before = median_waits(base), after = median_waits(head);

	if (compares && before < CHECK_WAITS_MIN && after < CHECK_WAITS_MIN)
		check_reason(&ret->invalid, "a run has only %.0f waits for the GIL (base) and %.0f (head): at least %d are needed on one side, "
			     "run for longer", before, after, CHECK_WAITS_MIN);
	else if (!compares && after < CHECK_WAITS_MIN)
		check_reason(&ret->invalid, "a run has only %.0f waits for the GIL: at least %d are needed, run for longer", after, CHECK_WAITS_MIN);
	else if (compares && (before < CHECK_WAITS_MIN || after < CHECK_WAITS_MIN))
		check_reason(&ret->notes, "%s has only %.0f waits for the GIL in a run: its p99 says little", before < after ? "base" : "head",
			     fmin(before, after));
}

static void unlike(struct check_reasons *ret, const struct check_valid_options *o, const char *what, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		check_reason(o->force_unlike ? &ret->notes : &ret->invalid, "recorded with unlike %s: '%.80s' and '%.80s'%s", what, a, b,
			     o->force_unlike ? "" : " (--force-unlike compares anyway)");
}

static void unlike_number(struct check_reasons *ret, const struct check_valid_options *o, const char *what, uint32_t a, uint32_t b)
{
	char x[16], y[16];

	snprintf(x, sizeof(x), "%u", a);
	snprintf(y, sizeof(y), "%u", b);
	unlike(ret, o, what, x, y);
}

/* Every run against the first one; the first difference of each kind is enough. */
static void check_origins(struct check_reasons *ret, const struct check_runs *base, const struct check_runs *head,
			  const struct check_valid_options *o)
{
	const struct run_origin *a = &(base->n ? base : head)->metrics[0].origin;
	size_t before;

	for (size_t i = 0; i < base->n + head->n; i++) {
		const struct run_origin *b = i < base->n ? &base->metrics[i].origin : &head->metrics[i - base->n].origin;

		before = ret->invalid.n + ret->notes.n;
		unlike(ret, o, "CPU models", a->cpu_model, b->cpu_model);
		unlike_number(ret, o, "numbers of CPUs", a->cpus, b->cpus);
		unlike(ret, o, "kernels", a->kernel, b->kernel);
		unlike(ret, o, "interpreters", a->runtime, b->runtime);
		unlike(ret, o, "versions of gilscope", a->gilscope_version, b->gilscope_version);
		unlike(ret, o, "collectors", a->collector, b->collector);
		unlike_number(ret, o, "sampling rates", a->sample_hz, b->sample_hz);
		if (ret->invalid.n + ret->notes.n > before)
			return;
	}
}

void check_valid(struct check_reasons *ret, const struct check_runs *base, const struct check_runs *head, const struct check_valid_options *o)
{
	if (!head->n) {
		check_reason(&ret->invalid, "no run was finished");
		return;
	}
	if (base->n) {
		check_recordings(ret, base, "base");
		check_machine(ret, base, &o->disturbed, "base");
	}
	check_recordings(ret, head, "head");
	check_machine(ret, head, &o->disturbed, "head");
	note_again(ret, head);
	if (base->n)
		check_origins(ret, base, head, o);
	if (o->needs_waits)
		check_waits(ret, base, head, o->compares);
}
