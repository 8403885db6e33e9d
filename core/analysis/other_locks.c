/* Waits for anything but a GIL, gathered by what is waited for: the stack of each wait says so (lock_place.h), or the lock itself.
 * What one without a stack goes with: lock_words.h. */
#include <stdlib.h>
#include <string.h>

#include "core/analysis/summary_priv.h"
#include "core/timeline/lock_place.h"
#include "core/util/strbuf.h"

enum { PARTIES_KEPT = 64, LENGTHS_KEPT = 1 << 18 };

struct party {
	struct summary_party row;
	uint32_t thread;
	uint64_t stack;
};

struct parties {
	struct party items[PARTIES_KEPT]; /* of more, the later ones are in none */
	unsigned n;
};

struct other {
	const char *key;
	uint32_t number; /* in loader.uses */
	struct summary_other row;
	vec(uint64_t) lengths; /* the first LENGTHS_KEPT */
	struct span_union waiting;
	struct parties waiters, holders;
	UT_hash_handle hh;
};

static struct place_frame frame_at(const void *ctx, unsigned i)
{
	const struct summary_frame *f = &((const struct summary_stack *)ctx)->frames[i];

	return (struct place_frame){ f->function, f->file };
}

/* … and the innermost frame that is the program's own. */
static struct lock_place place_of(const struct summary_stack *stack, const struct summary_frame **ret_where)
{
	struct summary_stack python = *stack;
	struct lock_place place;

	for (; python.n && python.frames->native; python.n--) /* the C function behind a method of a lock */
		python.frames++;
	place = lock_place(python.n, frame_at, &python);
	*ret_where = place.kind == LOCK_FUTEX && stack->n ? stack->frames : place.where < python.n ? &python.frames[place.where] : NULL;
	return place;
}

static void make_key(struct strbuf *key, const struct summary_other *o, const struct load_lock *k)
{
	strbuf_addf(key, "%d ", o->kind);
	if (!lock_kind_fleeting(o->kind))
		strbuf_addf(key, "%u", k->lock->lock);
	else if (o->where)
		strbuf_addf(key, "%s\n%s\n%u", o->where->function, o->where->file, o->where->line);
}

/* The one with this key; made, with this row, when it is the first. */
static struct other *other_by_key(struct loader *l, struct load_proc *p, const char *key, const struct summary_other *row)
{
	struct other *o;

	HASH_FIND_STR(p->others, key, o);
	if (o)
		return o;
	o = arena_alloc(l->arena, sizeof(*o));
	o->key = arena_strdup(l->arena, key);
	o->number = (uint32_t)l->uses.n;
	o->row = *row;
	HASH_ADD_KEYPTR(hh, p->others, o->key, strlen(o->key), o);
	vec_push(&l->uses, o);
	return o;
}

/* What a wait at this stack was for; 0: nobody was seen to wait for the lock. */
static struct other *other_at(struct loader *l, struct load_lock *k, uint64_t id)
{
	struct summary_other row = { .addr = k->lock->addr, .name = k->name, .shared = k->shared };
	struct summary_stack stack = summary_stack(l, id);
	struct lock_place place = place_of(&stack, &row.where);
	autostrbuf key = STRBUF_INIT;
	struct other *o;

	row.kind = lock_place_kind(place.kind, k->lock->kind);
	row.idle = lock_kind_idle(row.kind);
	if (lock_kind_fleeting(row.kind)) { /* address and name are those of the lock that one waiter has made for itself */
		row.addr = 0;
		row.name = NULL;
	}
	make_key(&key, &row, k);
	o = other_by_key(l, &l->procs[k->proc], key.s, &row);
	o->row.where = o->row.where ? o->row.where : row.where; /* until all waiters are known; a wait from before the recording has no stack */
	return o;
}

/* Several locks had the address, and no stack tells which this one was. */
static struct other *other_unknown(struct loader *l, struct load_lock *k)
{
	return other_by_key(l, &l->procs[k->proc], "?", &(struct summary_other){ .kind = LOCK_FUTEX, .unknown = true });
}

/* What the thread waited for; with a stack there is no need of the thread. */
static struct other *other_of(struct loader *l, struct load_lock *k, uint32_t thread, uint64_t id)
{
	uint32_t use;

	if (id && (!k->other || id != k->other_stack)) {
		k->other = other_at(l, k, id);
		k->other_stack = id;
	}
	if (id)
		return k->other;
	use = lock_words_use(&l->words, k->lock->lock, thread);
	if (use == LOCK_WORDS_SEVERAL)
		return other_unknown(l, k);
	if (use != LOCK_WORDS_NEW)
		return l->uses.items[use];
	k->unseen = k->unseen ? k->unseen : other_at(l, k, 0);
	return k->unseen;
}

static void party_add(struct loader *l, struct parties *p, uint32_t thread, uint64_t stack, uint64_t ns)
{
	struct load_thread *t = loader_thread(l, thread);
	struct load_proc *proc = t ? loader_proc(l, t->proc) : NULL;
	struct party *new;

	for (unsigned i = 0; i < p->n; i++)
		if (p->items[i].thread == thread && summary_line(l, p->items[i].stack) == summary_line(l, stack)) {
			p->items[i].row.ns += ns;
			return;
		}
	if (p->n == PARTIES_KEPT)
		return;
	new = &p->items[p->n++];
	new->thread = thread;
	new->stack = stack;
	new->row = (struct summary_party){ .tid = t ? t->thread->tid : 0, .pid = proc ? proc->process.pid : 0, .ns = ns,
					   .stack = summary_stack(l, stack) };
	place_of(&new->row.stack, &new->row.where);
}

