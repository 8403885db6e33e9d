/* The passes over single waits, holds and credits, for what sums cannot say: time in which anybody waited, the
 * histogram, waits of about a switch interval, holders that did not let go when asked. */
#include "core/analysis/summary_priv.h"
#include "core/analysis/wait_hist.h"

/* A wait of nine tenths of a switch interval is one that ran into it: the timed wait begins a little after the wait. */
static bool about_an_interval(uint64_t ns, uint64_t interval_ns)
{
	return interval_ns && ns >= interval_ns - interval_ns / 10;
}

static int on_hold(void *ctx, const struct hold *row)
{
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (!k)
		return 0;
	span_union_add(&k->held, row->t0_ns, row->t1_ns);
	if (row->flags & HOLD_F_GC)
		span_union_add(&k->gc, row->t0_ns, row->t1_ns);
	return 0;
}

static int on_wait(void *ctx, const struct wait *row)
{
	struct loader *l = ctx;
	struct load_lock *k = loader_lock(l, row->lock);
	struct load_thread *t = loader_thread(l, row->thread);
	uint64_t ns = row->t1_ns - row->t0_ns;

	if (!k)
		return 0;
	wait_hist_add(&k->lock->hist, ns);
	span_union_add(&k->waiting, row->t0_ns, row->t1_ns);
	k->lock->gc_wait_ns += span_union_overlap(&k->gc, row->t0_ns, row->t1_ns);
	if (row->end == WAIT_FORCED) {
		k->lock->forced_waits++;
		k->lock->forced_wait_ns += ns;
	}
	if (t && k->lock->kind == LOCK_GIL && about_an_interval(ns, loader_switch_interval_ns(l, k->proc))) {
		t->thread->long_waits++;
		t->thread->long_wait_ns += ns;
	}
	return 0;
}

static int on_tally(void *ctx, const struct tally *row)
{
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (k && row->state == STATE_WAIT_GIL)
		wait_hist_add_classes(&k->lock->hist, row->hist, row->ns);
	return 0;
}

/* Three intervals: one passes before the waiter demands the GIL, and a hand-off to another resets its clock once; a third
 * is margin for a late wake-up. */
enum { LONG_HOLD_INTERVALS = 3 };

static void stretch_end(struct loader *l)
{
	struct load_stretch *s = &l->stretch;
	struct load_thread *holder = loader_thread(l, s->holder);
	uint64_t interval = holder ? loader_switch_interval_ns(l, holder->proc) : 0;
	struct load_long_hold *h;
	struct load_proc *p;

	if (interval && s->ns >= LONG_HOLD_INTERVALS * interval) {
		p = &l->procs[holder->proc];
		HASH_FIND(hh, p->long_holds, &s->stack, sizeof(s->stack), h);
		if (!h) {
			h = arena_alloc(l->arena, sizeof(*h));
			h->stack = s->stack;
			HASH_ADD(hh, p->long_holds, stack, sizeof(h->stack), h);
		}
		h->n++;
		h->excess_ns += s->ns - interval;
		h->max_ns = s->ns > h->max_ns ? s->ns : h->max_ns;
	}
	*s = (struct load_stretch){.holder = MODEL_NONE};
}

static int on_credit(void *ctx, const struct credit *row)
{
	struct loader *l = ctx;
	struct load_stretch *s = &l->stretch;

	if (s->holder != MODEL_NONE &&
	    (row->wait != s->wait || row->holder != s->holder || row->state != HOLDER_RUNNING))
		stretch_end(l);
	if (row->holder == MODEL_NONE || row->state != HOLDER_RUNNING)
		return 0;
	s->wait = row->wait;
	s->holder = row->holder;
	s->ns += row->ns;
	if (row->ns >= s->stack_ns && (row->stack || !s->stack)) {
		s->stack = row->stack;
		s->stack_ns = row->ns;
	}
	return 0;
}

static void hist_init(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_locks; i++) {
		struct summary_lock *lock = l->locks[i].lock;

		if (lock)
			wait_hist_init(&lock->hist, lock->kind == LOCK_GIL ?
				       loader_switch_interval_ns(l, l->locks[i].proc) : 0);
	}
}

static void settle(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_locks; i++) {
		struct summary_lock *lock = l->locks[i].lock;
		double share;

		if (!lock)
			continue;
		lock->contended_ns = span_union_ns(&l->locks[i].waiting);
		lock->held_ns = span_union_ns(&l->locks[i].held);
		lock->gc_hold_ns = span_union_ns(&l->locks[i].gc);
		share = l->s->duration_ns ? (double)lock->held_ns / (double)l->s->duration_ns : 0;
		lock->utilisation = share > 1 ? 1 : share;
	}
}

int summary_waits_load(struct loader *l)
{
	int err = reader_holds(l->r, on_hold, l);

	hist_init(l);
	err = err ? err : reader_waits(l->r, on_wait, l);
	err = err ? err : reader_tallies(l->r, on_tally, l);
	l->stretch.holder = MODEL_NONE;
	err = err ? err : reader_credits(l->r, on_credit, l);
	if (!err) {
		stretch_end(l);
		settle(l);
	}
	return err;
}
