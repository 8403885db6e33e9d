/* See check_report.h. */
#include "agent/check_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

static bool paired(const struct check_options *o)
{
	return o->base_command != NULL;
}

static bool all_ops_known(const struct check_runs *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!(r->metrics[i].ops > 0))
			return false;
	return r->n > 0;
}

/* Budgets of a p99 need waits; a small share of waiting is well measured without any. */
static bool needs_waits(const struct check_options *o, bool compares)
{
	static const bool of_waits[METRIC_N] = {
		[METRIC_WAIT_PER_OP] = true, [METRIC_WAIT_RATIO] = true, [METRIC_WAIT_P99] = true, [METRIC_CONVOY_RATE] = true,
	};

	for (unsigned i = 0; compares && i < METRIC_N; i++)
		if (of_waits[i] && o->limits.wanted[i])
			return true;
	for (size_t i = 0; !compares && i < o->budgets.n; i++)
		if (o->budgets.items[i].metric == METRIC_WAIT_P99)
			return true;
	return false;
}

static void compare(struct check_made *m, const struct check_options *o, const struct check_runs *base, const struct check_runs *head)
{
	if (regression_compare(&m->regression, base->metrics, base->n, head->metrics, head->n, paired(o), &o->limits))
		check_reason(&m->reasons.invalid, "base and head have different numbers of runs");
	else
		m->report.regression = &m->regression;
}

static void judge_budgets(struct check_made *m, const struct check_options *o, const struct check_runs *head)
{
	m->budgets = xcalloc(o->budgets.n + 1, sizeof(*m->budgets));
	for (size_t i = 0; i < o->budgets.n; i++)
		regression_budget(&m->budgets[i], o->budgets.items[i].metric, o->budgets.items[i].limit, head->metrics, head->n, o->limits.alpha);
	m->report.budgets = m->budgets;
	m->report.n_budgets = o->budgets.n;
}

/* Coefficient of variation of a metric over the runs of both sides. */
static double spread_of(enum metric metric, const struct check_runs *base, const struct check_runs *head)
{
	double sum = 0, squares = 0, mean, n = 0;

	for (size_t i = 0; i < base->n + head->n; i++) {
		const struct run_metrics *m = i < base->n ? &base->metrics[i] : &head->metrics[i - base->n];

		if (!m->known[metric])
			continue;
		sum += m->value[metric];
		squares += m->value[metric] * m->value[metric];
		n++;
	}
	mean = n > 0 ? sum / n : 0;
	return n > 1 && mean > 0 ? sqrt(fmax(0, (squares - n * mean * mean) / (n - 1))) / mean : 0;
}

/* A program that did not change passes when its interval ends below the limit.  The estimate of such a program lies within half an
 * interval of nothing, nearly always; the other half is its upper end. */
static double propose(const struct check_floor *f, const struct regression_limits *l)
{
	double usual = f->ratio ? l->max_regress[f->metric] : l->floor[f->metric];

	return f->ratio ? fmax(usual, ceil(2 * f->noise / 0.05 - 1e-9) * 0.05) : fmax(usual, 2 * f->noise);
}

static void measure_noise(struct check_made *m, const struct check_options *o, const struct check_runs *base, const struct check_runs *head)
{
	m->floors = xcalloc(METRIC_N, sizeof(*m->floors));
	for (size_t i = 0; m->report.regression && i < m->regression.n; i++) {
		const struct regression_row *row = &m->regression.rows[i];
		struct check_floor *f = &m->floors[m->report.n_floors++];

		*f = (struct check_floor){.metric = row->metric, .n = row->n_base, .ratio = row->ratio};
		f->known = row->verdict != VERDICT_NOT_MEASURED && isfinite(row->low) && isfinite(row->high);
		if (!f->known)
			continue;
		f->spread = spread_of(row->metric, base, head);
		f->noise = row->ratio ? sqrt((1 + row->high) / (1 + row->low)) - 1 : (row->high - row->low) / 2;
		f->limit = propose(f, &o->limits);
	}
	m->report.floors = m->floors;
}

static const struct mark_region *find_region(const struct marks *marks, const char *name)
{
	for (size_t i = 0; i < marks->n_regions; i++)
		if (!strcmp(marks->regions[i].name, name))
			return &marks->regions[i];
	return NULL;
}

static void sum_region(const struct check_runs *r, const char *name, double *ret_n, double *ret_s)
{
	double entries = 0, ns = 0, runs = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct mark_region *g = find_region(&r->marks[i], name);

		if (!g)
			continue;
		entries += (double)g->entries;
		ns += (double)g->ns;
		runs++;
	}
	*ret_n = runs > 0 ? entries / runs : 0;
	*ret_s = entries > 0 ? ns / entries / 1e9 : NAN;
}

