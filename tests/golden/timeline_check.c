/* The rules:
 *   1. a thread's intervals do not overlap, lie within its life, and together with its tallies add up to it exactly;
 *   2. the credits of a wait add up to its length, and a waiter is never its own holder;
 *   3. no two holds of a lock overlap; the time off the CPU is part of the hold;
 *   4. a thread's WAIT_GIL time is that of its waits for GILs (counted ones apart);
 *   5. ids are given in order and rows speak of known ids only. */
#include "tests/golden/timeline_check.h"

#include <inttypes.h>
#include <string.h>

#include "core/event/event_text.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

struct timeline_check {
	struct timeline_sink sink;
	vec(struct proc_row) procs;
	vec(struct thread_row) threads; /* by id */
	vec(struct lock_row) locks; /* by id */
	vec(struct interval) intervals;
	vec(struct tally) tallies;
	vec(struct wait) waits; /* by id */
	vec(struct credit) credits;
	vec(struct hold) holds;
	vec(struct handoff) handoffs;
	vec(struct sample_row) samples;
	vec(struct stall) stalls;
	vec(struct process_event) process_events;
	size_t broken;
	FILE *complaints;
};

#define BROKEN(c, ...) ((c)->broken++, (c)->complaints ? (void)fprintf((c)->complaints, "broken: " __VA_ARGS__) : (void)0)

static void on_proc(void *ctx, const struct proc_row *r)
{
	struct timeline_check *c = ctx;

	if (r->proc != c->procs.n)
		c->broken++;
	vec_push(&c->procs, *r);
}

static void on_thread(void *ctx, const struct thread_row *r)
{
	struct timeline_check *c = ctx;

	if (r->thread < c->threads.n)
		c->threads.items[r->thread] = *r;
	else if (r->thread == c->threads.n)
		vec_push(&c->threads, *r);
	else
		c->broken++;
}

static void on_lock(void *ctx, const struct lock_row *r)
{
	struct timeline_check *c = ctx;

	if (r->lock < c->locks.n)
		c->locks.items[r->lock] = *r;
	else if (r->lock == c->locks.n)
		vec_push(&c->locks, *r);
	else
		c->broken++;
}

static void on_wait(void *ctx, const struct wait *r)
{
	struct timeline_check *c = ctx;

	if (r->wait != c->waits.n)
		c->broken++;
	vec_push(&c->waits, *r);
}

#define KEEP(name, type, list)                                                   \
	static void on_##name(void *ctx, const struct type *r)                   \
	{                                                                        \
		struct timeline_check *c = ctx;                                  \
                                                                                 \
		vec_push(&c->list, *r);                                          \
	}
KEEP(interval, interval, intervals)
KEEP(tally, tally, tallies)
KEEP(credit, credit, credits)
KEEP(hold, hold, holds)
KEEP(handoff, handoff, handoffs)
KEEP(sample, sample_row, samples)
KEEP(stall, stall, stalls)
KEEP(process_event, process_event, process_events)

struct timeline_check *check_new(void)
{
	struct timeline_check *c = xcalloc(1, sizeof(*c));

	c->sink = (struct timeline_sink){
		.ctx = c, .proc = on_proc, .thread = on_thread, .lock = on_lock, .interval = on_interval, .tally = on_tally,
		.wait = on_wait, .credit = on_credit, .hold = on_hold, .handoff = on_handoff, .sample = on_sample,
		.stall = on_stall, .process_event = on_process_event,
	};
	return c;
}

void check_free(struct timeline_check *c)
{
	vec_done(&c->procs);
	vec_done(&c->threads);
	vec_done(&c->locks);
	vec_done(&c->intervals);
	vec_done(&c->tallies);
	vec_done(&c->waits);
	vec_done(&c->credits);
	vec_done(&c->holds);
	vec_done(&c->handoffs);
	vec_done(&c->samples);
	vec_done(&c->stalls);
	vec_done(&c->process_events);
	free(c);
}

const struct timeline_sink *check_sink(struct timeline_check *c)
{
	return &c->sink;
}

/* --- the rules ---------------------------------------------------------------------------------------------- */

static int by_thread_and_time(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->t0_ns < y->t0_ns ? -1 : x->t0_ns > y->t0_ns;
}

static int by_lock_and_time(const void *a, const void *b)
{
	const struct hold *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->t0_ns < y->t0_ns ? -1 : x->t0_ns > y->t0_ns;
}

static bool is_gil(const struct timeline_check *c, uint32_t lock)
{
	return lock < c->locks.n && c->locks.items[lock].kind == LOCK_GIL;
}

struct sums { uint64_t all, wait_gil, waits, tallied_wait, tallies; };

