/* The passes over single holds and waits, for what sums cannot say: time in which anybody waited, the
 * histogram, waits of about a switch interval, holders that did not let go when asked, and what the replay needs. */
#include "core/analysis/summary_priv.h"
#include "core/analysis/wait_hist.h"

/* A wait of nine tenths of a switch interval is one that ran into it: the timed wait begins a little after the wait. */
static bool about_an_interval(uint64_t ns, uint64_t interval_ns)
{
	return interval_ns && ns >= interval_ns - interval_ns / 10;
}

/* A waiter demands the GIL after one interval, later by up to another when it changed hands meanwhile; the rest is margin
 * for late wake-ups.  Loops in Python were seen to stay below 2.4 on a machine with twice as many threads as CPUs. */
static const double LONG_HOLD_INTERVALS = 2.5;

static void note_long_hold(struct loader *l, struct load_lock *k, const struct hold *row)
{
	const uint64_t interval = loader_switch_interval_ns(l, k->proc), length = row->t1_ns - row->t0_ns;
	const uint64_t off = row->blocked_ns + row->preempted_ns;
	const double running = length > off ? (double)(length - off) : 0;

	/* an inferred end is only its last possible moment */
	if (!interval || row->flags & HOLD_F_END_INFERRED || running < LONG_HOLD_INTERVALS * (double)interval)
		return;
	vec_push(&k->long_holds, ((struct load_hold){
		.t0_ns = row->t0_ns, .t1_ns = row->t1_ns, .stack = row->stack, .running = running / (double)length,
		.thread = row->thread,
	}));
	k->longest_hold_ns = length > k->longest_hold_ns ? length : k->longest_hold_ns;
}

/* What a callback does first with its row: somebody else may want it. */
#define TAP(l, kind, row) ((l)->tap && (l)->tap->kind ? (l)->tap->kind((l)->tap->ctx, (row)) : 0)
#define TAP_STEP(l, step) ((l)->tap && (l)->tap->step ? (l)->tap->step((l)->tap->ctx) : 0)

static int on_hold(void *ctx, const struct hold *row)
{
	struct loader *l = ctx;
	struct load_lock *k = loader_lock(l, row->lock);
	int err = TAP(l, hold, row);

	if (err || !k)
		return err;
	span_union_add(&k->held, row->t0_ns, row->t1_ns);
	if (row->flags & HOLD_F_GC)
		span_union_add(&k->gc, row->t0_ns, row->t1_ns);
	if (k->lock->kind != LOCK_GIL)
		return 0;
	note_long_hold(l, k, row);
	hold_log_add(&k->log, row, row->stack ? summary_line(l, row->stack) : HOLD_LOG_NO_LINE);
	return 0;
}

static int compare_holds(const void *pa, const void *pb)
{
	const struct load_hold *a = pa, *b = pb;

	return (a->t0_ns > b->t0_ns) - (a->t0_ns < b->t0_ns);
}

/* The first hold that could reach t: none is longer than the longest. */
static size_t first_hold(const struct load_lock *k, uint64_t t)
{
	return vec_first_from(&k->long_holds, t0_ns, t > k->longest_hold_ns ? t - k->longest_hold_ns : 0);
}

static void blame_long_holds(struct load_lock *k, const struct wait *w, uint64_t interval_ns)
{
	for (size_t i = first_hold(k, w->t0_ns); i < k->long_holds.n && k->long_holds.items[i].t0_ns < w->t1_ns; i++) {
		struct load_hold *h = &k->long_holds.items[i];
		uint64_t from = h->t0_ns > w->t0_ns ? h->t0_ns : w->t0_ns, to = h->t1_ns < w->t1_ns ? h->t1_ns : w->t1_ns;
		double ran = to > from ? (double)(to - from) * h->running : 0;

		if (ran < LONG_HOLD_INTERVALS * (double)interval_ns)
			continue; /* most of it passed before anybody wanted the GIL */
		h->waits++;
		h->excess_ns += (uint64_t)ran - interval_ns;
		h->max_ns = (uint64_t)ran > h->max_ns ? (uint64_t)ran : h->max_ns;
	}
}

/* The stretch in which so many waits of about an interval follow each other fastest. */
static void note_long_wait(struct loader *l, struct load_thread *t, const struct wait *row)
{
	uint64_t ns = row->t1_ns - row->t0_ns, *oldest = &t->long_wait_t0[t->thread->long_waits % CONVOY_SEEN];
	struct summary_place *best = &t->thread->convoy, place = summary_place(l, *oldest, row->t1_ns, row->thread, row->lock);

	if (t->thread->long_waits >= CONVOY_SEEN && (!best->known || place.to_ns - place.from_ns < best->to_ns - best->from_ns))
		*best = place;
	*oldest = row->t0_ns;
	t->thread->long_waits++;
	t->thread->long_wait_ns += ns;
}

