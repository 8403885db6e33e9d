/* Blame: the rows of the store with their stacks, and the same by pairs of functions (a loop that holds the GIL is seen
 * on each of its lines, which would scatter it over the list). */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/summary_priv.h"
#include "core/util/strbuf.h"

static uint32_t number_line(struct loader *l, const struct summary_stack *stack)
{
	const struct summary_frame *leaf = stack->n ? stack->frames : NULL;
	struct line_entry *entry;
	autostrbuf name = STRBUF_INIT;

	if (leaf)
		strbuf_addf(&name, "%s\n%s\n%u", leaf->function, leaf->file, leaf->line);
	HASH_FIND_STR(l->s->priv->lines, name.s, entry);
	if (entry)
		return entry->line;
	entry = arena_alloc(l->arena, sizeof(*entry));
	entry->name = arena_strdup(l->arena, name.s);
	entry->line = HASH_COUNT(l->s->priv->lines);
	entry->frame = leaf;
	HASH_ADD_KEYPTR(hh, l->s->priv->lines, entry->name, strlen(entry->name), entry);
	return entry->line;
}

static const struct stack_entry *stack_entry(struct loader *l, uint64_t id)
{
	struct summary_priv *priv = l->s->priv;
	const struct reader_frame *from;
	struct summary_frame *frames;
	struct stack_entry *entry;
	unsigned flags = 0, n;

	HASH_FIND(hh, priv->stacks, &id, sizeof(id), entry);
	if (entry)
		return entry;
	n = reader_stack(l->r, id, &from, &flags);
	frames = arena_array(l->arena, n, sizeof(*frames));
	for (unsigned i = 0; i < n; i++)
		frames[i] = (struct summary_frame){
			.function = from[i].function, .file = from[i].file, .line = from[i].line, .resolved = from[i].resolved,
			.native = from[i].native,
		};
	entry = arena_alloc(l->arena, sizeof(*entry));
	entry->id = id;
	entry->stack = (struct summary_stack){
		.frames = frames, .n = n,
		.truncated = flags & READER_STACK_F_TRUNCATED, .torn = flags & READER_STACK_F_TORN,
	};
	entry->line = number_line(l, &entry->stack);
	HASH_ADD(hh, priv->stacks, id, sizeof(entry->id), entry);
	return entry;
}

struct summary_stack summary_stack(struct loader *l, uint64_t id)
{
	return id ? stack_entry(l, id)->stack : (struct summary_stack){0};
}

uint32_t summary_line(struct loader *l, uint64_t id)
{
	return id ? stack_entry(l, id)->line : number_line(l, &(struct summary_stack){0});
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static const uint32_t *tids_of(struct loader *l, const uint32_t *threads, unsigned n, unsigned *ret_n)
{
	uint32_t *tids = arena_array(l->arena, n, sizeof(*tids));
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct load_thread *t = loader_thread(l, threads[i]);

		if (t)
			tids[kept++] = t->thread->tid;
	}
	qsort(tids, kept, sizeof(*tids), compare_u32);
	*ret_n = kept;
	return tids;
}

static int on_blame(void *ctx, const struct reader_blame *row)
{
	struct loader *l = ctx;
	struct load_lock *k = loader_lock(l, row->lock);
	struct summary_blame b = {
		.lock = row->lock, .ns = row->ns, .waits = row->waits, .state = row->holder_state, .nr = row->nr,
	};

	if (!k)
		return 0;
	b.waiter = summary_stack(l, row->waiter_stack);
	b.holder = summary_stack(l, row->holder_stack);
	b.waiter_line = summary_line(l, row->waiter_stack);
	b.holder_line = summary_line(l, row->holder_stack);
	b.waiter_tids = tids_of(l, row->waiters, row->n_waiters, &b.n_waiters);
	b.holder_tids = tids_of(l, row->holders, row->n_holders, &b.n_holders);
	vec_push(&l->procs[k->proc].blame, b);
	if (k->lock->kind != LOCK_GIL)
		summary_other_blame(l, k, row);
	return 0;
}

int summary_blame_load(struct loader *l)
{
	return reader_blame(l->r, 0, on_blame, l);
}

/* Pairs of functions */

int summary_compare_leaf(const struct summary_stack *a, const struct summary_stack *b)
{
	int c;

	if (a->n == 0 || b->n == 0)
		return (a->n > 0) - (b->n > 0);
	c = strcmp(a->frames->function, b->frames->function);
	return c ? c : strcmp(a->frames->file, b->frames->file);
}

