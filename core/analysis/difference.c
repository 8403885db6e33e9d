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

struct entry {
	struct difference_row row;
	UT_hash_handle hh;
	char key[];
};

struct matching {
	struct arena *arena;
	struct entry *entries;
};

static struct difference_row *find(struct matching *m, const char *name, const char *holder)
{
	autostrbuf key = STRBUF_INIT;
	struct entry *e;

	strbuf_adds(&key, name);
	strbuf_addc(&key, '\n'); /* never in escaped text */
	strbuf_adds(&key, holder ? holder : "");
	HASH_FIND(hh, m->entries, key.s, key.n, e);
	if (!e) {
		e = arena_alloc(m->arena, sizeof(*e) + key.n + 1);
		memcpy(e->key, key.s, key.n);
		e->row.name = arena_strdup(m->arena, name);
		e->row.holder = holder ? arena_strdup(m->arena, holder) : NULL;
		e->row.base.utilisation = e->row.head.utilisation = -1;
		HASH_ADD_KEYPTR(hh, m->entries, e->key, key.n, e);
	}
	return &e->row;
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

static struct difference_rows finish(struct matching *m)
{
	struct difference_rows rows = {0};
	struct entry *e, *next;

	rows.items = arena_array(m->arena, HASH_COUNT(m->entries) + 1, sizeof(*rows.items));
	HASH_ITER(hh, m->entries, e, next) {
		HASH_DEL(m->entries, e);
		rows.items[rows.n++] = e->row;
	}
	if (rows.n > 1)
		qsort(rows.items, rows.n, sizeof(*rows.items), compare_rows);
	return rows;
}

static void add(struct difference_side *s, double wait_ns, double waits, double p99_ns, double units)
{
	s->there = true;
	s->wait += wait_ns / 1e9 / units;
	s->waits += waits / units;
	s->p99_s = fmax(s->p99_s, p99_ns / 1e9);
}

static struct difference_side *side(struct difference_row *r, bool head)
{
	return head ? &r->head : &r->base;
}

static void shown(char *ret, size_t size, const char *raw)
{
	escape_to(ret, size, raw, strnlen(raw, size));
}

static void add_threads(struct matching *m, const struct summary_process *p, bool head, double units)
{
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct summary_thread *t = &p->threads[i];
		struct difference_side *s;
		char name[200];

		shown(name, sizeof(name), t->name);
		s = side(find(m, name, NULL), head);
		add(s, (double)t->waits.ns, (double)t->waits.n, (double)t->waits.p99_ns, units);
		s->caused += (double)t->caused_ns / 1e9 / units;
	}
}

static void add_locks(struct matching *m, const struct summary_process *p, bool head, double units)
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
		s = side(find(m, name, NULL), head);
		add(s, (double)k->waits.ns, (double)k->waits.n, (double)k->waits.p99_ns, units);
		if (k->utilisation_known)
			s->utilisation = fmax(s->utilisation, k->utilisation);
	}
}

static const char *function_of(const struct summary_stack *s, char *buf, size_t size)
{
	if (!s->n)
		return "(no Python stack)";
	shown(buf, size, s->frames[0].function);
	return buf;
}

static void add_pairs(struct matching *m, const struct summary_process *p, bool head, double units)
{
	for (size_t i = 0; i < p->n_pairs; i++) {
		const struct summary_pair *pair = &p->pairs[i];
		char waiter[200], holder[200];
		struct difference_row *r = find(m, function_of(&pair->worst->waiter, waiter, sizeof(waiter)),
						function_of(&pair->worst->holder, holder, sizeof(holder)));

		add(side(r, head), (double)pair->ns, 0, 0, units);
	}
}

static void add_total(struct difference_side *s, const struct summary_process *p, double units)
{
	for (size_t i = 0; i < p->n_locks; i++)
		if (p->locks[i].kind == LOCK_GIL)
			add(s, (double)p->locks[i].waits.ns, (double)p->locks[i].waits.n, (double)p->locks[i].waits.p99_ns, units);
}

static void add_summary(struct matching m[3], struct difference_side *total, const struct summary *s, bool head, double units)
{
	total->utilisation = -1;
	for (size_t i = 0; i < s->n_processes; i++) {
		const struct summary_process *p = &s->processes[i];

		add_threads(&m[0], p, head, units);
		add_locks(&m[1], p, head, units);
		add_pairs(&m[2], p, head, units);
		add_total(total, p, units);
		if (p->gil && p->gil->utilisation_known)
			total->utilisation = fmax(total->utilisation, p->gil->utilisation);
	}
}

void difference_make(struct difference *ret, const struct summary *base, const struct summary *head, double base_ops, double head_ops)
{
	struct matching m[3] = {{&ret->arena, NULL}, {&ret->arena, NULL}, {&ret->arena, NULL}};

	memset(ret, 0, sizeof(*ret));
	ret->per_op = base_ops > 0 && head_ops > 0;
	ret->base_units = ret->per_op ? base_ops : fmax((double)base->duration_ns / 1e9, 1e-9);
	ret->head_units = ret->per_op ? head_ops : fmax((double)head->duration_ns / 1e9, 1e-9);
	add_summary(m, &ret->base, base, false, ret->base_units);
	add_summary(m, &ret->head, head, true, ret->head_units);
	ret->threads = finish(&m[0]);
	ret->locks = finish(&m[1]);
	ret->pairs = finish(&m[2]);
}

void difference_done(struct difference *d)
{
	arena_done(&d->arena);
	memset(d, 0, sizeof(*d));
}
