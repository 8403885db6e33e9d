/* From a recording to a summary: opens the reader, runs the passes in their order, turns what the loader gathered by
 * id into sorted arrays by process, makes each thread's states a partition of its life, and asks for the findings. */
#include "core/analysis/summary.h"

#include <stdlib.h>
#include <string.h>

#include "core/analysis/findings.h"
#include "core/analysis/summary_priv.h"
#include "core/util/xalloc.h"

const char *const severity_names[SEVERITY_N] = {"info", "warning", "critical"};
const char *const certainty_names[CERTAINTY_N] = {"measured", "inferred", "sampled"};

static uint64_t sum_states(const struct summary_thread *t)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < STATE_N; i++)
		ns += t->state_ns[i];
	return ns;
}

static uint64_t take(uint64_t *from, uint64_t want)
{
	uint64_t taken = *from < want ? *from : want;

	*from -= taken;
	return taken;
}

/* What no row speaks of is unknown.  Stretches that were only counted lie inside time that is otherwise concluded to
 * be running, so an excess comes out of what is unknown, then of what is inferred. */
static void make_partition(struct load_thread *lt)
{
	static const enum thread_state inferred[] = {STATE_NOGIL, STATE_GIL, STATE_RUNNABLE};
	struct summary_thread *t = lt->thread;
	uint64_t life, sum = sum_states(t), excess;

	if (t->last_ns < t->first_ns)
		t->last_ns = t->first_ns;
	life = t->last_ns - t->first_ns;
	if (sum <= life) {
		t->state_ns[STATE_UNKNOWN] += life - sum;
		return;
	}
	excess = sum - life;
	excess -= take(&t->state_ns[STATE_UNKNOWN], excess);
	for (unsigned i = 0; i < sizeof(inferred) / sizeof(inferred[0]); i++) {
		enum thread_state state = inferred[i];
		uint64_t spare = lt->inferred_ns[state] < excess ? lt->inferred_ns[state] : excess;
		uint64_t taken = take(&t->state_ns[state], spare);

		excess -= taken;
		if (state == STATE_GIL)
			t->held_ns -= taken < t->held_ns ? taken : t->held_ns;
	}
}

static int compare_threads(const void *pa, const void *pb)
{
	const struct summary_thread *a = pa, *b = pb;

	if (a->waits.ns != b->waits.ns)
		return a->waits.ns < b->waits.ns ? 1 : -1;
	if (a->held_ns != b->held_ns)
		return a->held_ns < b->held_ns ? 1 : -1;
	return (a->thread > b->thread) - (a->thread < b->thread);
}

static int compare_locks(const void *pa, const void *pb)
{
	const struct summary_lock *a = pa, *b = pb;

	if (a->kind != b->kind)
		return a->kind == LOCK_GIL ? -1 : b->kind == LOCK_GIL ? 1 : (a->kind > b->kind) - (a->kind < b->kind);
	if (a->waits.ns != b->waits.ns)
		return a->waits.ns < b->waits.ns ? 1 : -1;
	if (a->held_ns != b->held_ns)
		return a->held_ns < b->held_ns ? 1 : -1;
	return (a->lock > b->lock) - (a->lock < b->lock);
}

static int compare_long_holds(const void *pa, const void *pb)
{
	const struct summary_long_hold *a = pa, *b = pb;

	if (a->excess_ns != b->excess_ns)
		return a->excess_ns < b->excess_ns ? 1 : -1;
	return (a->max_ns < b->max_ns) - (a->max_ns > b->max_ns);
}

static int compare_long_hold_lines(const void *pa, const void *pb)
{
	const struct summary_long_hold *a = pa, *b = pb;
	int c = summary_compare_leaf(&a->stack, &b->stack);

	if (c || a->stack.n == 0)
		return c;
	if (a->stack.frames->line != b->stack.frames->line)
		return a->stack.frames->line < b->stack.frames->line ? -1 : 1;
	return compare_long_holds(a, b); /* the costliest stack of a line first: it stands for all */
}

static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(items, n, size, compare);
}

/* Each process's rows side by side: counted first, then copied. */
static void gather_threads(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_threads; i++)
		if (l->threads[i].thread)
			l->procs[l->threads[i].proc].process.n_threads++;
	for (uint32_t i = 0; i < l->n_procs; i++) {
		struct summary_process *p = &l->procs[i].process;

		p->threads = arena_array(l->arena, p->n_threads, sizeof(*p->threads));
		p->n_threads = 0;
	}
	for (uint32_t i = 0; i < l->n_threads; i++) {
		struct summary_process *p;

		if (!l->threads[i].thread)
			continue;
		make_partition(&l->threads[i]);
		p = &l->procs[l->threads[i].proc].process;
		p->threads[p->n_threads++] = *l->threads[i].thread;
		p->life_ns += l->threads[i].thread->last_ns - l->threads[i].thread->first_ns;
	}
}

