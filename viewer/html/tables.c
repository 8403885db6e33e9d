/* See tables.h.  What can be told from a table that came before is not told again: times of waits and holds by the
 * intervals of their threads, hand-offs by the holds around them, a wait's credits by the pieces of the holds. */
#include "viewer/html/tables.h"

#include <stdlib.h>

#include "core/util/xalloc.h"
#include "viewer/html/columns.h"
#include "viewer/html/rows.h"

/* An id or MODEL_NONE as a small number. */
static uint64_t or_none(uint32_t id)
{
	return id == MODEL_NONE ? 0 : (uint64_t)id + 1;
}

/* Stacks are numbered in the order in which the page meets them. */
static uint64_t dense(const struct rows *x, uint32_t stack)
{
	return stack_table_id(x->stacks, stack);
}

/* Each column's value of the row'th row in the table's order. */
#define COLUMN(name, order_member, table, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct rows *x = ctx; \
		const uint32_t row = x->order_member.row[i]; \
		const __typeof__(*x->table.items) *v = &x->table.items[row]; \
		(void)row; \
		return (expression); \
	}

/* The intervals are in their order. */
static uint64_t interval_gap(const void *ctx, size_t i)
{
	const struct rows *x = ctx;
	const uint32_t row = (uint32_t)i;
	const bool first = !i || rows_look(x, row - 1)->thread != rows_look(x, row)->thread;

	return x->intervals.items[row].t0 - (first ? 0 : x->intervals.items[row - 1].t0 + rows_interval_len(x, row - 1));
}

static uint64_t interval_len(const void *ctx, size_t i) { return rows_interval_len(ctx, (uint32_t)i); }
static uint64_t interval_kind(const void *ctx, size_t i) { return rows_look(ctx, (uint32_t)i)->kind; }
static uint64_t interval_stack(const void *ctx, size_t i) { return dense(ctx, rows_look(ctx, (uint32_t)i)->stack); }

static void write_intervals(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "intervals", x->intervals.n);
	table_column(w, "gap", 's', interval_gap, x); /* begin, less the end of the one before it in the thread (or 0) */
	table_column(w, "len", 'u', interval_len, x);
	table_column(w, "kind", 'u', interval_kind, x); /* index in model.kinds: [state, flags, lock + 1, nr + 1] */
	table_column(w, "stack", 'u', interval_stack, x);
	table_end(w);
}

/* ---- times by intervals ----
 * A wait and a hold begin where an interval of their thread begins and end where one ends, nearly always.  So they are told
 * as the place of that interval in table intervals, with what is over (mostly 0). */
struct spot {
	uint32_t at, to; /* last interval of the thread that begins at or before t0; before t1 */
	int64_t skip; /* at, less `to` of the row before it with the same thread (the first: less the thread's first) */
	int64_t begin, end; /* t0 less the begin of the one, t1 less the end of the other */
};

/* The last place in the group whose row begins before t, or the group's first. */
static uint32_t place_before(const struct rows *x, uint32_t thread, uint64_t t)
{
	const struct order *o = &x->by_thread;
	uint32_t low = o->first[thread], high = o->first[thread + 1];

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (x->intervals.items[mid].t0 < t)
			low = mid + 1;
		else
			high = mid;
	}
	return low > o->first[thread] ? low - 1 : low;
}

static struct spot spot_of(const struct rows *x, uint32_t thread, uint64_t t0, uint64_t t1)
{
	const struct order *o = &x->by_thread;
	struct spot s = { .at = place_before(x, thread, t0 + 1), .to = place_before(x, thread, t1) };
	const bool any = o->first[thread] < o->first[thread + 1];

	if (s.to < s.at)
		s.to = s.at;
	s.begin = (int64_t)(t0 - (any ? x->intervals.items[s.at].t0 : 0));
	s.end = (int64_t)(t1 - (any ? x->intervals.items[s.to].t0 + rows_interval_len(x, s.to) : 0));
	return s;
}