static void note_gil_wait(struct loader *l, struct load_lock *k, const struct wait *row)
{
	struct load_thread *t = loader_thread(l, row->thread);
	uint64_t ns = row->t1_ns - row->t0_ns, from = loader_relative_ns(l, row->t0_ns), to = loader_relative_ns(l, row->t1_ns);

	hold_log_wait(&k->log, row);
	worst_window_add(&k->waited, from, to);
	if (row->end == WAIT_FORCED)
		worst_window_add(&k->forced, from, to);
	if (row->wake_latency_ns > k->slowest_wake_ns && row->wake_latency_ns <= ns) {
		k->slowest_wake_ns = row->wake_latency_ns;
		k->lock->places[TROUBLE_WAKING] = summary_place(l, row->t1_ns - row->wake_latency_ns, row->t1_ns, row->thread,
								row->lock);
	}
	if (!t)
		return;
	if (!t->thread->longest_wait.known || ns > t->thread->longest_wait.to_ns - t->thread->longest_wait.from_ns)
		t->thread->longest_wait = summary_place(l, row->t0_ns, row->t1_ns, row->thread, row->lock);
	if (about_an_interval(ns, loader_switch_interval_ns(l, k->proc)))
		note_long_wait(l, t, row);
}

static int on_wait(void *ctx, const struct wait *row)
{
	struct loader *l = ctx;
	struct load_lock *k = loader_lock(l, row->lock);
	uint64_t ns = row->t1_ns - row->t0_ns;
	int err = TAP(l, wait, row);

	if (err || !k)
		return err;
	wait_hist_add(&k->lock->hist, ns);
	span_union_add(&k->waiting, row->t0_ns, row->t1_ns);
	blame_long_holds(k, row, loader_switch_interval_ns(l, k->proc));
	k->lock->gc_wait_ns += span_union_overlap(&k->gc, row->t0_ns, row->t1_ns);
	if (row->end == WAIT_FORCED) {
		k->lock->forced_waits++;
		k->lock->forced_wait_ns += ns;
	}
	if (k->lock->kind == LOCK_GIL)
		note_gil_wait(l, k, row);
	else
		summary_other_wait(l, k, row);
	return 0;
}

static int on_tally(void *ctx, const struct tally *row)
{
	struct loader *l = ctx;
	struct load_lock *k = loader_lock(l, row->lock);

	if (k && row->state == STATE_WAIT_GIL)
		wait_hist_add_classes(&k->lock->hist, row->hist, row->ns);
	return TAP(l, tally, row);
}

/* Long holds that delayed somebody, by stack. */
static void gather_long_holds(struct loader *l, struct load_lock *k)
{
	struct load_proc *p = &l->procs[k->proc];

	for (size_t i = 0; i < k->long_holds.n; i++) {
		const struct load_hold *hold = &k->long_holds.items[i];
		struct load_long_hold *h;

		if (hold->waits == 0)
			continue;
		HASH_FIND(hh, p->long_holds, &hold->stack, sizeof(hold->stack), h);
		if (!h) {
			h = arena_alloc(l->arena, sizeof(*h));
			h->stack = hold->stack;
			HASH_ADD(hh, p->long_holds, stack, sizeof(h->stack), h);
		}
		h->n++;
		h->excess_ns += hold->excess_ns;
		if (hold->max_ns <= h->max_ns)
			continue;
		h->max_ns = hold->max_ns;
		h->place = summary_place(l, hold->t0_ns, hold->t1_ns, hold->thread, k->lock->lock);
	}
}

/* Between the holds and the waits. */
static void prepare_waits(struct loader *l)
{
	for (uint32_t i = 0; i < l->n_locks; i++) {
		struct summary_lock *lock = l->locks[i].lock;

		vec_sort(&l->locks[i].long_holds, compare_holds);
		hold_log_sort(&l->locks[i].log);
		worst_window_init(&l->locks[i].waited, l->s->duration_ns);
		worst_window_init(&l->locks[i].forced, l->s->duration_ns);
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
		gather_long_holds(l, &l->locks[i]);
		hold_log_settle(&l->locks[i].log);
		hold_log_forget_lines(&l->locks[i].log, l->credited_until_ns);
		summary_lock_places(l, &l->locks[i]);
	}
}

/* Only for their sums, and for whoever else wants them. */
static int on_interval(void *ctx, const struct interval *row)
{
	struct loader *l = ctx;

	return TAP(l, interval, row);
}

static int on_handoff(void *ctx, const struct handoff *row)
{
	struct loader *l = ctx;

	return TAP(l, handoff, row);
}

static int on_sample(void *ctx, const struct sample_row *row)
{
	struct loader *l = ctx;

	return TAP(l, sample, row);
}

static int load_the_rest(struct loader *l)
{
	int err = reader_tallies(l->r, on_tally, l);

	err = err ? err : reader_intervals(l->r, MODEL_NONE, on_interval, l);
	err = err ? err : TAP_STEP(l, intervals_read);
	err = err ? err : reader_handoffs(l->r, on_handoff, l);
	return err || !l->tap || !l->tap->sample ? err : reader_samples(l->r, on_sample, l);
}

int summary_waits_load(struct loader *l)
{
	struct credit_scan *credits;
	int err = reader_holds(l->r, on_hold, l), credits_err;

	prepare_waits(l);
	err = err ? err : reader_waits(l->r, on_wait, l);
	err = err ? err : TAP_STEP(l, waits_read);
	if (err)
		return err;
	credits = credit_scan_start(l);
	err = load_the_rest(l);
	credits_err = credit_scan_finish(credits, err != 0);
	err = err ? err : credits_err;
	if (!err)
		settle(l);
	return err;
}
