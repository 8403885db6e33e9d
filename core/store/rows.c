/* Writing half: the timeline's records to rows, one function each.  Times become relative, stack keys become ids,
 * "none" becomes NULL.  Nothing is judged or changed here. */
#include <stdio.h>

#include "core/store/store_priv.h"

static void on_proc(void *ctx, const struct proc_row *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_PROC);

	if (!st)
		return;
	bind_id(st, 1, row->proc);
	bind_int(st, 2, row->pid);
	bind_nonzero(st, 3, row->start_ns);
	store_insert(s, st);
	store_facts_process(s, row);
}

static void on_thread(void *ctx, const struct thread_row *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_THREAD);
	char comm[MODEL_NAME_LEN + 1];

	if (!st)
		return;
	snprintf(comm, sizeof(comm), "%.*s", MODEL_NAME_LEN, row->comm);
	bind_id(st, 1, row->thread);
	bind_id(st, 2, row->proc);
	bind_int(st, 3, row->tid);
	bind_nonzero(st, 4, row->start_ns);
	bind_int(st, 5, store_time(s, row->first_ns));
	bind_int(st, 6, store_time(s, row->last_ns));
	bind_nonzero(st, 7, row->ident);
	bind_int(st, 8, row->is_main);
	bind_int(st, 9, row->exited);
	bind_text(st, 10, comm);
	store_insert(s, st);
	store_facts_thread(s, row);
}

static void on_lock(void *ctx, const struct lock_row *row)
{
	struct store *s = ctx;
	uint32_t stack = store_stack_id(s, row->first_stack);
	sqlite3_stmt *st = store_row(s, STMT_LOCK);

	if (!st)
		return;
	bind_id(st, 1, row->lock);
	bind_id(st, 2, row->proc);
	bind_int(st, 3, row->kind == LOCK_GIL ? LOCK_GIL : LOCK_FUTEX);
	bind_u64(st, 4, row->addr);
	bind_nonzero(st, 5, stack);
	store_insert(s, st);
	st = row->kind > LOCK_FUTEX ? store_row(s, STMT_LOCK_KIND) : NULL;
	if (!st)
		return;
	bind_id(st, 1, row->proc);
	bind_u64(st, 2, row->addr);
	bind_int(st, 3, row->kind);
	store_insert(s, st);
}

static void on_interval(void *ctx, const struct interval *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_INTERVAL);

	if (!st)
		return;
	bind_id(st, 1, row->thread);
	bind_int(st, 2, store_time(s, row->t0_ns));
	bind_u64(st, 3, store_span(row->t0_ns, row->t1_ns));
	bind_int(st, 4, row->state);
	bind_int(st, 5, row->flags);
	bind_nr(st, 6, row->nr);
	bind_id(st, 7, row->lock);
	bind_nonzero(st, 8, store_stack_id(s, row->stack));
	store_insert(s, st);
	store_time(s, row->t1_ns);
}

static void on_tally(void *ctx, const struct tally *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_TALLY);

	if (!st)
		return;
	s->tallies++;
	bind_u64(st, 1, s->tallies);
	bind_id(st, 2, row->thread);
	bind_int(st, 3, store_time(s, row->t0_ns));
	bind_u64(st, 4, store_span(row->t0_ns, row->t1_ns));
	bind_int(st, 5, row->state);
	bind_int(st, 6, row->flags);
	bind_id(st, 7, row->lock);
	bind_u64(st, 8, row->n);
	bind_u64(st, 9, row->ns);
	store_insert(s, st);
	for (unsigned b = 0; b < sizeof(row->hist) / sizeof(*row->hist); b++) {
		if (!row->hist[b] || !(st = store_row(s, STMT_TALLY_HIST)))
			continue;
		bind_u64(st, 1, s->tallies);
		bind_int(st, 2, b);
		bind_int(st, 3, row->hist[b]);
		store_insert(s, st);
	}
}

static void on_wait(void *ctx, const struct wait *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_WAIT);

	if (!st)
		return;
	bind_u64(st, 1, row->wait);
	bind_id(st, 2, row->thread);
	bind_id(st, 3, row->lock);
	bind_int(st, 4, store_time(s, row->t0_ns));
	bind_u64(st, 5, store_span(row->t0_ns, row->t1_ns));
	bind_nonzero(st, 6, store_stack_id(s, row->stack));
	bind_int(st, 7, row->end);
	bind_int(st, 8, row->flags);
	bind_int(st, 9, row->sleeps);
	bind_u64(st, 10, row->asleep_ns);
	bind_u64(st, 11, row->wake_latency_ns);
	bind_id(st, 12, row->waker);
	store_insert(s, st);
	store_time(s, row->t1_ns);
}