static void verify_threads(struct timeline_check *c)
{
	struct sums *sums = xcalloc(c->threads.n + 1, sizeof(*sums));

	for (size_t i = 0; i < c->intervals.n; i++) {
		const struct interval *r = &c->intervals.items[i], *last = i ? r - 1 : NULL;
		const struct thread_row *th = r->thread < c->threads.n ? &c->threads.items[r->thread] : NULL;

		if (!th || r->t1_ns <= r->t0_ns || r->t0_ns < th->first_ns || r->t1_ns > th->last_ns) {
			BROKEN(c, "interval %" PRIu64 "..%" PRIu64 " of thread %u\n", r->t0_ns, r->t1_ns, r->thread);
			continue;
		}
		if (last && last->thread == r->thread && last->t1_ns > r->t0_ns)
			BROKEN(c, "overlap at %" PRIu64 " of thread %u\n", r->t0_ns, r->thread);
		if (r->lock != MODEL_NONE && r->lock >= c->locks.n)
			BROKEN(c, "lock %u of an interval\n", r->lock);
		sums[r->thread].all += r->t1_ns - r->t0_ns;
		if (r->state == STATE_WAIT_GIL)
			sums[r->thread].wait_gil += r->t1_ns - r->t0_ns;
	}
	for (size_t i = 0; i < c->tallies.n; i++) {
		const struct tally *r = &c->tallies.items[i];

		sums[r->thread].all += r->ns;
		sums[r->thread].tallies++;
	}
	for (size_t i = 0; i < c->waits.n; i++)
		if (is_gil(c, c->waits.items[i].lock))
			sums[c->waits.items[i].thread].waits += c->waits.items[i].t1_ns - c->waits.items[i].t0_ns;
	for (size_t i = 0; i < c->threads.n; i++) {
		uint64_t life = c->threads.items[i].last_ns - c->threads.items[i].first_ns;

		if (sums[i].all != life)
			BROKEN(c, "states of thread %zu add up to %" PRIu64 ", it lived %" PRIu64 "\n", i, sums[i].all, life);
		if (!sums[i].tallies && sums[i].wait_gil != sums[i].waits)
			BROKEN(c, "thread %zu waited %" PRIu64 " by state, %" PRIu64 " by waits\n", i, sums[i].wait_gil, sums[i].waits);
	}
	free(sums);
}

static void verify_waits(struct timeline_check *c)
{
	uint64_t *credited = xcalloc(c->waits.n + 1, sizeof(*credited));

	for (size_t i = 0; i < c->credits.n; i++) {
		const struct credit *r = &c->credits.items[i];

		if (r->wait >= c->waits.n || (r->holder != MODEL_NONE && r->holder >= c->threads.n)) {
			BROKEN(c, "credit of wait %" PRIu64 " to %u\n", r->wait, r->holder);
			continue;
		}
		credited[r->wait] += r->ns;
		if (r->holder == c->waits.items[r->wait].thread)
			BROKEN(c, "wait %" PRIu64 " credited to the waiter\n", r->wait);
	}
	for (size_t i = 0; i < c->waits.n; i++) {
		const struct wait *w = &c->waits.items[i];

		if (w->t1_ns < w->t0_ns || credited[i] != w->t1_ns - w->t0_ns)
			BROKEN(c, "wait %zu lasts %" PRIu64 ", credits %" PRIu64 "\n", i, w->t1_ns - w->t0_ns, credited[i]);
		if (w->thread >= c->threads.n || w->lock >= c->locks.n)
			BROKEN(c, "ids of wait %zu\n", i);
	}
	free(credited);
}

static void verify_holds(struct timeline_check *c)
{
	for (size_t i = 0; i < c->holds.n; i++) {
		const struct hold *r = &c->holds.items[i], *last = i ? r - 1 : NULL;

		if (r->t1_ns <= r->t0_ns || r->blocked_ns + r->preempted_ns > r->t1_ns - r->t0_ns || !is_gil(c, r->lock))
			BROKEN(c, "hold %" PRIu64 "..%" PRIu64 " of thread %u\n", r->t0_ns, r->t1_ns, r->thread);
		if (last && last->lock == r->lock && last->t1_ns > r->t0_ns)
			BROKEN(c, "two holders of lock %u at %" PRIu64 ": threads %u and %u\n", r->lock, r->t0_ns, last->thread, r->thread);
	}
	for (size_t i = 0; i < c->handoffs.n; i++) {
		const struct handoff *r = &c->handoffs.items[i];

		if (r->t_release_ns > r->t_acquire_ns || r->from == r->to)
			BROKEN(c, "hand-off at %" PRIu64 "\n", r->t_acquire_ns);
	}
}

size_t check_verify(struct timeline_check *c, FILE *complaints)
{
	c->complaints = complaints;
	if (c->broken)
		BROKEN(c, "ids out of order\n");
	vec_sort(&c->intervals, by_thread_and_time);
	vec_sort(&c->holds, by_lock_and_time);
	verify_threads(c);
	verify_waits(c);
	verify_holds(c);
	return c->broken;
}