void summary_other_wait(struct loader *l, struct load_lock *k, const struct wait *row)
{
	uint64_t stack = lock_words_stack(&l->words, row);
	struct other *o = other_of(l, k, row->thread, stack);
	uint64_t ns = row->t1_ns - row->t0_ns;

	if (stack)
		lock_words_saw(&l->words, row, o->number, lock_kind_fleeting(o->row.kind));
	o->row.waits.n++;
	o->row.waits.ns += ns;
	o->row.waits.max_ns = ns > o->row.waits.max_ns ? ns : o->row.waits.max_ns;
	if (o->lengths.n < LENGTHS_KEPT)
		vec_push(&o->lengths, ns);
	else
		o->row.waits.p50_about = o->row.waits.p99_about = true;
	o->row.holder_inferred |= row->flags & WAIT_F_HOLDER_INFERRED;
	/* one pause after the other: until it ends, not until the waiter has a CPU again */
	span_union_add(&o->waiting, row->t0_ns, o->row.kind == LOCK_STW ? row->t0_ns + row->asleep_ns : row->t1_ns);
	party_add(l, &o->waiters, row->thread, stack, ns);
}

/* Of waiters without a stack: what all of them waited for. */
static struct other *other_of_all(struct loader *l, struct load_lock *k, const uint32_t *threads, unsigned n)
{
	struct other *o = other_of(l, k, n ? threads[0] : MODEL_NONE, 0);

	for (unsigned i = 1; i < n; i++)
		if (other_of(l, k, threads[i], 0) != o)
			return other_unknown(l, k);
	return o;
}

/* Several threads that held it at the same stack are one entry, of no thread. */
void summary_other_blame(struct loader *l, struct load_lock *k, const struct reader_blame *row)
{
	struct other *o;

	if (!row->n_holders)
		return;
	o = row->waiter_stack ? other_of(l, k, MODEL_NONE, row->waiter_stack) : other_of_all(l, k, row->waiters, row->n_waiters);
	if (!o->row.waits.n && k->unseen) /* they waited before others were seen at the address */
		o = k->unseen;
	o->row.holder_known_ns += row->ns;
	party_add(l, &o->holders, row->n_holders == 1 ? row->holders[0] : MODEL_NONE, row->holder_stack, row->ns);
}

static int compare_parties(const void *pa, const void *pb)
{
	const struct party *a = pa, *b = pb;

	if (a->row.ns != b->row.ns)
		return a->row.ns < b->row.ns ? 1 : -1;
	return (a->thread > b->thread) - (a->thread < b->thread);
}

static unsigned lay_out(struct parties *p, struct summary_party *ret)
{
	unsigned n = p->n < SUMMARY_PARTIES_MAX ? p->n : SUMMARY_PARTIES_MAX;

	if (p->n > 1)
		qsort(p->items, p->n, sizeof(*p->items), compare_parties);
	for (unsigned i = 0; i < n; i++)
		ret[i] = p->items[i].row;
	return n;
}

/* Where most of the waiting was: its holder may have waited for it, too. */
static const struct summary_frame *waited_most_at(const struct other *o)
{
	for (unsigned i = 0; i < o->row.n_waiters; i++)
		if (o->row.waiters[i].where)
			return o->row.waiters[i].where;
	return o->row.where;
}

static int compare_lengths(const void *pa, const void *pb)
{
	const uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

static int compare_others(const void *pa, const void *pb)
{
	const struct summary_other *a = pa, *b = pb;

	if (a->idle != b->idle)
		return a->idle ? 1 : -1;
	if (a->waits.ns != b->waits.ns)
		return a->waits.ns < b->waits.ns ? 1 : -1;
	return (a->addr > b->addr) - (a->addr < b->addr);
}

void summary_others(struct loader *l, struct load_proc *p)
{
	struct summary_process *s = &p->process;
	struct other *o, *next;

	s->others = arena_array(l->arena, HASH_COUNT(p->others), sizeof(*s->others));
	HASH_ITER(hh, p->others, o, next) {
		if (!o->row.waits.n)
			continue;
		vec_sort(&o->lengths, compare_lengths);
		o->row.waits.p50_ns = o->lengths.items[(o->lengths.n - 1) / 2]; /* nearest rank, as the store's */
		o->row.waits.p99_ns = o->lengths.items[(o->lengths.n * 99 + 99) / 100 - 1];
		o->row.contended_ns = span_union_ns(&o->waiting);
		if (o->row.kind == LOCK_STW)
			o->row.pauses = span_union_count(&o->waiting, &o->row.pause_max_ns);
		o->row.n_waiters = lay_out(&o->waiters, o->row.waiters);
		o->row.where = waited_most_at(o);
		o->row.n_holders = lay_out(&o->holders, o->row.holders);
		s->others[s->n_others++] = o->row;
	}
	if (s->n_others > 1)
		qsort(s->others, s->n_others, sizeof(*s->others), compare_others);
}

void summary_others_done(struct load_proc *p)
{
	struct other *o, *next;

	HASH_ITER(hh, p->others, o, next) {
		vec_done(&o->lengths);
		span_union_done(&o->waiting);
	}
	HASH_CLEAR(hh, p->others);
}