static void on_credit(void *ctx, const struct credit *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_CREDIT);

	if (!st)
		return;
	bind_u64(st, 1, row->wait);
	bind_id(st, 2, row->holder);
	bind_int(st, 3, row->state);
	bind_nr(st, 4, row->nr);
	bind_nonzero(st, 5, store_stack_id(s, row->stack));
	bind_u64(st, 6, row->ns);
	store_insert(s, st);
}

static void on_hold(void *ctx, const struct hold *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_HOLD);

	if (!st)
		return;
	bind_id(st, 1, row->thread);
	bind_id(st, 2, row->lock);
	bind_int(st, 3, store_time(s, row->t0_ns));
	bind_u64(st, 4, store_span(row->t0_ns, row->t1_ns));
	bind_u64(st, 5, row->blocked_ns);
	bind_u64(st, 6, row->preempted_ns);
	bind_int(st, 7, row->flags);
	bind_nonzero(st, 8, store_stack_id(s, row->stack));
	store_insert(s, st);
	store_time(s, row->t1_ns);
}

static void on_handoff(void *ctx, const struct handoff *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_HANDOFF);

	if (!st)
		return;
	bind_id(st, 1, row->lock);
	bind_id(st, 2, row->from);
	bind_id(st, 3, row->to);
	bind_int(st, 4, store_time(s, row->t_acquire_ns));
	if (row->t_release_ns)
		bind_int(st, 5, store_time(s, row->t_release_ns));
	else
		sqlite3_bind_null(st, 5);
	bind_int(st, 6, row->forced);
	bind_nonzero(st, 7, store_stack_id(s, row->stack));
	store_insert(s, st);
}

static void on_sample(void *ctx, const struct sample_row *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_SAMPLE);

	if (!st)
		return;
	bind_id(st, 1, row->thread);
	bind_int(st, 2, store_time(s, row->t_ns));
	bind_int(st, 3, row->state);
	bind_int(st, 4, row->flags);
	bind_nonzero(st, 5, store_stack_id(s, row->stack));
	store_insert(s, st);
}

static void on_stall(void *ctx, const struct stall *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_STALL);

	if (!st)
		return;
	bind_id(st, 1, row->thread);
	bind_int(st, 2, store_time(s, row->t0_ns));
	bind_u64(st, 3, store_span(row->t0_ns, row->t1_ns));
	bind_u64(st, 4, row->wait_gil_ns);
	bind_u64(st, 5, row->asleep_ns);
	bind_u64(st, 6, row->runnable_ns);
	bind_int(st, 7, row->looks);
	bind_nonzero(st, 8, store_stack_id(s, row->stack));
	store_insert(s, st);
}

static void on_process_event(void *ctx, const struct process_event *row)
{
	struct store *s = ctx;
	sqlite3_stmt *st = store_row(s, STMT_PROCESS_EVENT);
	char text[MODEL_NAME_LEN + 1];

	if (!st)
		return;
	snprintf(text, sizeof(text), "%.*s", MODEL_NAME_LEN, row->text);
	bind_id(st, 1, row->proc);
	bind_int(st, 2, store_time(s, row->t_ns));
	bind_int(st, 3, row->kind);
	bind_nonzero(st, 4, row->other_pid);
	if (row->kind == PROCESS_EXIT)
		bind_int(st, 5, row->code);
	else
		sqlite3_bind_null(st, 5);
	bind_text(st, 6, text);
	store_insert(s, st);
}

void store_rows_init(struct store *s)
{
	s->sink = (struct timeline_sink){
		.ctx = s,
		.proc = on_proc,
		.thread = on_thread,
		.lock = on_lock,
		.interval = on_interval,
		.tally = on_tally,
		.wait = on_wait,
		.credit = on_credit,
		.hold = on_hold,
		.handoff = on_handoff,
		.sample = on_sample,
		.stall = on_stall,
		.process_event = on_process_event,
	};
}
