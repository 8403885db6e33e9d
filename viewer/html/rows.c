/* See rows.h. */
#include "viewer/html/rows.h"

#include <string.h>

#include "core/analysis/row_tap.h"
#include "core/util/xalloc.h"

static uint64_t relative(const struct rows *x, uint64_t t_ns)
{
	return t_ns > x->start_ns ? t_ns - x->start_ns : 0;
}

static uint32_t look_of(struct rows *x, const struct interval *i)
{
	const struct row_kind kind = { .state = i->state, .flags = i->flags & 31, .lock = i->lock, .nr = i->nr };
	struct row_look look = { .thread = i->thread, .stack = (uint32_t)i->stack };
	bool is_new;
	uint32_t number;

	look.kind = pool_number(&x->kind_numbers, &kind, sizeof(kind), &is_new);
	if (is_new)
		vec_push(&x->kinds, kind);
	number = pool_number(&x->look_numbers, &look, sizeof(look), &is_new);
	if (is_new)
		vec_push(&x->looks, look);
	return number;
}

static int on_process(void *ctx, const struct reader_process *p)
{
	struct rows *x = ctx;

	x->processes[p->row.proc] = (struct row_process){
		.name = arena_strdup(&x->names, p->name),
		.runtime = p->runtime ? arena_strdup(&x->names, p->runtime) : NULL,
		.pid = p->shown_pid, .switch_interval_ns = p->switch_interval_ns, .known = true,
	};
	return 0;
}

static int on_thread(void *ctx, const struct reader_thread *t)
{
	struct rows *x = ctx;

	x->threads[t->row.thread] = (struct row_thread){
		.name = arena_strdup(&x->names, *t->python_name ? t->python_name : t->row.comm),
		.process = t->row.proc, .tid = t->row.tid, .main = t->row.is_main,
		.first_ns = relative(x, t->row.first_ns), .last_ns = relative(x, t->row.last_ns),
	};
	return 0;
}

static int add_interval(void *ctx, const struct interval *i)
{
	struct rows *x = ctx;
	struct row_interval row = { .t0 = relative(x, i->t0_ns) };
	uint64_t len = relative(x, i->t1_ns) - row.t0;
	struct interval of_use = *i;

	of_use.lock = lock_uses_find(&x->locks, i->lock, i->thread, i->stack);
	if (x->reduce.on && reduce_interval(&x->reduce, x, &of_use, row.t0, row.t0 + len))
		return 0;
	row.look = look_of(x, &of_use);
	row.len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
	if (row.len == UINT32_MAX)
		vec_push(&x->longs, ((struct row_long){ (uint32_t)x->intervals.n, len }));
	vec_push(&x->intervals, row);
	return 0;
}

/* Of too many the lengths are looked at first, and the rows are read once more (waits_read, intervals_read). */
static int on_interval(void *ctx, const struct interval *i)
{
	struct rows *x = ctx;

	if (!x->reduce.on)
		return add_interval(x, i);
	reduce_look(&x->reduce, i);
	return 0;
}

static int on_wait(void *ctx, const struct wait *w)
{
	struct rows *x = ctx;

	vec_push(&x->wait_ids, w->wait);
	vec_push(&x->waits, ((struct row_wait){
		.t0 = relative(x, w->t0_ns), .t1 = relative(x, w->t1_ns), .wake = w->wake_latency_ns, .thread = w->thread,
		.lock = lock_uses_wait(&x->locks, w), .stack = (uint32_t)w->stack, .sleeps = w->sleeps, .waker = w->waker,
		.end = (unsigned char)w->end, .flags = (unsigned char)w->flags,
	}));
	return 0;
}

static void end_run(struct rows *x)
{
	if (x->run.wait != MODEL_NONE)
		pieces_wait(&x->pieces, x->run.wait, x->run.credits.items, x->run.credits.n);
	vec_clear(&x->run.credits);
}