static void add_regions(struct check_made *m, const struct check_runs *r, const struct check_runs *base, const struct check_runs *head)
{
	for (size_t i = 0; i < r->n; i++) {
		for (size_t k = 0; k < r->marks[i].n_regions; k++) {
			const char *name = r->marks[i].regions[k].name;
			struct check_region *g = NULL;
			bool known = false;

			for (size_t j = 0; j < m->report.n_regions; j++)
				known |= !strcmp(m->regions[j].name, name);
			if (known || m->report.n_regions == MARKS_REGIONS)
				continue;
			g = &m->regions[m->report.n_regions++];
			g->name = name;
			sum_region(base, name, &g->base_n, &g->base_s);
			sum_region(head, name, &g->head_n, &g->head_s);
		}
	}
}

static void note_marks(struct check_made *m, const struct check_runs *r, const char *what)
{
	unsigned long long dropped = 0;

	for (size_t i = 0; i < r->n; i++)
		dropped += r->marks[i].dropped;
	if (dropped)
		check_reason(&m->reasons.notes, "%llu marks of %s found no room and are not counted", dropped, what);
}

/* The smallest p value that so many runs can give: all of head above all of base. */
static double least_p(const struct check_options *o, size_t n_base, size_t n_head)
{
	double p = 1;

	if (paired(o))
		return exp2(-(double)n_base);
	for (size_t i = 1; i <= n_base; i++)
		p *= (double)i / (double)(n_head + i);
	return p;
}

/* Of the run whose collector saw least; NULL: no run.  All are alike, unless the user wants to compare others. */
static const struct run_origin *least_seen(const struct check_runs *base, const struct check_runs *head)
{
	const struct run_origin *least = NULL;

	for (size_t i = 0; i < base->n + head->n; i++) {
		const struct run_origin *o = i < base->n ? &base->metrics[i].origin : &head->metrics[i - base->n].origin;

		least = !least || o->seen < least->seen ? o : least;
	}
	return least;
}

/* Runs without the scheduler's own word: which collector it was and why, and what it cannot say. */
static void note_collector(struct check_made *m, const struct check_options *o, const struct run_origin *from)
{
	autostrbuf text = STRBUF_INIT;
	unsigned missing = 0;

	if (!from || from->seen == NEEDS_SCHEDULER)
		return;
	m->report.estimated = from->seen == NEEDS_SUMS;
	strbuf_addf(&text, "recorded by the %s collector", from->collector);
	if (*from->collector_choice)
		strbuf_addf(&text, " (%s)", from->collector_choice);
	for (unsigned i = 0; i < METRIC_N; i++)
		if (o->limits.wanted[i] && metric_infos[i].needs > from->seen)
			strbuf_addf(&text, "%s %s", missing++ ? "," : "; it cannot measure", metric_infos[i].name);
	if (m->report.estimated)
		strbuf_adds(&text, "; the other metrics are estimates from samples");
	check_reason(&m->reasons.notes, "%s", text.s);
}

static void note_too_few(struct check_made *m, const struct check_options *o, const struct check_runs *base, const struct check_runs *head)
{
	size_t measured = 0, n = 1;

	for (size_t i = 0; m->report.regression && i < m->regression.n; i++)
		measured += m->regression.rows[i].verdict != VERDICT_NOT_MEASURED;
	if (!measured || least_p(o, base->n, head->n) * (double)measured <= o->limits.alpha)
		return;
	while (n < PAIRED_MAX && least_p(o, n, n) * (double)measured > o->limits.alpha)
		n++;
	check_reason(&m->reasons.notes, "so few runs cannot fail: %zu metric%s need%s %zu runs a side at least; more rounds, or fewer metrics (--metric)",
		     measured, measured == 1 ? "" : "s", measured == 1 ? "s" : "", n);
}

static void add_notes(struct check_made *m, const struct check_options *o, const struct check_runs *base, const struct check_runs *head)
{
	reason_vec *notes = &m->reasons.notes;

	note_marks(m, base, "base");
	note_marks(m, head, "head");
	if (!m->report.per_op && o->limits.wanted[METRIC_WAIT_PER_OP])
		check_reason(notes, "units of work are not known, so waiting per unit is not measured: --ops, or gilscope_mark.op() in the program");
	if (base->n && !paired(o))
		check_reason(notes, "runs of stored recordings are not paired: what the machine did then and now is part of the difference");
	note_collector(m, o, least_seen(base, head));
	if (!o->base_command && !o->head_command)
		check_reason(notes, "steal and throttling of recorded runs are not known");
	note_too_few(m, o, base, head);
}