/* Of a whole table, in its order; free() it. */
static struct spot *spots_make(const struct rows *x, size_t n, void (*get)(const struct rows *x, size_t i, uint32_t *thread,
									   uint64_t *t0, uint64_t *t1))
{
	struct spot *spots = xcalloc(n, sizeof(*spots));
	uint32_t *last = xcalloc(x->n_threads, sizeof(*last));

	for (uint32_t i = 0; i < x->n_threads; i++)
		last[i] = x->by_thread.first[i];
	for (size_t i = 0; i < n; i++) {
		uint32_t thread;
		uint64_t t0, t1;

		get(x, i, &thread, &t0, &t1);
		spots[i] = spot_of(x, thread, t0, t1);
		spots[i].skip = (int64_t)spots[i].at - last[thread];
		last[thread] = spots[i].to;
	}
	free(last);
	return spots;
}

static uint64_t spot_skip(const void *ctx, size_t i) { return (uint64_t)((const struct spot *)ctx)[i].skip; }
static uint64_t spot_span(const void *ctx, size_t i) { return ((const struct spot *)ctx)[i].to - ((const struct spot *)ctx)[i].at; }
static uint64_t spot_begin(const void *ctx, size_t i) { return (uint64_t)((const struct spot *)ctx)[i].begin; }
static uint64_t spot_end(const void *ctx, size_t i) { return (uint64_t)((const struct spot *)ctx)[i].end; }

static void put_spots(struct block_writer *w, const struct spot *spots)
{
	table_column(w, "skip", 's', spot_skip, spots);
	table_column(w, "span", 'u', spot_span, spots);
	table_column(w, "begin", 's', spot_begin, spots);
	table_column(w, "end", 's', spot_end, spots);
}

/* ---- holds ---- */

/* A hold's pieces in their order; what they say is not said again beside them. */
#define FOR_PIECES(x, row, k) \
	for (const struct piece *k = piece_at(x, (x)->pieces.holds[row].first); k; k = piece_at(x, k->next))

static const struct piece *piece_at(const struct rows *x, uint32_t index)
{
	return index ? &x->pieces.items.items[index - 1] : NULL;
}

static uint64_t pieces_ns(const struct rows *x, uint32_t row, enum holder_state state)
{
	uint64_t ns = 0;

	FOR_PIECES(x, row, k)
		ns += k->state == state ? k->ns : 0;
	return ns;
}

static uint64_t pieces_n(const struct rows *x, uint32_t row)
{
	uint64_t n = 0;

	FOR_PIECES(x, row, k)
		n++;
	return n;
}

static uint64_t other_stack(const struct rows *x, uint32_t row, uint32_t stack)
{
	uint32_t last = 0;

	FOR_PIECES(x, row, k)
		last = k->stack;
	return last == stack ? 0 : dense(x, stack) + 1;
}

COLUMN(hold_thread, holds_by_lock, holds, v->thread)
COLUMN(hold_flags, holds_by_lock, holds, v->flags)
COLUMN(hold_blocked, holds_by_lock, holds, v->blocked - pieces_ns(x, row, HOLDER_BLOCKED))
COLUMN(hold_preempted, holds_by_lock, holds, v->preempted - pieces_ns(x, row, HOLDER_PREEMPTED))
COLUMN(hold_stack, holds_by_lock, holds, other_stack(x, row, v->stack))
COLUMN(hold_pieces, holds_by_lock, holds, pieces_n(x, row) + (v->flags & 0))

static void hold_times(const struct rows *x, size_t i, uint32_t *thread, uint64_t *t0, uint64_t *t1)
{
	const struct row_hold *h = &x->holds.items[x->holds_by_lock.row[i]];

	*thread = h->thread;
	*t0 = h->t0;
	*t1 = h->t1;
}

static void write_holds(const struct rows *x, struct block_writer *w, const struct spot *spots)
{
	table_begin(w, "holds", x->holds.n);
	table_column(w, "thread", 'u', hold_thread, x);
	put_spots(w, spots);
	table_column(w, "flags", 'u', hold_flags, x);
	table_column(w, "pieces", 'u', hold_pieces, x); /* how many */
	table_column(w, "blocked", 's', hold_blocked, x); /* less what its pieces say */
	table_column(w, "preempted", 's', hold_preempted, x);
	table_column(w, "stack", 'u', hold_stack, x); /* 0: of the last piece, else + 1 */
	table_end(w);
}