/* --- printing: threads by their tid, everything in an order a person can follow ------------------------------ */

struct bit { uint32_t value; const char *word; };
static const struct bit interval_bits[] = { { INTERVAL_F_HELD, "held" }, { INTERVAL_F_INFERRED, "inferred" }, { INTERVAL_F_GC, "gc" },
					    { INTERVAL_F_UNFINISHED, "unfinished" }, { INTERVAL_F_AT_START, "at_start" }, { 0, NULL } };
static const struct bit wait_bits[] = { { WAIT_F_AT_START, "at_start" }, { WAIT_F_AFTER_FORCED, "after_forced" },
					{ WAIT_F_STACK_CARRIED, "stack_carried" }, { WAIT_F_LOSS, "loss" },
					{ WAIT_F_HOLDER_INFERRED, "holder_inferred" }, { WAIT_F_INFERRED, "inferred" }, { 0, NULL } };
static const struct bit hold_bits[] = { { HOLD_F_START_INFERRED, "start_inferred" }, { HOLD_F_END_INFERRED, "end_inferred" },
					{ HOLD_F_FORCED, "forced" }, { HOLD_F_UNFINISHED, "unfinished" }, { HOLD_F_GC, "gc" }, { 0, NULL } };
static const struct bit sample_bits[] = { { SAMPLE_F_WANTS_GIL, "wants_gil" }, { SAMPLE_F_KERNEL, "kernel" }, { SAMPLE_F_GC, "gc" },
					  { 0, NULL } };

static void put_bits(FILE *out, const struct bit *bits, uint32_t v)
{
	const char *before = " (";

	for (; bits->word; bits++) {
		if (!(v & bits->value))
			continue;
		fprintf(out, "%s%s", before, bits->word);
		before = ", ";
	}
	if (*before == ',')
		fputs(")", out);
}

static void put_time(FILE *out, const char *before, uint64_t ns)
{
	char text[EVENT_TIME_LEN];

	fprintf(out, "%s%s", before, event_time_print(text, ns));
}

static void put_span(FILE *out, uint64_t t0, uint64_t t1)
{
	put_time(out, " ", t0);
	put_time(out, "..", t1);
}

static void put_thread(FILE *out, const struct timeline_check *c, const char *before, uint32_t thread)
{
	if (thread == MODEL_NONE)
		fprintf(out, "%s-", before);
	else if (thread < c->threads.n)
		fprintf(out, "%s%u", before, c->threads.items[thread].tid);
}

static void put_stack(FILE *out, uint64_t stack)
{
	if (stack)
		fprintf(out, " stack=0x%" PRIx64, stack);
}

static void print_interval(const struct timeline_check *c, FILE *out, const struct interval *r)
{
	put_span(out, r->t0_ns, r->t1_ns);
	fprintf(out, " %s", thread_state_names[r->state]);
	if (r->nr != -1)
		fprintf(out, " nr=%d", r->nr);
	if (r->lock != MODEL_NONE)
		fprintf(out, " lock=0x%" PRIx64, c->locks.items[r->lock].addr);
	put_stack(out, r->stack);
	put_bits(out, interval_bits, r->flags);
	fputs("\n", out);
}

static void print_threads(const struct timeline_check *c, FILE *out)
{
	size_t k = 0;

	for (size_t i = 0; i < c->threads.n; i++) {
		const struct thread_row *r = &c->threads.items[i];

		fprintf(out, "thread %u of %u", r->tid, c->procs.items[r->proc].pid);
		put_span(out, r->first_ns, r->last_ns);
		if (r->comm[0])
			fprintf(out, " %s", r->comm);
		fprintf(out, "%s%s\n", r->is_main ? " main" : "", r->exited ? " exited" : "");
		for (; k < c->intervals.n && c->intervals.items[k].thread == i; k++) {
			fputs(" ", out);
			print_interval(c, out, &c->intervals.items[k]);
		}
		for (size_t j = 0; j < c->tallies.n; j++) {
			const struct tally *t = &c->tallies.items[j];

			if (t->thread != i)
				continue;
			fputs("  tally", out);
			put_span(out, t->t0_ns, t->t1_ns);
			fprintf(out, " %s n=%" PRIu64, thread_state_names[t->state], t->n);
			put_time(out, " sum=", t->ns);
			put_bits(out, interval_bits, t->flags);
			fputs("\n", out);
		}
	}
}

