/* See stack_difference.h.  Waiting comes from the summary's blame, which adds up to all of it: what has no stack is a frame of its
 * own, so that totals stay whole.  A stack is cut at MAX_DEPTH, which also bounds every walk of the tree. */
#include "core/analysis/stack_difference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/analysis/summary.h"
#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

enum { MAX_DEPTH = EV_MAX_FRAMES + 1, NAME = 200, AT = 400 };

/* A text that was seen, once: its address stands for it. */
struct text_entry {
	UT_hash_handle hh;
	char text[];
};
struct child_key { const struct stack_node *parent; const char *function, *file; };
struct child_entry {
	struct child_key key;
	struct stack_node node;
	UT_hash_handle hh;
};
struct function_entry {
	struct child_key key; /* without a parent */
	struct stack_function function;
	UT_hash_handle hh;
};

struct stack_priv {
	struct text_entry *texts;
	struct child_entry *children;
};

struct adding {
	struct stack_difference *d;
	const struct summary *s;
	bool head;
	double sample_s;
};

static const char *intern(struct stack_difference *d, const char *text)
{
	size_t n = strlen(text);
	struct text_entry *e;

	HASH_FIND(hh, d->priv->texts, text, n, e);
	if (!e) {
		e = arena_alloc(&d->arena, sizeof(*e) + n + 1);
		memcpy(e->text, text, n + 1);
		HASH_ADD_KEYPTR(hh, d->priv->texts, e->text, n, e);
	}
	return e->text;
}

static double *of(struct stack_time *t, bool head)
{
	return head ? &t->head : &t->base;
}

static struct stack_node *child(struct adding *a, struct stack_node *parent, const char *function, const char *file)
{
	struct child_key key = {parent, intern(a->d, function), intern(a->d, file)};
	struct child_entry *e;

	HASH_FIND(hh, a->d->priv->children, &key, sizeof(key), e);
	if (!e) {
		e = arena_alloc(&a->d->arena, sizeof(*e));
		e->key = key;
		e->node = (struct stack_node){.function = key.function, .file = key.file, .at = "", .next = parent->first};
		parent->first = &e->node;
		HASH_ADD(hh, a->d->priv->children, key, sizeof(key), e);
	}
	return &e->node;
}

/* The line that is shown is the first one seen of head, else of base. */
static void place(struct adding *a, struct stack_node *n, const char *file, uint32_t line)
{
	char at[AT];

	if (n->of_head || (!a->head && *n->at))
		return;
	escape_to(at, sizeof(at) - 12, file, strlen(file));
	snprintf(at + strlen(at), 12, ":%u", line);
	n->at = intern(a->d, at);
	n->of_head = a->head;
}

static struct stack_node *step(struct adding *a, struct stack_node *parent, const struct summary_frame *f)
{
	char function[NAME], file[NAME] = "";
	const char *slash = strrchr(f->file, '/'), *last = slash ? slash + 1 : f->file;
	struct stack_node *n;

	if (!f->resolved)
		return child(a, parent, "(unreadable code)", "");
	escape_to(function, sizeof(function), f->function, strlen(f->function));
	escape_to(file, sizeof(file), last, strlen(last));
	n = child(a, parent, function, file);
	place(a, n, f->file, f->line);
	return n;
}

/* leaf: below the innermost frame, NULL none. */
static void add_stack(struct adding *a, enum stack_graph graph, const struct summary_stack *s, const char *leaf, double seconds)
{
	struct stack_node *n = &a->d->roots[graph];
	unsigned depth = s->n < MAX_DEPTH - 1 ? s->n : MAX_DEPTH - 1;

	*of(&n->all, a->head) += seconds;
	for (unsigned i = 0; i < depth; i++) {
		n = step(a, n, &s->frames[s->n - 1 - i]);
		*of(&n->all, a->head) += seconds;
	}
	if (!s->n || leaf) {
		n = child(a, n, leaf ? leaf : "(no Python stack)", "");
		*of(&n->all, a->head) += seconds;
	}
	*of(&n->own, a->head) += seconds;
}

