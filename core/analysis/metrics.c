/* See metrics.h. */
#include "core/analysis/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/row_tap.h"
#include "core/analysis/summary.h"
#include "core/store/reader.h"
#include "core/util/arena.h"
#include "core/util/escape.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

enum { CONVOY_THREADS = 3, SITE_TEXT = 300, MAX_SITES = 50 };

struct metrics_priv { struct arena arena; };
struct edge { uint64_t t_ns; int step; uint32_t lock; };

struct gather {
	struct run_metrics *m;
	uint8_t *is_gil; /* by lock id */
	uint64_t *interval_ns; /* switch interval, by process id */
	uint32_t *proc_of_lock;
	vec(uint64_t) waits, holds; /* durations */
	struct wait_sizes counted; /* waits without a duration of their own */
	vec(struct edge) edges;
	uint64_t wait_ns, busy_ns, held_blocked_ns, tallied_waits;
};

static int on_process(void *ctx, const struct reader_process *p)
{
	((struct gather *)ctx)->interval_ns[p->row.proc] = p->switch_interval_ns;
	return 0;
}

static int on_lock(void *ctx, const struct reader_lock *l)
{
	struct gather *g = ctx;

	g->is_gil[l->row.lock] = l->row.kind == LOCK_GIL;
	g->proc_of_lock[l->row.lock] = l->row.proc;
	return 0;
}

static int on_state(void *ctx, const struct reader_state_sum *s)
{
	struct gather *g = ctx;
	bool off = s->state == STATE_BLOCKED || s->state == STATE_SLEEP;

	if (s->state == STATE_WAIT_GIL)
		g->wait_ns += s->ns;
	if (s->state == STATE_GIL || s->state == STATE_NOGIL || s->state == STATE_RUNNABLE || s->state == STATE_WAIT_GIL)
		g->busy_ns += s->ns;
	if (off && s->held)
		g->held_blocked_ns += s->ns;
	return 0;
}

static bool counts(const struct gather *g, uint32_t lock)
{
	return lock != MODEL_NONE && g->is_gil[lock];
}

static int on_wait(void *ctx, const struct wait *w)
{
	struct gather *g = ctx;
	struct edge begin = {w->t0_ns, 1, w->lock}, end = {w->t1_ns, -1, w->lock};

	if (!counts(g, w->lock))
		return 0;
	vec_push(&g->waits, w->t1_ns - w->t0_ns);
	vec_push(&g->edges, begin);
	vec_push(&g->edges, end);
	return 0;
}

static int on_tally(void *ctx, const struct tally *t)
{
	struct gather *g = ctx;

	uint64_t sized = 0;

	if (t->state != STATE_WAIT_GIL)
		return 0;
	for (unsigned b = 0; b < EV_AGG_BUCKETS; b++) {
		g->counted.counted[b] += t->hist[b];
		sized += t->hist[b];
	}
	if (!sized)
		wait_sizes_add_mean(&g->counted, t->n, t->ns);
	g->tallied_waits += t->n;
	return 0;
}

static int on_hold(void *ctx, const struct hold *h)
{
	struct gather *g = ctx;

	/* a hold whose ends are only bounds says nothing about how long holds are */
	if (counts(g, h->lock) && !(h->flags & (HOLD_F_START_INFERRED | HOLD_F_END_INFERRED | HOLD_F_UNFINISHED)))
		vec_push(&g->holds, h->t1_ns - h->t0_ns);
	return 0;
}

static int on_loss(void *ctx, const struct reader_loss *l)
{
	((struct gather *)ctx)->m->lost_events += l->count;
	return 0;
}

static int on_own(void *ctx, const struct reader_own *o)
{
	struct run_metrics *m = ((struct gather *)ctx)->m;

	m->lost_share = o->events ? (double)o->events : 0; /* events for now, a share once losses are known */
	return 0;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->step - y->step; /* an end before a begin at the same moment */
}

static double p99_s(struct wait_sizes *sizes, uint64_t *ns, size_t n, bool *ret_from_class)
{
	qsort(ns, n, sizeof(*ns), compare_ns);
	sizes->lengths = ns;
	sizes->n = n;
	return (double)wait_quantile_ns(sizes, 99, ret_from_class) / 1e9;
}