/* Credits come in the order of their waits. */
static uint32_t wait_row(const struct rows *x, uint64_t id)
{
	size_t low = 0, high = x->wait_ids.n, next = x->run.wait == MODEL_NONE ? 0 : (size_t)x->run.wait + 1;

	if (next < x->wait_ids.n && x->wait_ids.items[next] == id)
		return (uint32_t)next;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (x->wait_ids.items[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->wait_ids.n && x->wait_ids.items[low] == id ? (uint32_t)low : MODEL_NONE;
}

/* The credits of a wait lie together. */
static int on_credit(void *ctx, const struct credit *c)
{
	struct rows *x = ctx;

	if (x->run.id != c->wait) {
		end_run(x);
		x->run.id = c->wait;
		x->run.wait = wait_row(x, c->wait);
	}
	if (x->run.wait != MODEL_NONE)
		vec_push(&x->run.credits, *c);
	return 0;
}

static int on_hold(void *ctx, const struct hold *h)
{
	struct rows *x = ctx;

	vec_push(&x->holds, ((struct row_hold){
		.t0 = relative(x, h->t0_ns), .t1 = relative(x, h->t1_ns), .blocked = h->blocked_ns, .preempted = h->preempted_ns,
		.thread = h->thread, .lock = h->lock, .stack = (uint32_t)h->stack, .flags = h->flags & 31,
	}));
	return 0;
}

static int on_handoff(void *ctx, const struct handoff *h)
{
	struct rows *x = ctx;

	vec_push(&x->handoffs, ((struct row_handoff){
		.release = h->t_release_ns ? relative(x, h->t_release_ns) : ROW_NEVER, .acquire = relative(x, h->t_acquire_ns),
		.lock = h->lock, .from = h->from, .to = h->to, .stack = (uint32_t)h->stack, .forced = h->forced,
	}));
	return 0;
}

static int on_sample(void *ctx, const struct sample_row *s)
{
	struct rows *x = ctx;

	vec_push(&x->samples, ((struct row_sample){
		.t = relative(x, s->t_ns), .thread = s->thread, .stack = (uint32_t)s->stack,
		.state = (unsigned char)s->state, .flags = (unsigned char)(s->flags & 7),
	}));
	return 0;
}

static int on_tally(void *ctx, const struct tally *t)
{
	struct rows *x = ctx;

	vec_push(&x->tallies, ((struct row_tally){
		.t0 = relative(x, t->t0_ns), .t1 = relative(x, t->t1_ns), .n = t->n, .ns = t->ns, .thread = t->thread,
		.lock = lock_uses_find(&x->locks, t->lock, t->thread, 0), .state = (unsigned char)t->state, .flags = (unsigned char)(t->flags & 31),
	}));
	return 0;
}

/* ---- order ---- */

struct sortable { /* a table, seen by the two members it is ordered by */
	const char *items;
	size_t size, group_at, time_at;
	const struct row_look *looks; /* the group is the thread of the look; NULL: it is the group itself */
};

static uint32_t group_of(const struct sortable *s, uint32_t row)
{
	uint32_t group = *(const uint32_t *)(const void *)(s->items + row * s->size + s->group_at);

	return s->looks ? s->looks[group].thread : group;
}

static uint64_t time_of(const struct sortable *s, uint32_t row)
{
	return *(const uint64_t *)(const void *)(s->items + row * s->size + s->time_at);
}

static int by_time(const void *pa, const void *pb, void *ctx)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	uint64_t ta = time_of(ctx, a), tb = time_of(ctx, b);

	return ta != tb ? (ta < tb ? -1 : 1) : (a > b) - (a < b);
}

/* Counting, and a sort of the groups that are not in order already: rows were settled thread by thread in order of time. */
static void order_make(struct order *o, struct sortable s, size_t n, size_t groups)
{
	uint32_t *next = xcalloc(groups + 2, sizeof(*next));

	*o = (struct order){ .row = xrealloc_array(NULL, n ? n : 1, sizeof(*o->row)), .first = next, .n = n, .groups = groups };
	for (uint32_t i = 0; i < n; i++)
		next[group_of(&s, i) + 2]++;
	for (size_t g = 2; g < groups + 2; g++)
		next[g] += next[g - 1];
	for (uint32_t i = 0; i < n; i++)
		o->row[next[group_of(&s, i) + 1]++] = i;
	for (size_t g = 0; g < groups; g++) {
		uint32_t *row = o->row + o->first[g], in_group = o->first[g + 1] - o->first[g], i = 1;

		while (i < in_group && time_of(&s, row[i - 1]) <= time_of(&s, row[i]))
			i++;
		if (i < in_group)
			qsort_r(row, in_group, sizeof(*row), by_time, &s);
	}
}

static void order_done(struct order *o)
{
	free(o->row);
	free(o->first);
	*o = (struct order){ 0 };
}

#define ORDER(o, table, group, time, groups, looks) \
	order_make((o), (struct sortable){ (const char *)(table).items, sizeof(*(table).items), \
					   offsetof(__typeof__(*(table).items), group), \
					   offsetof(__typeof__(*(table).items), time), (looks) }, (table).n, (groups))

static bool too_many(const struct rows *x)
{
	struct reader_counts n = reader_counts(x->reader);

	return n.intervals > x->reduce.limits->intervals || n.credits > x->reduce.limits->credits;
}

static int on_waits_read(void *ctx)
{
	struct rows *x = ctx;

	x->n_locks = (uint32_t)x->locks.items.n;
	ORDER(&x->holds_by_lock, x->holds, lock, t0, x->n_locks, NULL);
	ORDER(&x->waits_by_thread, x->waits, thread, t0, x->n_threads, NULL);
	if (too_many(x)) {
		reduce_waits(&x->reduce, x);
		order_done(&x->waits_by_thread);
		ORDER(&x->waits_by_thread, x->waits, thread, t0, x->n_threads, NULL);
	}
	pieces_init(&x->pieces, x);
	return 0;
}

/* Moves the intervals to where the order has them, one cycle after the other, and lets go of the order: four bytes each. */
static void rearrange(struct rows *x)
{
	struct row_interval *items = x->intervals.items;
	uint32_t *from = x->by_thread.row;
	__typeof__(x->longs) longs = { 0 };

	for (uint32_t i = 0; i < x->by_thread.n && x->longs.n; i++)
		if (items[from[i]].len == UINT32_MAX)
			vec_push(&longs, ((struct row_long){ i, rows_interval_len(x, from[i]) }));
	vec_done(&x->longs);
	x->longs = longs;
	for (uint32_t i = 0; i < x->by_thread.n; i++) {
		const struct row_interval first = items[i];
		uint32_t at = i, next;

		for (; (next = from[at]) != i && next != MODEL_NONE; at = next) {
			items[at] = items[next];
			from[at] = MODEL_NONE;
		}
		if (next == i)
			items[at] = first;
		from[at] = MODEL_NONE;
	}
	free(from);
	x->by_thread.row = NULL;
}

static int on_intervals_read(void *ctx)
{
	struct rows *x = ctx;
	int err = 0;

	if (x->reduce.on) {
		reduce_choose(&x->reduce);
		err = reader_intervals(x->reader, MODEL_NONE, add_interval, x);
		reduce_finish(&x->reduce, x);
	}
	if (err)
		return err;
	ORDER(&x->by_thread, x->intervals, look, t0, x->n_threads, x->looks.items);
	rearrange(x);
	x->on_intervals(x);
	vec_done(&x->intervals);
	vec_done(&x->longs);
	return 0;
}

void rows_finish(struct rows *x)
{
	end_run(x);
	pieces_finish(&x->pieces);
	ORDER(&x->samples_by_thread, x->samples, thread, t, x->n_threads, NULL);
	ORDER(&x->tallies_by_thread, x->tallies, thread, t0, x->n_threads, NULL);
	ORDER(&x->handoffs_by_lock, x->handoffs, lock, acquire, x->n_locks, NULL);
}

static int on_begin(void *ctx, struct reader *r)
{
	struct rows *x = ctx;
	const struct reader_info *info = reader_info(r);
	int err;

	x->reader = r;
	x->start_ns = info->start_mono_ns;
	x->duration_ns = relative(x, info->end_ns);
	x->n_processes = info->procs;
	x->n_threads = info->threads;
	x->processes = xcalloc(x->n_processes, sizeof(*x->processes));
	x->threads = xcalloc(x->n_threads, sizeof(*x->threads));
	x->stacks = xcalloc(1, sizeof(*x->stacks));
	stack_table_init(x->stacks, r);
	err = reader_processes(r, on_process, x);
	err = err ? err : reader_threads(r, on_thread, x);
	return err ? err : lock_uses_load(&x->locks, r);
}

void rows_init(struct rows *ret, const struct reduce_limits *limits, void (*on_intervals)(struct rows *x))
{
	*ret = (struct rows){ .reduce.limits = limits, .on_intervals = on_intervals, .run = { .id = UINT64_MAX, .wait = MODEL_NONE } };
}

struct row_tap rows_tap(struct rows *x)
{
	return (struct row_tap){
		.ctx = x, .begin = on_begin, .hold = on_hold, .wait = on_wait, .waits_read = on_waits_read, .credit = on_credit,
		.tally = on_tally, .interval = on_interval, .intervals_read = on_intervals_read, .handoff = on_handoff,
		.sample = on_sample,
	};
}

void rows_done(struct rows *x)
{
	order_done(&x->by_thread);
	order_done(&x->waits_by_thread);
	order_done(&x->samples_by_thread);
	order_done(&x->tallies_by_thread);
	order_done(&x->holds_by_lock);
	order_done(&x->handoffs_by_lock);
	vec_done(&x->kinds);
	vec_done(&x->looks);
	pool_done(&x->kind_numbers);
	pool_done(&x->look_numbers);
	vec_done(&x->run.credits);
	vec_done(&x->intervals);
	vec_done(&x->longs);
	vec_done(&x->waits);
	vec_done(&x->wait_ids);
	pieces_done(&x->pieces);
	reduce_done(&x->reduce);
	vec_done(&x->holds);
	vec_done(&x->handoffs);
	vec_done(&x->samples);
	vec_done(&x->tallies);
	if (x->stacks)
		stack_table_done(x->stacks);
	free(x->stacks);
	arena_done(&x->names);
	free(x->processes);
	free(x->threads);
	lock_uses_done(&x->locks);
}

uint64_t rows_interval_len(const struct rows *x, uint32_t row)
{
	size_t at;

	if (x->intervals.items[row].len != UINT32_MAX)
		return x->intervals.items[row].len;
	at = vec_first_from(&x->longs, row, row);
	return at < x->longs.n ? x->longs.items[at].len : UINT32_MAX;
}

uint32_t rows_hold_after(const struct rows *x, uint32_t lock, uint64_t t)
{
	const struct order *o = &x->holds_by_lock;
	uint32_t low = o->first[lock], high = o->first[lock + 1];

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (x->holds.items[o->row[mid]].t0 <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