struct piece_view {
	const struct rows *x;
	const uint32_t *order; /* pieces in the order of holds */
};

#define PIECE(name, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct piece_view *view = ctx; \
		const struct piece *k = &view->x->pieces.items.items[view->order[i]]; \
		return (expression); \
	}
PIECE(piece_ns, k->next ? k->ns : 0)
PIECE(piece_state, k->state)
PIECE(piece_nr, k->nr)
PIECE(piece_stack, dense(view->x, k->stack))

static void write_pieces(const struct rows *x, struct block_writer *w)
{
	vec(uint32_t) order = { 0 };
	struct piece_view view = { .x = x };

	vec_reserve(&order, x->pieces.items.n);
	for (size_t i = 0; i < x->holds.n; i++)
		FOR_PIECES(x, x->holds_by_lock.row[i], k)
			vec_push(&order, (uint32_t)(k - x->pieces.items.items));
	view.order = order.items;
	table_begin(w, "pieces", order.n);
	table_column(w, "ns", 'u', piece_ns, &view); /* 0 of a hold's last one: the rest of the hold */
	table_column(w, "state", 'u', piece_state, &view);
	table_column(w, "nr", 'u', piece_nr, &view); /* + 1 */
	table_column(w, "stack", 'u', piece_stack, &view);
	table_end(w);
	vec_done(&order);
}

/* ---- waits ---- */

/* The last hold of the lock that begins at or before t, by its place in table holds; UINT32_MAX none. */
static uint32_t hold_at(const struct rows *x, uint32_t lock, uint64_t t)
{
	const uint32_t after = rows_hold_after(x, lock, t);

	return after > x->holds_by_lock.first[lock] ? after - 1 : UINT32_MAX;
}

static const struct row_hold *hold_place(const struct rows *x, uint32_t place)
{
	return &x->holds.items[x->holds_by_lock.row[place]];
}

struct wait_view {
	const struct rows *x;
	struct spot *spots;
};

static const struct row_look *first_interval(const struct rows *x, uint32_t thread, const struct spot *s)
{
	const struct order *o = &x->by_thread;

	return o->first[thread] < o->first[thread + 1] ? rows_look(x, s->at) : NULL;
}

#define WAIT(name, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct wait_view *view = ctx; \
		const struct rows *x = view->x; \
		const struct row_wait *v = &x->waits.items[x->waits_by_thread.row[i]]; \
		const struct row_look *first = first_interval(x, v->thread, &view->spots[i]); \
		(void)first; \
		return (expression); \
	}
WAIT(wait_lock, first && x->kinds.items[first->kind].lock == v->lock ? 0 : (uint64_t)v->lock + 1)
WAIT(wait_stack, (first ? first->stack : 0) == v->stack ? 0 : dense(x, v->stack) + 1)
WAIT(wait_ended, v->end)
WAIT(wait_flags, v->flags)
WAIT(wait_sleeps, v->sleeps - (uint64_t)(view->spots[i].to - view->spots[i].at + 1))
WAIT(wait_wake, v->wake)

/* Whoever had the lock before the hold that it ended in woke it, mostly. */
static uint64_t wait_waker(const void *ctx, size_t i)
{
	const struct rows *x = ((const struct wait_view *)ctx)->x;
	const struct row_wait *v = &x->waits.items[x->waits_by_thread.row[i]];
	uint32_t place = hold_at(x, v->lock, v->t1);
	bool before = place != UINT32_MAX && place > x->holds_by_lock.first[v->lock];

	return before && hold_place(x, place - 1)->thread == v->waker ? 0 : or_none(v->waker) + 1;
}

static void wait_times(const struct rows *x, size_t i, uint32_t *thread, uint64_t *t0, uint64_t *t1)
{
	const struct row_wait *v = &x->waits.items[x->waits_by_thread.row[i]];

	*thread = v->thread;
	*t0 = v->t0;
	*t1 = v->t1;
}