/* Where nothing could be measured nothing has passed. */
static enum check_outcome outcome_of(const struct check_made *m)
{
	const struct check_report *r = &m->report;
	size_t measured = 0, failed = 0, open = 0;

	if (m->reasons.invalid.n)
		return CHECK_NOT_VALID;
	for (size_t i = 0; r->regression && i < r->regression->n; i++) {
		enum verdict v = r->regression->rows[i].verdict;

		measured += v != VERDICT_NOT_MEASURED;
		failed += v == VERDICT_FAIL && !r->aa;
		open += v == VERDICT_INCONCLUSIVE && !r->aa;
	}
	for (size_t i = 0; i < r->n_budgets; i++) {
		measured += r->budgets[i].verdict != VERDICT_NOT_MEASURED;
		failed += r->budgets[i].verdict == VERDICT_FAIL;
		open += r->budgets[i].verdict == VERDICT_INCONCLUSIVE || r->budgets[i].verdict == VERDICT_NOT_MEASURED;
	}
	return failed ? CHECK_FAIL : open || !measured ? CHECK_INCONCLUSIVE : CHECK_PASS;
}

static char *name_of(const char *command, const path_vec *paths)
{
	struct strbuf b = STRBUF_INIT;

	if (command)
		return xstrdup(command);
	for (size_t i = 0; i < paths->n && i < 3; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", paths->items[i]);
	strbuf_adds(&b, paths->n > 3 ? " …" : "");
	return strbuf_steal(&b);
}

/* The repository we are in, else the directory we are in: what files are named relative to.  NULL unknown. */
static char *repository(void)
{
	char *here = getcwd(NULL, 0), *slash;
	autofree char *above = here ? xstrdup(here) : NULL;

	while (above && *above) {
		autofree char *git = xasprintf("%s/.git", above);

		if (!access(git, F_OK)) {
			free(here);
			return xstrdup(above);
		}
		slash = strrchr(above, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return here;
}

void check_report_make(struct check_made *ret, const struct check_options *o, const struct check_runs *base, const struct check_runs *head)
{
	const bool compares = base->n > 0;
	struct check_valid_options valid = {.compares = compares, .needs_waits = needs_waits(o, compares), .disturbed = o->disturbed};
	struct check_report *r = &ret->report;

	memset(ret, 0, sizeof(*ret));
	/* runs side by side on one machine differ in the interpreter at most, and then on purpose */
	valid.force_unlike = o->force_unlike || paired(o);
	check_valid(&ret->reasons, base, head, &valid);
	ret->base_name = name_of(o->base_command, &o->bases);
	ret->head_name = name_of(o->aa ? o->base_command : o->head_command, &o->heads);
	ret->directory = repository();
	*r = (struct check_report){
		.aa = o->aa, .limits = &o->limits, .rounds = o->base_command || o->head_command ? head->n : 0, .seed = o->seed,
		.base = {ret->base_name, base->metrics, base->n}, .head = {ret->head_name, head->metrics, head->n},
		.directory = ret->directory && strcmp(ret->directory, "/") != 0 ? ret->directory : "", .source_url = o->source_url,
		.per_op = all_ops_known(head) && (!compares || all_ops_known(base)),
	};
	ret->regions = xcalloc(MARKS_REGIONS, sizeof(*ret->regions));
	r->regions = ret->regions;
	if (compares)
		compare(ret, o, base, head);
	if (o->aa)
		measure_noise(ret, o, base, head);
	judge_budgets(ret, o, head);
	r->sites = ret->sites = site_growth_make(base->metrics, base->n, head->metrics, head->n, r->per_op, &r->n_sites);
	add_regions(ret, base, base, head);
	add_regions(ret, head, base, head);
	add_notes(ret, o, base, head);
	r->outcome = outcome_of(ret);
	r->invalid = (const char *const *)ret->reasons.invalid.items;
	r->n_invalid = ret->reasons.invalid.n;
	r->notes = (const char *const *)ret->reasons.notes.items;
	r->n_notes = ret->reasons.notes.n;
}

void check_report_done(struct check_made *m)
{
	free(m->budgets);
	free(m->sites);
	free(m->floors);
	free(m->regions);
	free(m->base_name);
	free(m->head_name);
	free(m->directory);
	check_reasons_done(&m->reasons);
}