static void gather_locks(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_locks; i++)
		if (l->locks[i].lock)
			l->procs[l->locks[i].proc].process.n_locks++;
	for (uint32_t i = 0; i < l->n_procs; i++) {
		struct summary_process *p = &l->procs[i].process;

		p->locks = arena_array(l->arena, p->n_locks, sizeof(*p->locks));
		p->n_locks = 0;
	}
	for (uint32_t i = 0; i < l->n_locks; i++) {
		struct summary_process *p;

		if (!l->locks[i].lock)
			continue;
		p = &l->procs[l->locks[i].proc].process;
		p->locks[p->n_locks] = *l->locks[i].lock;
		p->locks[p->n_locks++].first_stack = summary_stack(l, l->locks[i].first_stack);
	}
}

/* Sorted by line; what is on the same one becomes one. */
static void merge_long_holds(struct summary_process *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_long_holds; i++) {
		struct summary_long_hold *h = &p->long_holds[i], *last = kept ? &p->long_holds[kept - 1] : NULL;

		if (!last || !summary_same_line(&last->stack, &h->stack)) {
			p->long_holds[kept++] = *h;
			continue;
		}
		last->n += h->n;
		last->excess_ns += h->excess_ns;
		if (h->max_ns > last->max_ns) {
			last->max_ns = h->max_ns;
			last->place = h->place;
		}
	}
	p->n_long_holds = kept;
}

static void gather_long_holds(struct loader *l, struct load_proc *lp)
{
	struct summary_process *p = &lp->process;
	struct load_long_hold *h, *next;

	p->long_holds = arena_array(l->arena, HASH_COUNT(lp->long_holds), sizeof(*p->long_holds));
	HASH_ITER(hh, lp->long_holds, h, next)
		p->long_holds[p->n_long_holds++] = (struct summary_long_hold){
			.stack = summary_stack(l, h->stack), .n = h->n, .excess_ns = h->excess_ns, .max_ns = h->max_ns,
			.place = h->place,
		};
	sort(p->long_holds, p->n_long_holds, sizeof(*p->long_holds), compare_long_hold_lines);
	merge_long_holds(p);
	sort(p->long_holds, p->n_long_holds, sizeof(*p->long_holds), compare_long_holds);
}

/* A recording of sums only has no holds; then what the threads held tells how full the only GIL was. */
static void set_gil(const struct summary *s, struct summary_process *p)
{
	size_t gils = 0;
	uint64_t held_ns = 0;

	while (gils < p->n_locks && p->locks[gils].kind == LOCK_GIL)
		p->gil_wait_ns += p->locks[gils++].waits.ns;
	p->gil = gils ? &p->locks[0] : NULL;
	for (size_t i = 0; i < p->n_threads; i++)
		held_ns += p->threads[i].held_ns;
	if (gils != 1 || p->locks[0].held_ns || !s->duration_ns)
		return;
	p->locks[0].held_ns = held_ns < s->duration_ns ? held_ns : s->duration_ns;
	p->locks[0].utilisation = (double)p->locks[0].held_ns / (double)s->duration_ns;
}

static void gather_process(struct loader *l, struct load_proc *lp)
{
	struct summary_process *p = &lp->process;

	sort(p->threads, p->n_threads, sizeof(*p->threads), compare_threads);
	sort(p->locks, p->n_locks, sizeof(*p->locks), compare_locks);
	set_gil(l->s, p);
	summary_others(l, lp);
	p->n_blame = lp->blame.n;
	p->blame = arena_array(l->arena, p->n_blame, sizeof(*p->blame));
	if (p->n_blame)
		memcpy(p->blame, lp->blame.items, p->n_blame * sizeof(*p->blame));
	gather_long_holds(l, lp);
	summary_pairs(l, p);
	summary_what_if(l, p);
	findings_find(l->s, p, l->arena);
}

