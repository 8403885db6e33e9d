/* See difference.h. */
#include "core/analysis/difference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"

static const double NOTHING_S = 1e-6; /* per second of running */

struct entry {
	struct difference_row row;
	UT_hash_handle hh;
	char key[];
};

struct matching {
	struct arena *arena;
	struct entry *entries;
};
struct difference_priv { struct matching threads, locks, pairs; };
struct thing { const char *name, *file; }; /* file: the last part, "" of what has none */

static void add_key(struct strbuf *key, const struct thing *t)
{
	strbuf_adds(key, t->name);
	strbuf_addc(key, '\n'); /* never in escaped text */
	strbuf_adds(key, t->file);
	strbuf_addc(key, '\n');
}

static struct difference_row *find(struct matching *m, const struct thing *what, const struct thing *holder)
{
	autostrbuf key = STRBUF_INIT;
	struct entry *e;

	add_key(&key, what);
	if (holder)
		add_key(&key, holder);
	HASH_FIND(hh, m->entries, key.s, key.n, e);
	if (!e) {
		e = arena_alloc(m->arena, sizeof(*e) + key.n + 1);
		memcpy(e->key, key.s, key.n);
		e->row.name = arena_strdup(m->arena, what->name);
		e->row.holder = holder ? arena_strdup(m->arena, holder->name) : NULL;
		e->row.base.utilisation = e->row.head.utilisation = -1;
		HASH_ADD_KEYPTR(hh, m->entries, e->key, key.n, e);
	}
	return &e->row;
}

static struct difference_row *find_named(struct matching *m, const char *name)
{
	return find(m, &(struct thing){name, ""}, NULL);
}

static double change(const struct difference_row *r)
{
	return fabs(r->head.wait - r->base.wait);
}

static int compare_rows(const void *a, const void *b)
{
	const struct difference_row *x = a, *y = b;

	if (change(x) != change(y))
		return change(x) < change(y) ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void scale(struct difference_side *s, double units)
{
	s->wait /= units;
	s->waits /= units;
	s->caused /= units;
}

static struct difference_rows finish(struct matching *m, const struct difference *d)
{
	struct difference_rows rows = {0};
	struct entry *e, *next;

	rows.items = arena_array(m->arena, HASH_COUNT(m->entries) + 1, sizeof(*rows.items));
	HASH_ITER(hh, m->entries, e, next) {
		HASH_DEL(m->entries, e);
		scale(&e->row.base, d->base_units);
		scale(&e->row.head, d->head_units);
		rows.items[rows.n++] = e->row;
	}
	if (rows.n > 1)
		qsort(rows.items, rows.n, sizeof(*rows.items), compare_rows);
	return rows;
}

static void add(struct difference_side *s, uint64_t wait_ns, uint64_t waits, uint64_t p99_ns)
{
	s->there = true;
	s->wait += (double)wait_ns / 1e9;
	s->waits += (double)waits;
	s->p99_s = fmax(s->p99_s, (double)p99_ns / 1e9);
}

static struct difference_side *side(struct difference_row *r, bool head)
{
	return head ? &r->head : &r->base;
}

static void shown(char *ret, size_t size, const char *raw)
{
	escape_to(ret, size, raw, strnlen(raw, size));
}

static void add_threads(struct matching *m, const struct summary_process *p, bool head)
{
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct summary_thread *t = &p->threads[i];
		struct difference_side *s;
		char name[200];

		shown(name, sizeof(name), t->name);
		s = side(find_named(m, name), head);
		add(s, t->waits.ns, t->waits.n, t->waits.p99_ns);
		s->caused += (double)t->caused_ns / 1e9;
	}
}

static void add_locks(struct matching *m, const struct summary_process *p, bool head)
{
	for (size_t i = 0; i < p->n_locks; i++) {
		const struct summary_lock *k = &p->locks[i];
		struct difference_side *s;
		char name[300], function[200];

		if (k->kind == LOCK_GIL && k->interp_id > 0)
			snprintf(name, sizeof(name), "GIL %lld", (long long)k->interp_id);
		else if (k->kind == LOCK_GIL)
			snprintf(name, sizeof(name), "GIL");
		else if (k->first_stack.n) {
			shown(function, sizeof(function), k->first_stack.frames[0].function);
			snprintf(name, sizeof(name), "lock of %s", function);
		} else {
			snprintf(name, sizeof(name), "another lock");
		}
		s = side(find_named(m, name), head);
		add(s, k->waits.ns, k->waits.n, k->waits.p99_ns);
		if (k->utilisation_known)
			s->utilisation = fmax(s->utilisation, k->utilisation);
	}
}

/* A function and its place, as texts. */
struct place { char function[200], file[200], at[400]; };

static struct thing place_of(struct place *ret, const struct summary_stack *s)
{
	const char *slash;

