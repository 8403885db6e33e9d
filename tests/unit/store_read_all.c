/* See store_read_all.h.  One callback a kind of row, each holding the reader to its word. */
#include "tests/unit/store_read_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct read_all {
	struct reader *r;
	const struct reader_info *i;
	uint64_t rows;
};

#define PROMISE(x) do { \
	if (!(x)) { \
		fprintf(stderr, "reader.h's promise is broken: %s (line %d)\n", #x, __LINE__); \
		abort(); \
	} \
} while (0)
#define MAYBE(id, n) PROMISE((id) == MODEL_NONE || (id) < (n))

static void read_stack(struct read_all *a, uint64_t stack)
{
	const struct reader_frame *f;
	unsigned flags, n;

	PROMISE(stack == 0 || stack < a->i->stacks);
	n = reader_stack(a->r, stack, &f, &flags);
	PROMISE(n <= EV_MAX_FRAMES);
	for (unsigned i = 0; i < n; i++)
		PROMISE(strlen(f[i].function) < (1 << 20) && strlen(f[i].file) < (1 << 20));
	a->rows++;
}

static int on_process(void *ctx, const struct reader_process *p)
{
	struct read_all *a = ctx;

	PROMISE(p->row.proc < a->i->procs);
	PROMISE(p->name && p->command);
	a->rows += strlen(p->name) + strlen(p->command) + (p->runtime ? strlen(p->runtime) : 0);
	return 0;
}

static int on_gil(void *ctx, const struct reader_gil *g)
{
	((struct read_all *)ctx)->rows += g->pid;
	return 0;
}

static int on_thread(void *ctx, const struct reader_thread *t)
{
	struct read_all *a = ctx;

	PROMISE(t->row.thread < a->i->threads && t->row.proc < a->i->procs && t->row.first_ns <= t->row.last_ns);
	a->rows += strlen(t->row.comm) + strlen(t->python_name);
	return 0;
}

static int on_lock(void *ctx, const struct reader_lock *l)
{
	struct read_all *a = ctx;

	PROMISE(l->row.lock < a->i->locks && l->row.proc < a->i->procs && l->row.kind < LOCK_KIND_N);
	read_stack(a, l->row.first_stack);
	return 0;
}

static int on_interval(void *ctx, const struct interval *i)
{
	struct read_all *a = ctx;

	PROMISE(i->thread < a->i->threads && i->state < STATE_N && i->t0_ns <= i->t1_ns);
	MAYBE(i->lock, a->i->locks);
	read_stack(a, i->stack);
	return 0;
}

static int on_tally(void *ctx, const struct tally *t)
{
	struct read_all *a = ctx;

	PROMISE(t->thread < a->i->threads && t->state < STATE_N && t->t0_ns <= t->t1_ns);
	MAYBE(t->lock, a->i->locks);
	return 0;
}

static int on_wait(void *ctx, const struct wait *w)
{
	struct read_all *a = ctx;

	PROMISE(w->thread < a->i->threads && w->lock < a->i->locks && w->end < WAIT_END_N && w->t0_ns <= w->t1_ns);
	MAYBE(w->waker, a->i->threads);
	read_stack(a, w->stack);
	return 0;
}

static int on_credit(void *ctx, const struct wait *w, const struct credit *c)
{
	struct read_all *a = ctx;

	PROMISE(c->state < HOLDER_STATE_N);
	MAYBE(c->holder, a->i->threads);
	read_stack(a, c->stack);
	if (w) {
		PROMISE(w->wait == c->wait && w->thread < a->i->threads && w->lock < a->i->locks && w->t0_ns <= w->t1_ns);
		read_stack(a, w->stack);
	}
	return 0;
}

static int on_hold(void *ctx, const struct hold *h)
{
	struct read_all *a = ctx;

	PROMISE(h->thread < a->i->threads && h->lock < a->i->locks && h->t0_ns <= h->t1_ns);
	read_stack(a, h->stack);
	return 0;
}

static int on_handoff(void *ctx, const struct handoff *h)
{
	struct read_all *a = ctx;

	PROMISE(h->lock < a->i->locks && h->to < a->i->threads);
	MAYBE(h->from, a->i->threads);
	read_stack(a, h->stack);
	return 0;
}

static int on_sample(void *ctx, const struct sample_row *s)
{
	struct read_all *a = ctx;

	PROMISE(s->thread < a->i->threads && s->state < STATE_N);
	read_stack(a, s->stack);
	return 0;
}

static int on_process_event(void *ctx, const struct process_event *e)
{
	struct read_all *a = ctx;

	PROMISE(e->proc < a->i->procs && e->kind <= PROCESS_EXIT && memchr(e->text, 0, sizeof(e->text)));
	return 0;
}

static int on_loss(void *ctx, const struct reader_loss *l)
{
	(void)ctx;
	PROMISE(l->cls < EV_LOSS_N && l->t0_ns <= l->t1_ns);
	return 0;
}