static void write_waits(const struct rows *x, struct block_writer *w)
{
	struct wait_view view = { x, spots_make(x, x->waits.n, wait_times) };

	table_begin(w, "waits", x->waits.n);
	put_spots(w, view.spots);
	table_column(w, "lock", 'u', wait_lock, &view); /* 0: that of its first interval, else + 1 */
	table_column(w, "stack", 'u', wait_stack, &view); /* 0: of its first interval, else + 1 */
	table_column(w, "ended", 'u', wait_ended, &view);
	table_column(w, "flags", 'u', wait_flags, &view);
	table_column(w, "sleeps", 's', wait_sleeps, &view); /* less its intervals */
	table_column(w, "wake", 'u', wait_wake, &view);
	table_column(w, "waker", 'u', wait_waker, &view); /* 0: the holder before the hold at its end; 1 none; else thread + 2 */
	table_end(w);
	free(view.spots);
}

struct delta_view {
	const struct rows *x;
	const uint32_t *place; /* of a wait's row in the order */
};

static int by_place(const void *pa, const void *pb, void *ctx)
{
	const struct piece_delta *a = pa, *b = pb;
	const uint32_t *place = ctx;

	return (place[a->wait] > place[b->wait]) - (place[a->wait] < place[b->wait]);
}

#define DELTA(name, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct delta_view *d = ctx; \
		const struct piece_delta *v = &d->x->pieces.deltas.items[i]; \
		return (expression); \
	}
DELTA(delta_wait, d->place[v->wait])
DELTA(delta_holder, or_none(v->key.holder))
DELTA(delta_state, v->key.state)
DELTA(delta_nr, v->key.nr)
DELTA(delta_stack, dense(d->x, v->key.stack))
DELTA(delta_ns, (uint64_t)v->ns)

static void write_deltas(const struct rows *x, struct block_writer *w)
{
	uint32_t *place = xcalloc(x->waits.n, sizeof(*place));
	struct delta_view view = { x, place };

	for (uint32_t i = 0; i < x->waits.n; i++)
		place[x->waits_by_thread.row[i]] = i;
	if (x->pieces.deltas.n)
		qsort_r(x->pieces.deltas.items, x->pieces.deltas.n, sizeof(*x->pieces.deltas.items), by_place, place);
	table_begin(w, "deltas", x->pieces.deltas.n);
	table_column(w, "wait", 'd', delta_wait, &view);
	table_column(w, "holder", 'u', delta_holder, &view); /* thread + 1 */
	table_column(w, "state", 'u', delta_state, &view);
	table_column(w, "nr", 'u', delta_nr, &view); /* + 1 */
	table_column(w, "stack", 'u', delta_stack, &view);
	table_column(w, "ns", 's', delta_ns, &view); /* to be added to what the pieces say */
	table_end(w);
	free(place);
}

/* ---- hand-offs ---- */

/* By the hold that the lock was taken for and the one before it. */
struct handoff_spot {
	const struct rows *x;
	const struct row_handoff *v;
	const struct row_hold *taken, *before; /* NULL none */
	int64_t skip;
};

static struct handoff_spot *handoff_spots(const struct rows *x)
{
	struct handoff_spot *spots = xcalloc(x->handoffs.n, sizeof(*spots));
	uint32_t last = 0, lock = MODEL_NONE;

	for (size_t i = 0; i < x->handoffs.n; i++) {
		struct handoff_spot *s = &spots[i];
		uint32_t place;

		s->x = x;
		s->v = &x->handoffs.items[x->handoffs_by_lock.row[i]];
		if (s->v->lock != lock)
			last = x->holds_by_lock.first[s->v->lock];
		lock = s->v->lock;
		place = hold_at(x, lock, s->v->acquire);
		if (place == UINT32_MAX) {
			s->skip = -1 - (int64_t)(last - x->holds_by_lock.first[lock]); /* before the lock's first */
			continue;
		}
		s->taken = hold_place(x, place);
		s->before = place > x->holds_by_lock.first[lock] ? hold_place(x, place - 1) : NULL;
		s->skip = (int64_t)place - last;
		last = place;
	}
	return spots;
}

#define HANDOFF(name, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct handoff_spot *s = &((const struct handoff_spot *)ctx)[i]; \
		return (expression); \
	}