bool summary_same_line(const struct summary_stack *a, const struct summary_stack *b)
{
	return !summary_compare_leaf(a, b) && (a->n == 0 || a->frames->line == b->frames->line);
}

/* 0: the same pair of functions.  A holder that was not seen is not one without a Python stack. */
static int compare_functions(const struct summary_blame *a, const struct summary_blame *b)
{
	int c;

	if (a->lock != b->lock)
		return a->lock < b->lock ? -1 : 1;
	if ((a->n_holders > 0) != (b->n_holders > 0))
		return a->n_holders > 0 ? 1 : -1;
	c = summary_compare_leaf(&a->waiter, &b->waiter);
	return c ? c : summary_compare_leaf(&a->holder, &b->holder);
}

static int compare_blame_functions(const void *pa, const void *pb)
{
	const struct summary_blame *a = *(const struct summary_blame *const *)pa;
	const struct summary_blame *b = *(const struct summary_blame *const *)pb;
	int c = compare_functions(a, b);

	return c ? c : a->ns != b->ns ? (a->ns < b->ns ? 1 : -1) : (a > b) - (a < b);
}

static int compare_pairs(const void *pa, const void *pb)
{
	const struct summary_pair *a = pa, *b = pb;

	return a->ns != b->ns ? (a->ns < b->ns ? 1 : -1) : compare_functions(a->worst, b->worst);
}

/* Thread ids of a pair while it is added up: kept apart, so that only what it comes to takes memory. */
struct tids {
	uint32_t items[READER_BLAME_THREADS]; /* ascending, without doubles; of more, the largest are left out */
	unsigned n;
};

static void merge_tids(struct tids *to, const uint32_t *b, unsigned m)
{
	const struct tids a = *to;
	unsigned i = 0, j = 0;

	to->n = 0;
	while (to->n < READER_BLAME_THREADS && (i < a.n || j < m)) {
		uint32_t tid = j == m || (i < a.n && a.items[i] <= b[j]) ? a.items[i] : b[j];

		while (i < a.n && a.items[i] == tid)
			i++;
		while (j < m && b[j] == tid)
			j++;
		to->items[to->n++] = tid;
	}
}

static const uint32_t *keep_tids(struct loader *l, const struct tids *tids, unsigned *ret_n)
{
	uint32_t *items = arena_array(l->arena, tids->n, sizeof(*items));

	if (tids->n)
		memcpy(items, tids->items, tids->n * sizeof(*items));
	*ret_n = tids->n;
	return items;
}

/* The rows of one pair of functions, the largest first. */
static void pair_make(struct loader *l, struct summary_pair *pair, const struct summary_blame *const *rows, size_t n)
{
	struct tids waiters = {.n = 0}, holders = {.n = 0};

	pair->worst = rows[0];
	pair->stacks = (__typeof__(pair->stacks))n;
	for (size_t i = 0; i < n; i++) {
		const struct summary_blame *b = rows[i];

		pair->ns += b->ns;
		pair->waits += b->waits;
		pair->state_ns[b->state] += b->ns;
		if (b->state == HOLDER_BLOCKED && b->ns > pair->nr_ns) {
			pair->nr = b->nr;
			pair->nr_ns = b->ns;
		}
		merge_tids(&waiters, b->waiter_tids, b->n_waiters);
		merge_tids(&holders, b->holder_tids, b->n_holders);
	}
	pair->waiter_tids = keep_tids(l, &waiters, &pair->n_waiters);
	pair->holder_tids = keep_tids(l, &holders, &pair->n_holders);
}

void summary_pairs(struct loader *l, struct summary_process *p)
{
	vec(const struct summary_blame *) rows = {0};

	for (size_t i = 0; i < p->n_blame; i++)
		if (loader_lock(l, p->blame[i].lock)->lock->kind == LOCK_GIL)
			vec_push(&rows, &p->blame[i]);
	vec_sort(&rows, compare_blame_functions);
	for (size_t i = 0; i < rows.n; i++)
		p->n_pairs += i == 0 || compare_functions(rows.items[i - 1], rows.items[i]);
	p->pairs = arena_array(l->arena, p->n_pairs, sizeof(*p->pairs));
	for (size_t i = 0, end, pair = 0; i < rows.n; i = end) {
		for (end = i + 1; end < rows.n && !compare_functions(rows.items[i], rows.items[end]);)
			end++;
		pair_make(l, &p->pairs[pair++], rows.items + i, end - i);
	}
	if (p->n_pairs > 1)
		qsort(p->pairs, p->n_pairs, sizeof(*p->pairs), compare_pairs);
	vec_done(&rows);
}
