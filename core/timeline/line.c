/* The delay line: segments, finished waits, tallies and ends of threads, in order of arrival, settled SETTLE_DELAY_NS later
 * or when it is full.  And the lock histories' holds, which are given out a little after the waits that speak of them. */
#include "core/timeline/timeline_priv.h"

#include <string.h>

#include "core/util/xalloc.h"

#define SHARE_DELAY_NS (SETTLE_DELAY_NS / 2)
#define SWEEP_NS (SETTLE_DELAY_NS / 10)
#define HOLD_DELAY_NS (SETTLE_DELAY_NS + SETTLE_DELAY_NS / 2)

static void settle(struct timeline *t, struct item *it)
{
	switch (it->kind) {
	case ITEM_SEGMENT:
		segment_settle(t, it->thread, &it->segment);
		break;
	case ITEM_WAIT:
		wait_settle(t, &it->wait);
		break;
	case ITEM_TALLY:
		tally_settle(t, it->thread, &it->tally);
		break;
	case ITEM_SHARE:
		counted_settle(&it->thread->counted, &it->share.gil->counted, &it->share.gil->history, it->thread->row.thread,
			       &it->share.time);
		break;
	case ITEM_END:
		merge_flush(t, it->thread);
		tally_flush(t, it->thread);
		thread_emit(t, it->thread);
		thread_free(t, it->thread);
		break;
	}
}

static void settle_first(struct timeline *t, struct line *l)
{
	struct item it = l->items[l->head];

	l->head = (l->head + 1) & (l->cap - 1);
	l->n--;
	settle(t, &it);
}

static void grow(struct line *l)
{
	size_t cap = l->cap ? l->cap * 2 : 256;
	struct item *items = xrealloc_array(NULL, cap, sizeof(*items));

	for (size_t i = 0; i < l->n; i++)
		items[i] = l->items[(l->head + i) & (l->cap - 1)];
	free(l->items);
	*l = (struct line){ .items = items, .cap = cap, .n = l->n };
}

static struct item *put(struct timeline *t, struct line *l, enum item_kind kind, struct thread *th)
{
	struct item *it;

	if (l->n == l->cap)
		grow(l);
	it = &l->items[(l->head + l->n++) & (l->cap - 1)];
	it->kind = kind;
	it->at_ns = t->now_ns;
	it->thread = th;
	return it;
}

struct item *line_add(struct timeline *t, enum item_kind kind, struct thread *th)
{
	return put(t, &t->line, kind, th);
}

void line_add_share(struct timeline *t, struct thread *th, struct counted_time time)
{
	struct item *it = put(t, &t->shares, ITEM_SHARE, th);

	it->share.gil = th->gil;
	it->share.time = time;
}

/* Its thread has not told yet what it did until then: it may have let go before, and be asleep since. */
static bool in_doubt(struct timeline *t, const struct hold_rec *r)
{
	const struct thread *th;

	if (!(r->flags & HOLD_F_END_INFERRED))
		return false;
	th = thread_by_id(t, r->thread);
	return th && !th->gone && !th->estimated && th->cursor_ns < r->t1;
}

static void hold_emit(struct timeline *t, const struct lock *l, struct hold_rec *r)
{
	struct hold row = { .lock = l->id, .thread = r->thread, .t0_ns = r->t0, .t1_ns = r->t1, .flags = r->flags,
			    .stack = history_stack(&l->history, r) };

	r->emitted = true;
	history_off_time(&l->history, r, &row.blocked_ns, &row.preempted_ns);
	if (t->sink.hold)
		t->sink.hold(t->sink.ctx, &row);
}

/* Gives out the holds that ended up to then. */
void holds_emit(struct timeline *t, struct lock *l, uint64_t upto_ns, bool even_doubted)
{
	struct history *h = &l->history;
	bool all = true;

	for (size_t i = h->first_kept; i < h->holds.n; i++) {
		struct hold_rec *r = &h->holds.items[i];

		if (r->t1 > upto_ns || r->t1 == TIME_OPEN)
			break;
		if (!r->emitted && (even_doubted || !in_doubt(t, r)))
			hold_emit(t, l, r);
		all &= r->emitted;
		if (all)
			h->first_kept = i + 1;
	}
}

static void sweep(struct timeline *t)
{
	/* together the locks remember no more than four of them would */
	size_t n, limit = t->n_gils <= 4 ? HISTORY_MAX : max_u64(HISTORY_MIN, 4 * HISTORY_MAX / t->n_gils);

	for (struct lock *l = t->gils; l; l = l->next_gil) {
		l->history.limit = limit;
		if (t->now_ns > HOLD_DELAY_NS)
			holds_emit(t, l, t->now_ns - HOLD_DELAY_NS, false);
		n = history_crowded(&l->history);
		if (n) {
			holds_emit(t, l, l->history.holds.items[n - 1].t1, true);
			history_drop(&l->history, n);
		}
	}
}

void line_advance(struct timeline *t, uint64_t now)
{
	struct line *l = &t->line, *s = &t->shares;

	if (now > t->now_ns)
		t->now_ns = now;
	while (s->n && (l->n > LINE_MAX || t->now_ns - s->items[s->head].at_ns >= SHARE_DELAY_NS))
		settle_first(t, s);
	/* Only here, between two events: settling may free threads. */
	while (l->n > LINE_MAX || (l->n && t->now_ns - l->items[l->head].at_ns >= SETTLE_DELAY_NS))
		settle_first(t, l);
	if (t->now_ns - t->swept_ns >= SWEEP_NS || ++t->since_sweep >= SWEEP_EVENTS) {
		t->swept_ns = t->now_ns;
		t->since_sweep = 0;
		sweep(t);
	}
}

void line_drain(struct timeline *t)
{
	while (t->shares.n)
		settle_first(t, &t->shares);
	while (t->line.n)
		settle_first(t, &t->line);
	for (struct lock *l = t->gils; l; l = l->next_gil)
		holds_emit(t, l, UINT64_MAX, true);
}

/* Were events lost within t0..t1, and until when. */
bool loss_within(const struct timeline *t, uint64_t t0, uint64_t t1, uint64_t *ret_until)
{
	bool found = false;

	for (uint32_t i = 0; i < t->n_losses && i < LOSSES_MAX; i++) {
		const struct loss_window *w = &t->losses[i];

		if (w->t0 >= t1 || w->t1 <= t0)
			continue;
		*ret_until = found ? max_u64(*ret_until, w->t1) : w->t1;
		found = true;
	}
	return found;
}