/* Times in which at least CONVOY_THREADS wait for one lock, counted when they last a switch interval. */
static uint64_t count_convoys(struct gather *g)
{
	uint64_t convoys = 0, since_ns = 0;
	uint32_t lock = MODEL_NONE;
	int depth = 0;

	if (g->edges.n > 1)
		qsort(g->edges.items, g->edges.n, sizeof(*g->edges.items), compare_edges);
	for (size_t i = 0; i < g->edges.n; i++) {
		const struct edge *e = &g->edges.items[i];
		uint64_t least_ns;

		if (e->lock != lock) {
			lock = e->lock;
			depth = 0;
		}
		depth += e->step;
		if (e->step > 0 && depth == CONVOY_THREADS)
			since_ns = e->t_ns;
		least_ns = g->interval_ns[g->proc_of_lock[lock]];
		if (e->step < 0 && depth == CONVOY_THREADS - 1 && least_ns && e->t_ns - since_ns >= least_ns)
			convoys++;
	}
	return convoys;
}

static const char *line_text(struct arena *a, const struct summary_stack *s)
{
	char text[SITE_TEXT], function[SITE_TEXT / 3], file[SITE_TEXT / 2];

	if (!s->n)
		return "?";
	escape_to(function, sizeof(function), s->frames[0].function, strlen(s->frames[0].function));
	escape_to(file, sizeof(file), s->frames[0].file, strlen(s->frames[0].file));
	snprintf(text, sizeof(text), "%s (%s:%u)", function, file, s->frames[0].line);
	return arena_strdup(a, text);
}

/* Lines move from one version to the next, and so do directories; functions and names of files mostly stay. */
static const char *key_text(struct arena *a, const struct summary_stack *s)
{
	char text[SITE_TEXT], function[SITE_TEXT / 3], file[SITE_TEXT / 2];
	const char *path = s->n ? s->frames[0].file : "?", *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	escape_to(function, sizeof(function), s->n ? s->frames[0].function : "?", s->n ? strlen(s->frames[0].function) : 1);
	escape_to(file, sizeof(file), path, strlen(path));
	snprintf(text, sizeof(text), "%s (%s)", function, file);
	return arena_strdup(a, text);
}

static int compare_sites(const void *a, const void *b)
{
	double x = ((const struct metric_site *)a)->wait_s, y = ((const struct metric_site *)b)->wait_s;

	return (x < y) - (x > y);
}

static void gather_sites(struct run_metrics *m, const struct summary *s)
{
	struct arena *a = &m->priv->arena;
	vec(struct metric_site) sites = {0};

	for (size_t i = 0; i < s->n_processes; i++) {
		const struct summary_process *p = &s->processes[i];

		for (size_t k = 0; k < p->n_pairs && k < MAX_SITES; k++) {
			const struct summary_blame *worst = p->pairs[k].worst;
			const struct summary_stack *holder = &worst->holder;
			struct metric_site *site = vec_add(&sites);

			site->waiter = line_text(a, &worst->waiter);
			site->holder = line_text(a, holder);
			site->waiter_key = key_text(a, &worst->waiter);
			site->holder_key = key_text(a, holder);
			site->file = holder->n && holder->frames[0].resolved ? arena_strdup(a, holder->frames[0].file) : "";
			site->line = holder->n ? holder->frames[0].line : 0;
			site->wait_s = (double)p->pairs[k].ns / 1e9;
		}
	}
	if (sites.n > 1)
		qsort(sites.items, sites.n, sizeof(*sites.items), compare_sites);
	m->n_sites = sites.n;
	m->sites = arena_array(a, sites.n + 1, sizeof(*m->sites));
	if (sites.n)
		memcpy(m->sites, sites.items, sites.n * sizeof(*m->sites));
	vec_done(&sites);
}