HANDOFF(handoff_skip, (uint64_t)s->skip)
HANDOFF(handoff_to, s->taken && s->taken->thread == s->v->to ? 0 : (uint64_t)s->v->to + 1)
HANDOFF(handoff_acquire, s->v->acquire - (s->taken ? s->taken->t0 : 0))
HANDOFF(handoff_from, s->before && s->before->thread == s->v->from ? 0 : or_none(s->v->from) + 1)
HANDOFF(handoff_release, s->v->release == ROW_NEVER ? 0
	: column_signed((int64_t)(s->v->release - (s->before ? s->before->t1 : 0))) + 1)
HANDOFF(handoff_stack, (s->before ? s->before->stack : 0) == s->v->stack ? 0 : dense(s->x, s->v->stack) + 1)
HANDOFF(handoff_forced, s->v->forced ^ (s->before && (s->before->flags & HOLD_F_FORCED)))

static void write_handoffs(const struct rows *x, struct block_writer *w)
{
	struct handoff_spot *spots = handoff_spots(x);

	table_begin(w, "handoffs", x->handoffs.n);
	table_column(w, "skip", 's', handoff_skip, spots); /* place of the hold taken, less that of the row before it */
	table_column(w, "to", 'u', handoff_to, spots); /* 0: the thread of that hold, else + 1 */
	table_column(w, "acquire", 's', handoff_acquire, spots); /* less the begin of that hold */
	table_column(w, "from", 'u', handoff_from, spots); /* 0: the thread of the hold before that; 1 none; else + 2 */
	table_column(w, "release", 'u', handoff_release, spots); /* 0 not seen; else 1 + signed, less the end of that one */
	table_column(w, "stack", 'u', handoff_stack, spots); /* 0: of that one, else + 1 */
	table_column(w, "forced", 'u', handoff_forced, spots); /* 1: otherwise than that one's flag */
	table_end(w);
	free(spots);
}

COLUMN(sample_t, samples_by_thread, samples, v->t)
COLUMN(sample_state, samples_by_thread, samples, v->state)
COLUMN(sample_flags, samples_by_thread, samples, v->flags)
COLUMN(sample_stack, samples_by_thread, samples, dense(x, v->stack))

static void write_samples(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "samples", x->samples.n);
	table_column(w, "t", 'd', sample_t, x);
	table_column(w, "state", 'u', sample_state, x);
	table_column(w, "flags", 'u', sample_flags, x);
	table_column(w, "stack", 'u', sample_stack, x);
	table_end(w);
}

COLUMN(tally_t0, tallies_by_thread, tallies, v->t0)
COLUMN(tally_len, tallies_by_thread, tallies, v->t1 - v->t0)
COLUMN(tally_state, tallies_by_thread, tallies, v->state)
COLUMN(tally_flags, tallies_by_thread, tallies, v->flags)
COLUMN(tally_lock, tallies_by_thread, tallies, or_none(v->lock))
COLUMN(tally_n, tallies_by_thread, tallies, v->n)
COLUMN(tally_ns, tallies_by_thread, tallies, v->ns)

static void write_tallies(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "tallies", x->tallies.n);
	table_column(w, "t0", 'd', tally_t0, x);
	table_column(w, "len", 'u', tally_len, x);
	table_column(w, "state", 'u', tally_state, x);
	table_column(w, "flags", 'u', tally_flags, x);
	table_column(w, "lock", 'u', tally_lock, x); /* lock + 1 */
	table_column(w, "n", 'u', tally_n, x);
	table_column(w, "ns", 'u', tally_ns, x);
	table_end(w);
}

struct spot *tables_write_intervals(const struct rows *x, struct block_writer *w)
{
	write_intervals(x, w);
	write_waits(x, w);
	return spots_make(x, x->holds.n, hold_times);
}

void tables_write_rest(const struct rows *x, struct block_writer *w, const struct spot *holds)
{
	write_holds(x, w, holds);
	write_pieces(x, w);
	write_deltas(x, w);
	write_handoffs(x, w);
	write_samples(x, w);
	write_tallies(x, w);
}