static void print_locks(const struct timeline_check *c, FILE *out)
{
	for (size_t i = 0; i < c->locks.n; i++) {
		const struct lock_row *r = &c->locks.items[i];

		fprintf(out, "lock 0x%" PRIx64 " %s of %u", r->addr, lock_kind_names[r->kind], c->procs.items[r->proc].pid);
		put_stack(out, r->first_stack);
		fputs("\n", out);
		for (size_t j = 0; j < c->holds.n; j++) {
			const struct hold *h = &c->holds.items[j];

			if (h->lock != i)
				continue;
			fputs("  hold", out);
			put_span(out, h->t0_ns, h->t1_ns);
			put_thread(out, c, " by ", h->thread);
			if (h->blocked_ns)
				put_time(out, " blocked=", h->blocked_ns);
			if (h->preempted_ns)
				put_time(out, " preempted=", h->preempted_ns);
			put_stack(out, h->stack);
			put_bits(out, hold_bits, h->flags);
			fputs("\n", out);
		}
		for (size_t j = 0; j < c->handoffs.n; j++) {
			const struct handoff *h = &c->handoffs.items[j];

			if (h->lock != i)
				continue;
			put_thread(out, c, "  handoff ", h->from);
			put_thread(out, c, " -> ", h->to);
			put_span(out, h->t_release_ns, h->t_acquire_ns);
			put_stack(out, h->stack);
			fprintf(out, "%s\n", h->forced ? " forced" : "");
		}
	}
}

static void print_wait(const struct timeline_check *c, FILE *out, const struct wait *w)
{
	put_thread(out, c, "wait of ", w->thread);
	fprintf(out, " for 0x%" PRIx64, c->locks.items[w->lock].addr);
	put_span(out, w->t0_ns, w->t1_ns);
	fprintf(out, " %s sleeps=%u", wait_end_names[w->end], w->sleeps);
	put_time(out, " asleep=", w->asleep_ns);
	put_time(out, " latency=", w->wake_latency_ns);
	put_thread(out, c, " waker=", w->waker);
	put_stack(out, w->stack);
	put_bits(out, wait_bits, w->flags);
	fputs("\n", out);
}

static void print_waits(const struct timeline_check *c, FILE *out)
{
	size_t k = 0;

	for (size_t i = 0; i < c->waits.n; i++) {
		print_wait(c, out, &c->waits.items[i]);
		for (; k < c->credits.n && c->credits.items[k].wait == i; k++) {
			const struct credit *r = &c->credits.items[k];

			put_time(out, "  credit ", r->ns);
			put_thread(out, c, " to ", r->holder);
			fprintf(out, " %s", holder_state_names[r->state]);
			if (r->nr != -1)
				fprintf(out, " nr=%d", r->nr);
			put_stack(out, r->stack);
			fputs("\n", out);
		}
	}
}

static void print_rest(const struct timeline_check *c, FILE *out, const struct timeline_oddities *o)
{
	static const char *const process_words[] = { "fork", "exec", "exit" };

	for (size_t i = 0; i < c->samples.n; i++) {
		const struct sample_row *r = &c->samples.items[i];

		put_thread(out, c, "sample of ", r->thread);
		put_time(out, " ", r->t_ns);
		fprintf(out, " %s", thread_state_names[r->state]);
		put_stack(out, r->stack);
		put_bits(out, sample_bits, r->flags);
		fputs("\n", out);
	}
	for (size_t i = 0; i < c->stalls.n; i++) {
		const struct stall *r = &c->stalls.items[i];

		put_thread(out, c, "callback of ", r->thread);
		put_time(out, " ", r->t0_ns);
		put_time(out, " to ", r->t1_ns);
		put_time(out, " wait_gil=", r->wait_gil_ns);
		put_time(out, " asleep=", r->asleep_ns);
		put_time(out, " runnable=", r->runnable_ns);
		fprintf(out, " looks=%u", r->looks);
		put_stack(out, r->stack);
		fputs("\n", out);
	}
	for (size_t i = 0; i < c->process_events.n; i++) {
		const struct process_event *r = &c->process_events.items[i];

		fprintf(out, "process %u", c->procs.items[r->proc].pid);
		put_time(out, " ", r->t_ns);
		fprintf(out, " %s other=%u code=%d %s\n", process_words[r->kind], r->other_pid, r->code, r->text);
	}
	if (o->out_of_order | o->unknown_thread | o->overlapping | o->holder_unknown | o->two_holders | o->duplicate)
		fprintf(out, "odd: out_of_order=%" PRIu64 " unknown_thread=%" PRIu64 " overlapping=%" PRIu64 " holder_unknown=%" PRIu64
			" two_holders=%" PRIu64 " duplicate=%" PRIu64 "\n", o->out_of_order, o->unknown_thread, o->overlapping,
			o->holder_unknown, o->two_holders, o->duplicate);
}

/* After check_verify, which sorts. */
void check_print(struct timeline_check *c, FILE *out, const struct timeline_oddities *odd)
{
	print_waits(c, out);
	print_locks(c, out);
	print_threads(c, out);
	print_rest(c, out, odd);
}