static int on_level(void *ctx, const struct reader_level *l)
{
	(void)ctx;
	PROMISE(l->level <= 3 && l->reason < EV_LEVEL_REASON_N);
	return 0;
}

static int on_own(void *ctx, const struct reader_own *o)
{
	((struct read_all *)ctx)->rows += o->events;
	return 0;
}

static int on_note(void *ctx, uint64_t t_ns, const char *text)
{
	((struct read_all *)ctx)->rows += strlen(text) + t_ns % 2;
	return 0;
}

static int on_state_sum(void *ctx, const struct reader_state_sum *s)
{
	PROMISE(s->thread < ((struct read_all *)ctx)->i->threads && s->state < STATE_N);
	return 0;
}

static int on_wait_stats(void *ctx, const struct reader_wait_stats *s)
{
	struct read_all *a = ctx;

	PROMISE(s->lock < a->i->locks && s->p50_ns <= s->p99_ns && s->p99_ns <= s->max_ns);
	MAYBE(s->thread, a->i->threads);
	return 0;
}

static int on_blame(void *ctx, const struct reader_blame *b)
{
	struct read_all *a = ctx;

	PROMISE(b->lock < a->i->locks && b->holder_state < HOLDER_STATE_N);
	PROMISE(b->n_waiters <= READER_BLAME_THREADS && b->n_holders <= READER_BLAME_THREADS);
	for (unsigned i = 0; i < b->n_waiters; i++)
		PROMISE(b->waiters[i] < a->i->threads);
	for (unsigned i = 0; i < b->n_holders; i++)
		PROMISE(b->holders[i] < a->i->threads);
	read_stack(a, b->waiter_stack);
	read_stack(a, b->holder_stack);
	return 0;
}

static int on_caused(void *ctx, const struct reader_caused *c)
{
	struct read_all *a = ctx;

	PROMISE(c->holder < a->i->threads && c->lock < a->i->locks);
	return 0;
}

static int on_handoff_sum(void *ctx, const struct reader_handoff_sum *h)
{
	struct read_all *a = ctx;

	PROMISE(h->lock < a->i->locks && h->to < a->i->threads);
	MAYBE(h->from, a->i->threads);
	return 0;
}

static int on_hold_sum(void *ctx, const struct reader_hold_sum *h)
{
	struct read_all *a = ctx;

	PROMISE(h->lock < a->i->locks && h->thread < a->i->threads);
	return 0;
}

static int on_sample_sum(void *ctx, const struct reader_sample_sum *s)
{
	struct read_all *a = ctx;

	PROMISE(s->thread < a->i->threads && s->state < STATE_N);
	read_stack(a, s->stack);
	return 0;
}

/* Returns how many of the queries failed; a failure must say why. */
int read_all(struct reader *r)
{
	struct read_all a = { .r = r, .i = reader_info(r) };
	int failed = 0;

#define READ(call) do { \
	int err_ = (call); \
	PROMISE(err_ <= 0); \
	if (err_) { \
		PROMISE(reader_failure(r)->err == err_ && reader_failure(r)->what[0]); \
		failed++; \
	} \
} while (0)
	PROMISE(a.i->gilscope_version && a.i->collector && a.i->host && a.i->kernel && a.i->command_line);
	READ(reader_processes(r, on_process, &a));
	READ(reader_gils(r, on_gil, &a));
	READ(reader_threads(r, on_thread, &a));
	READ(reader_locks(r, on_lock, &a));
	READ(reader_intervals(r, MODEL_NONE, on_interval, &a));
	READ(reader_intervals(r, 0, on_interval, &a));
	READ(reader_tallies(r, on_tally, &a));
	READ(reader_waits(r, on_wait, &a));
	READ(reader_credits(r, on_credit, &a));
	READ(reader_holds(r, on_hold, &a));
	READ(reader_handoffs(r, on_handoff, &a));
	READ(reader_samples(r, on_sample, &a));
	READ(reader_process_events(r, on_process_event, &a));
	READ(reader_losses(r, on_loss, &a));
	READ(reader_levels(r, on_level, &a));
	READ(reader_own(r, on_own, &a));
	READ(reader_notes(r, on_note, &a));
	READ(reader_state_sums(r, on_state_sum, &a));
	READ(reader_lock_waits(r, on_wait_stats, &a));
	READ(reader_thread_waits(r, on_wait_stats, &a));
	READ(reader_blame(r, 0, on_blame, &a));
	READ(reader_caused(r, on_caused, &a));
	READ(reader_handoff_sums(r, on_handoff_sum, &a));
	READ(reader_hold_sums(r, on_hold_sum, &a));
	READ(reader_sample_sums(r, on_sample_sum, &a));
	reader_sum_along(r);
	READ(reader_holds(r, on_hold, &a));
	READ(reader_credits(r, on_credit, &a));
	READ(reader_caused(r, on_caused, &a));
#undef READ
	return failed;
}