static const char *leaf_of(const struct summary_blame *b, char ret[64])
{
	const char *name = b->state == HOLDER_BLOCKED && b->nr >= 0 ? syscall_name(b->nr) : NULL;

	if (b->state == HOLDER_PREEMPTED)
		return "[preempted]";
	if (b->state == HOLDER_UNKNOWN)
		return "[holder unknown]";
	if (b->state != HOLDER_BLOCKED)
		return NULL;
	if (!name)
		return "[blocked]";
	snprintf(ret, 64, "[%s]", name);
	return ret;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void add_waiting(struct adding *a, const struct summary_process *p)
{
	uint32_t *gils = xcalloc(p->n_locks + 1, sizeof(*gils));
	size_t n = 0;
	char name[64];

	for (size_t i = 0; i < p->n_locks; i++)
		if (p->locks[i].kind == LOCK_GIL)
			gils[n++] = p->locks[i].lock;
	qsort(gils, n, sizeof(*gils), compare_ids);
	for (size_t i = 0; i < p->n_blame; i++) {
		const struct summary_blame *b = &p->blame[i];
		bool gil = bsearch(&b->lock, gils, n, sizeof(*gils), compare_ids);

		add_stack(a, gil ? STACKS_WAIT : STACKS_LOCKS, &b->waiter, NULL, (double)b->ns / 1e9);
		if (gil)
			add_stack(a, STACKS_HOLD, &b->holder, leaf_of(b, name), (double)b->ns / 1e9);
	}
	free(gils);
}

static int on_samples(void *ctx, const struct reader_sample_sum *sum)
{
	struct adding *a = ctx;
	const struct reader_frame *frames;
	struct summary_frame copy[MAX_DEPTH];
	unsigned flags, n = reader_stack_whole(summary_reader(a->s), sum->stack, &frames, &flags), skipped = n > MAX_DEPTH ? n - MAX_DEPTH : 0;

	for (unsigned i = skipped; i < n; i++)
		copy[i - skipped] = (struct summary_frame){frames[i].function, frames[i].file, frames[i].line, frames[i].resolved};
	add_stack(a, sum->state == STATE_GIL ? STACKS_GIL : STACKS_NOGIL, &(struct summary_stack){.frames = copy, .n = n - skipped}, NULL,
		  (double)sum->n * a->sample_s);
	return 0;
}

void stack_difference_start(struct stack_difference *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->priv = arena_alloc(&ret->arena, sizeof(*ret->priv));
	for (unsigned g = 0; g < STACKS_N; g++)
		ret->roots[g] = (struct stack_node){.function = "all", .file = "", .at = ""};
}

int stack_difference_add(struct stack_difference *d, const struct summary *s, bool head, struct fail *why)
{
	struct adding a = {.d = d, .s = s, .head = head, .sample_s = s->sample_hz ? 1.0 / s->sample_hz : 0};
	int err;

	for (size_t i = 0; i < s->n_processes; i++)
		add_waiting(&a, &s->processes[i]);
	err = reader_sample_sums(summary_reader(s), on_samples, &a);
	if (err)
		*why = *reader_failure(summary_reader(s));
	return err;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct stack_node *x = *(struct stack_node *const *)a, *y = *(struct stack_node *const *)b;
	int by = strcmp(x->function, y->function);

	return by ? by : strcmp(x->file, y->file);
}

static void sort_children(struct stack_node *n)
{
	vec(struct stack_node *) children = {0};
	struct stack_node **at = &n->first;

	for (struct stack_node *c = n->first; c; c = c->next)
		vec_push(&children, c);
	vec_sort(&children, compare_nodes);
	for (size_t i = 0; i < children.n; i++) {
		*at = children.items[i];
		at = &children.items[i]->next;
	}
	*at = NULL;
	vec_done(&children);
}

struct finishing { struct stack_difference *d; double base_units, head_units; struct function_entry *functions; };

static void add_function(struct finishing *f, const struct stack_node *n)
{
	struct child_key key = {NULL, n->function, n->file};
	struct function_entry *e;

	if (!(n->own.base > 0) && !(n->own.head > 0))
		return;
	HASH_FIND(hh, f->functions, &key, sizeof(key), e);
	if (!e) {
		e = arena_alloc(&f->d->arena, sizeof(*e));
		e->key = key;
		e->function = (struct stack_function){.function = n->function, .file = n->file, .at = n->at};
		HASH_ADD(hh, f->functions, key, sizeof(key), e);
	}
	if (n->of_head)
		e->function.at = n->at;
	e->function.own.base += n->own.base;
	e->function.own.head += n->own.head;
}

/* As deep as stacks are. */
static void finish_node(struct finishing *f, struct stack_node *n)
{
	n->all.base /= f->base_units;
	n->all.head /= f->head_units;
	n->own.base /= f->base_units;
	n->own.head /= f->head_units;
	sort_children(n);
	add_function(f, n);
	for (struct stack_node *c = n->first; c; c = c->next)
		finish_node(f, c);
}

static int compare_functions(const void *a, const void *b)
{
	const struct stack_function *x = a, *y = b;
	double p = fabs(x->own.head - x->own.base), q = fabs(y->own.head - y->own.base);
	int by = strcmp(x->function, y->function);

	if (p > q || p < q)
		return p > q ? -1 : 1;
	return by ? by : strcmp(x->file, y->file);
}

static struct stack_functions take_functions(struct finishing *f)
{
	struct stack_functions ret = {.items = arena_array(&f->d->arena, HASH_COUNT(f->functions) + 1, sizeof(*ret.items))};
	struct function_entry *e, *next;

	HASH_ITER(hh, f->functions, e, next) {
		HASH_DEL(f->functions, e);
		ret.items[ret.n++] = e->function;
	}
	if (ret.n > 1)
		qsort(ret.items, ret.n, sizeof(*ret.items), compare_functions);
	return ret;
}

static void drop_tables(struct stack_difference *d)
{
	if (!d->priv)
		return;
	HASH_CLEAR(hh, d->priv->texts);
	HASH_CLEAR(hh, d->priv->children);
	d->priv = NULL;
}

void stack_difference_finish(struct stack_difference *d, double base_units, double head_units)
{
	struct finishing f = {.d = d, .base_units = base_units, .head_units = head_units};

	for (unsigned g = 0; g < STACKS_N; g++) {
		finish_node(&f, &d->roots[g]);
		d->functions[g] = take_functions(&f);
	}
	drop_tables(d);
}

void stack_difference_done(struct stack_difference *d)
{
	drop_tables(d);
	arena_done(&d->arena);
	memset(d, 0, sizeof(*d));
}