static void note_origin(struct run_metrics *m, const struct summary *s)
{
	struct arena *a = &m->priv->arena;
	const char *runtime = s->n_processes ? s->processes[0].runtime : NULL;

	m->origin = (struct run_origin){
		.cpu_model = arena_strdup(a, s->cpu_model), .kernel = arena_strdup(a, s->kernel),
		.runtime = arena_strdup(a, runtime ? runtime : ""), .gilscope_version = arena_strdup(a, s->gilscope_version),
		.collector = arena_strdup(a, s->collector), .collector_choice = arena_strdup(a, s->collector_choice), .cpus = s->cpus,
		.sample_hz = s->sample_hz, .seen = s->estimated ? NEEDS_SUMS : !strcmp(s->collector, "bpf") ? NEEDS_SCHEDULER : NEEDS_DURATIONS,
	};
	for (unsigned i = 0; i < METRIC_N; i++)
		m->known[i] &= metric_infos[i].needs <= m->origin.seen;
}

static void set(struct run_metrics *m, enum metric metric, double value)
{
	m->value[metric] = value;
	m->known[metric] = isfinite(value);
}

static void compute(struct gather *g, const struct reader_info *info)
{
	struct run_metrics *m = g->m;
	struct wait_sizes none = {0};
	bool exact;
	double events = m->lost_share;

	m->duration_s = (double)(info->end_ns - info->start_mono_ns) / 1e9;
	m->complete = info->complete;
	m->waits = g->waits.n + g->tallied_waits;
	m->lost_share = m->lost_events ? (double)m->lost_events / (events + (double)m->lost_events) : 0;
	if (m->ops > 0)
		set(m, METRIC_WAIT_PER_OP, (double)g->wait_ns / 1e9 / m->ops);
	if (g->busy_ns)
		set(m, METRIC_WAIT_RATIO, (double)g->wait_ns / (double)g->busy_ns);
	if (g->waits.n)
		set(m, METRIC_WAIT_P99, p99_s(&g->counted, g->waits.items, g->waits.n, &m->wait_p99_about));
	if (g->holds.n)
		set(m, METRIC_HOLD_P99, p99_s(&none, g->holds.items, g->holds.n, &exact));
	if (m->duration_s > 0) {
		set(m, METRIC_CONVOY_RATE, (double)count_convoys(g) / m->duration_s);
		set(m, METRIC_HELD_BLOCKED, (double)g->held_blocked_ns / 1e9 / m->duration_s);
	}
}

static int on_begin(void *ctx, struct reader *r)
{
	struct gather *g = ctx;
	const struct reader_info *info = reader_info(r);
	int err;

	g->is_gil = xcalloc((size_t)info->locks + 1, 1);
	g->proc_of_lock = xcalloc((size_t)info->locks + 1, sizeof(*g->proc_of_lock));
	g->interval_ns = xcalloc((size_t)info->procs + 1, sizeof(*g->interval_ns));
	err = reader_processes(r, on_process, g);
	return err ? err : reader_locks(r, on_lock, g);
}

/* What the summary's scans leave behind, and small tables. */
static int gather_sums(struct gather *g, struct reader *r)
{
	int err;

	if ((err = reader_state_sums(r, on_state, g)) || (err = reader_own(r, on_own, g)))
		return err;
	return reader_losses(r, on_loss, g);
}

static void gather_done(struct gather *g)
{
	free(g->is_gil);
	free(g->proc_of_lock);
	free(g->interval_ns);
	vec_done(&g->waits);
	vec_done(&g->holds);
	vec_done(&g->edges);
}

int metrics_of_recording(struct run_metrics *ret, const char *path, double ops, struct fail *why)
{
	struct gather g = {.m = ret};
	const struct row_tap tap = {.ctx = &g, .begin = on_begin, .wait = on_wait, .hold = on_hold, .tally = on_tally};
	struct summary *s = NULL;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->ops = ops;
	ret->priv = xcalloc(1, sizeof(*ret->priv));
	err = summary_load_tapped(&s, path, &tap, why);
	if (!err && (err = gather_sums(&g, summary_reader(s))))
		*why = *reader_failure(summary_reader(s));
	if (!err) {
		compute(&g, reader_info(summary_reader(s)));
		gather_sites(ret, s);
		note_origin(ret, s);
	}
	gather_done(&g);
	summary_free(s);
	if (err)
		metrics_done(ret);
	return err;
}

void metrics_done(struct run_metrics *m)
{
	if (m->priv)
		arena_done(&m->priv->arena);
	free(m->priv);
	memset(m, 0, sizeof(*m));
}