	*ret->file = *ret->at = '\0';
	if (!s->n)
		return (struct thing){"(no Python stack)", ""};
	shown(ret->function, sizeof(ret->function), s->frames[0].function);
	if (s->frames[0].resolved) {
		slash = strrchr(s->frames[0].file, '/');
		shown(ret->file, sizeof(ret->file), slash ? slash + 1 : s->frames[0].file);
		shown(ret->at, sizeof(ret->at) - 12, s->frames[0].file);
		snprintf(ret->at + strlen(ret->at), 12, ":%u", s->frames[0].line);
	}
	return (struct thing){ret->function, ret->file};
}

static void add_pairs(struct matching *m, const struct summary_process *p, bool head)
{
	for (size_t i = 0; i < p->n_pairs; i++) {
		const struct summary_pair *pair = &p->pairs[i];
		struct place waiter, holder;
		struct thing what = place_of(&waiter, &pair->worst->waiter), by = place_of(&holder, &pair->worst->holder);
		struct difference_side *s = side(find(m, &what, &by), head);

		add(s, pair->ns, 0, 0);
		if (!s->waiter_at && *waiter.at)
			s->waiter_at = arena_strdup(m->arena, waiter.at);
		if (!s->holder_at && *holder.at)
			s->holder_at = arena_strdup(m->arena, holder.at);
	}
}

static void add_total(struct difference_side *s, const struct summary_process *p)
{
	for (size_t i = 0; i < p->n_locks; i++)
		if (p->locks[i].kind == LOCK_GIL)
			add(s, p->locks[i].waits.ns, p->locks[i].waits.n, p->locks[i].waits.p99_ns);
	if (p->gil && p->gil->utilisation_known)
		s->utilisation = fmax(s->utilisation, p->gil->utilisation);
}

static const char *keep(struct arena *a, const char *raw)
{
	char text[400];

	shown(text, sizeof(text), raw ? raw : "");
	return arena_strdup(a, text);
}

static void add_run(struct difference_runs *r, struct arena *a, const struct summary *s, double ops)
{
	if (!r->n) {
		r->path = keep(a, s->path);
		r->runtime = keep(a, s->n_processes ? s->processes[0].runtime : NULL);
		r->kernel = keep(a, s->kernel);
		r->cpu_model = keep(a, s->cpu_model);
		r->collector = keep(a, s->collector);
		r->cpus = s->cpus;
	}
	r->ops = ops > 0 && (r->ops > 0 || !r->n) ? r->ops + ops : 0;
	r->seconds += (double)s->duration_ns / 1e9;
	r->lost_events += s->lost_events;
	r->cut_off += !s->complete;
	r->n++;
}

void difference_start(struct difference *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->priv = arena_alloc(&ret->arena, sizeof(*ret->priv));
	ret->priv->threads.arena = ret->priv->locks.arena = ret->priv->pairs.arena = &ret->arena;
	ret->base.utilisation = ret->head.utilisation = -1;
}

void difference_add(struct difference *d, const struct summary *s, bool head, double ops)
{
	add_run(head ? &d->head_runs : &d->base_runs, &d->arena, s, ops);
	for (size_t i = 0; i < s->n_processes; i++) {
		const struct summary_process *p = &s->processes[i];

		add_threads(&d->priv->threads, p, head);
		add_locks(&d->priv->locks, p, head);
		add_pairs(&d->priv->pairs, p, head);
		add_total(head ? &d->head : &d->base, p);
	}
}

const char *const change_names[CHANGE_N] = {
	[CHANGE_NONE] = "none", [CHANGE_NEW] = "new", [CHANGE_GONE] = "gone", [CHANGE_MORE] = "more", [CHANGE_LESS] = "less", [CHANGE_SAME] = "same",
};

enum change difference_change(double base, double head, double nothing)
{
	static const double same = 0.1;

	if (base < nothing)
		return head < nothing ? CHANGE_NONE : CHANGE_NEW;
	if (head < nothing)
		return CHANGE_GONE;
	return head > base * (1 + same) ? CHANGE_MORE : head < base * (1 - same) ? CHANGE_LESS : CHANGE_SAME;
}

static bool ops_known(const struct difference_runs *r)
{
	return !r->n || r->ops > 0;
}

void difference_finish(struct difference *d)
{
	d->per_op = ops_known(&d->base_runs) && ops_known(&d->head_runs);
	d->base_units = fmax(d->per_op ? d->base_runs.ops : d->base_runs.seconds, 1e-9);
	d->head_units = fmax(d->per_op ? d->head_runs.ops : d->head_runs.seconds, 1e-9);
	d->nothing = NOTHING_S * fmax(d->base_runs.seconds / d->base_units, d->head_runs.seconds / d->head_units);
	scale(&d->base, d->base_units);
	scale(&d->head, d->head_units);
	d->threads = finish(&d->priv->threads, d);
	d->locks = finish(&d->priv->locks, d);
	d->pairs = finish(&d->priv->pairs, d);
}

void difference_done(struct difference *d)
{
	if (d->priv) {
		HASH_CLEAR(hh, d->priv->threads.entries);
		HASH_CLEAR(hh, d->priv->locks.entries);
		HASH_CLEAR(hh, d->priv->pairs.entries);
	}
	arena_done(&d->arena);
	memset(d, 0, sizeof(*d));
}