static void gather(struct loader *l)
{
	struct summary *s = l->s;

	gather_threads(l);
	gather_locks(l);
	s->n_levels = l->levels.n;
	s->levels = arena_array(l->arena, s->n_levels, sizeof(*s->levels));
	if (s->n_levels)
		memcpy(s->levels, l->levels.items, s->n_levels * sizeof(*s->levels));
	s->n_notes = l->notes.n;
	s->notes = arena_array(l->arena, s->n_notes, sizeof(*s->notes));
	if (s->n_notes)
		memcpy(s->notes, l->notes.items, s->n_notes * sizeof(*s->notes));
	s->processes = arena_array(l->arena, l->n_procs, sizeof(*s->processes));
	for (uint32_t i = 0; i < l->n_procs; i++) {
		if (!l->procs[i].known)
			continue;
		gather_process(l, &l->procs[i]);
		s->estimated |= l->procs[i].process.estimated;
		s->processes[s->n_processes++] = l->procs[i].process;
	}
}

static void loader_init(struct loader *l, struct summary *s, struct reader *r)
{
	const struct reader_info *info = reader_info(r);

	*l = (struct loader){
		.s = s, .r = r, .arena = &s->priv->arena, .start_ns = info->start_mono_ns,
		.n_procs = info->procs, .n_threads = info->threads, .n_locks = info->locks,
	};
	l->procs = xcalloc(l->n_procs, sizeof(*l->procs));
	l->threads = xcalloc(l->n_threads, sizeof(*l->threads));
	l->locks = xcalloc(l->n_locks, sizeof(*l->locks));
}

static void loader_done(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_locks; i++) {
		span_union_done(&l->locks[i].held);
		span_union_done(&l->locks[i].waiting);
		span_union_done(&l->locks[i].gc);
		vec_done(&l->locks[i].long_holds);
		hold_log_done(&l->locks[i].log);
		worst_window_done(&l->locks[i].waited);
		worst_window_done(&l->locks[i].forced);
	}
	for (uint32_t i = 0; i < l->n_procs; i++) {
		HASH_CLEAR(hh, l->procs[i].long_holds);
		summary_others_done(&l->procs[i]);
		vec_done(&l->procs[i].blame);
		vec_done(&l->procs[i].stalls);
	}
	free(l->procs);
	free(l->threads);
	free(l->locks);
	vec_done(&l->uses);
	lock_words_done(&l->words);
	vec_done(&l->levels);
	vec_done(&l->notes);
}

static void set_info(struct summary *s, const struct reader_info *info)
{
	s->path = info->path;
	s->gilscope_version = info->gilscope_version;
	s->collector = info->collector;
	s->collector_choice = info->collector_choice;
	s->host = info->host;
	s->kernel = info->kernel;
	s->cpu_model = info->cpu_model;
	s->cpus = info->cpus;
	s->sample_hz = info->sample_hz;
	s->start_real_ns = info->start_real_ns;
	s->duration_ns = info->end_ns > info->start_mono_ns ? info->end_ns - info->start_mono_ns : 0;
	s->complete = info->complete;
	s->write_error = info->write_error;
	s->torn_stacks = info->torn_stacks;
	s->truncated_stacks = info->truncated_stacks;
	s->missing_stacks = info->missing_stacks;
}

static int read_tapped(struct summary **ret, struct reader *r, const struct row_tap *tap, struct fail *why)
{
	struct summary *s = xcalloc(1, sizeof(*s));
	struct loader l;
	int err;

	s->priv = xcalloc(1, sizeof(*s->priv));
	s->priv->reader = r;
	set_info(s, reader_info(r));
	loader_init(&l, s, r);
	reader_sum_along(r);
	l.tap = tap;
	err = summary_rows_load(&l);
	err = err ? err : summary_family_load(&l);
	err = err ? err : summary_waits_load(&l);
	err = err ? err : summary_sums_load(&l);
	err = err ? err : summary_blame_load(&l);
	err = err ? err : summary_stalls_load(&l);
	if (!err)
		gather(&l);
	loader_done(&l);
	if (err) {
		*why = *reader_failure(r);
		summary_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

int summary_read(struct summary **ret, struct reader *r, struct fail *why)
{
	return read_tapped(ret, r, NULL, why);
}

int summary_load_tapped(struct summary **ret, const char *path, const struct row_tap *tap, struct fail *why)
{
	struct reader *r;
	int err = reader_open(path, &r, why);

	return err ? err : read_tapped(ret, r, tap, why);
}

int summary_load(struct summary **ret, const char *path, struct fail *why)
{
	return summary_load_tapped(ret, path, NULL, why);
}

struct reader *summary_reader(const struct summary *s)
{
	return s->priv->reader;
}

void summary_free(struct summary *s)
{
	if (!s)
		return;
	HASH_CLEAR(hh, s->priv->stacks);
	HASH_CLEAR(hh, s->priv->lines);
	arena_done(&s->priv->arena);
	reader_close(s->priv->reader);
	free(s->priv);
	free(s);
}
