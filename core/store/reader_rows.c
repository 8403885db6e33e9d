/* Reading half: the rows as they were written, one function a table.  Each is the mirror of one in rows.c or facts.c. */
#include <stdio.h>
#include <string.h>

#include "core/store/reader_priv.h"
#include "core/store/schema.h"

/* Runs `body` for each row of `sql`, which sets q.err from the callback; then the next row. */
#define FOR_ROWS(r, what, sql) \
	struct query q; \
	if (!reader_query(r, &q, what, sql)) \
		while (reader_next(&q))

/* A damaged row is never shown: reader_next reports it at the next turn. */
#define GIVE(...) do { if (!q.damaged) q.err = row(ctx, __VA_ARGS__); } while (0)

/* Sums made along a scan: begun when they are wanted and not there yet, kept when the scan came to its end. */
#define SUMS_BEGIN(r, kind, wanted, ...) \
	struct kind *sums = (wanted) && (r)->sum_along && !(r)->kind ? kind##_new(__VA_ARGS__) : NULL
#define SUMS_ADD(kind, ...) do { if (sums && !q.damaged) kind##_add(sums, __VA_ARGS__); } while (0)
#define SUMS_END(r, kind, err) do { \
	if (sums && !(err)) \
		(r)->kind = sums; \
	else \
		kind##_free(sums); \
} while (0)

int reader_processes(struct reader *r, int (*row)(void *ctx, const struct reader_process *p), void *ctx)
{
	const char *sql = "SELECT id, pid, start_ns, shown_pid, name, command, runtime, free_threaded, switch_interval_ns, c.collector,"
		" coalesce(c.estimated, 0) FROM process LEFT JOIN process_collector c ON c.process = id ORDER BY id";

	FOR_ROWS(r, "the processes", sql) {
		struct reader_process p = {
			.row = {
				.proc = col_must(&q, 0, r->info.procs, "an unknown process"),
				.pid = (uint32_t)col_int(&q, 1, 0, INT32_MAX, "an impossible pid"),
				.start_ns = col_u64(&q, 2),
			},
			.shown_pid = (uint32_t)col_int(&q, 3, 0, INT32_MAX, "an impossible pid"),
			.name = col_text(&q, 4),
			.command = col_text(&q, 5),
			.runtime = *col_text(&q, 6) ? col_text(&q, 6) : NULL,
			.free_threaded = sqlite3_column_int(q.st, 7) != 0,
			.switch_interval_ns = col_span(&q, 8),
			.collector = col_text(&q, 9),
			.estimated = sqlite3_column_int(q.st, 10) != 0,
		};

		if (!*p.collector)
			p.collector = r->info.collector;
		if (!p.shown_pid)
			p.shown_pid = p.row.pid;
		GIVE(&p);
	}
	return reader_done(&q);
}

int reader_gils(struct reader *r, int (*row)(void *ctx, const struct reader_gil *g), void *ctx)
{
	FOR_ROWS(r, "the GILs", "SELECT pid, addr, coalesce(interp, -1) FROM gil ORDER BY pid, interp") {
		struct reader_gil g = {
			.pid = (uint32_t)col_int(&q, 0, 0, INT32_MAX, "an impossible pid"),
			.addr = col_u64(&q, 1),
			.interp_id = col_int(&q, 2, -1, INT64_MAX, "an impossible interpreter"),
		};

		GIVE(&g);
	}
	return reader_done(&q);
}

int reader_threads(struct reader *r, int (*row)(void *ctx, const struct reader_thread *t), void *ctx)
{
	FOR_ROWS(r, "the threads", "SELECT id, process, tid, start_ns, first_ns, last_ns, ident, is_main, exited, comm,"
		 " python_name FROM thread ORDER BY id") {
		struct reader_thread t = {
			.row = {
				.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
				.proc = col_must(&q, 1, r->info.procs, "an unknown process"),
				.tid = (uint32_t)col_int(&q, 2, 0, INT32_MAX, "an impossible tid"),
				.start_ns = col_u64(&q, 3),
				.first_ns = col_time(&q, 4),
				.last_ns = col_time(&q, 5),
				.ident = col_u64(&q, 6),
				.is_main = sqlite3_column_int(q.st, 7) != 0,
				.exited = sqlite3_column_int(q.st, 8) != 0,
			},
			.python_name = col_text(&q, 10),
		};

		snprintf(t.row.comm, sizeof(t.row.comm), "%s", col_text(&q, 9));
		/* cut off before its end was told: it lived at least until the last commit */
		if (!r->info.complete && !t.row.exited && t.row.last_ns < r->info.end_ns)
			t.row.last_ns = r->info.end_ns;
		if (t.row.last_ns < t.row.first_ns)
			q.damaged = "a thread ends before it begins";
		GIVE(&t);
	}
	return reader_done(&q);
}

/* The kind read from the lock itself, if there is one: of one that came after this reader all that is known is that it is no GIL. */
static enum lock_kind col_lock_kind(struct query *q, const struct reader *r, int lock, int object)
{
	enum lock_kind kind = (enum lock_kind)col_int(q, lock, 0, LOCK_KIND_N - 1, "an unknown kind");

	if (kind != LOCK_FUTEX || sqlite3_column_type(q->st, object) == SQLITE_NULL)
		return kind;
	if (r->minor > SCHEMA_MINOR && sqlite3_column_int64(q->st, object) >= LOCK_KIND_N)
		return kind;
	return (enum lock_kind)col_int(q, object, 0, LOCK_KIND_N - 1, "an unknown kind");
}

int reader_locks(struct reader *r, int (*row)(void *ctx, const struct reader_lock *l), void *ctx)
{
	FOR_ROWS(r, "the locks", "SELECT l.id, l.process, l.kind, l.addr, l.first_stack,"
		 " coalesce(g.interp, -1), o.name, o.device, o.inode, o.offset, o.kind FROM lock l"
		 " LEFT JOIN process p ON p.id = l.process LEFT JOIN gil g ON g.pid = p.pid AND g.addr = l.addr"
		 " LEFT JOIN lock_object o ON o.pid = p.pid AND o.addr = l.addr ORDER BY l.id") {
		struct reader_lock l = {
			.row = {
				.lock = col_must(&q, 0, r->info.locks, "an unknown lock"),
				.proc = col_must(&q, 1, r->info.procs, "an unknown process"),
				.kind = col_lock_kind(&q, r, 2, 10),
				.addr = col_u64(&q, 3),
				.first_stack = col_stack(&q, 4),
			},
			.interp_id = col_int(&q, 5, -1, INT64_MAX, "an impossible interpreter"),
			.name = col_text(&q, 6),
			.device = col_u64(&q, 7),
			.inode = col_u64(&q, 8),
			.offset = col_u64(&q, 9),
		};

		GIVE(&l);
	}
	return reader_done(&q);
}

#define INTERVAL_COLUMNS "SELECT thread, t0_ns, dur_ns, state, flags, nr, lock, stack FROM interval"

int reader_intervals(struct reader *r, uint32_t thread, int (*row)(void *ctx, const struct interval *i), void *ctx)
{
	SUMS_BEGIN(r, state_sums, thread == MODEL_NONE, &r->info);
	char sql[200];

	if (thread == MODEL_NONE)
		snprintf(sql, sizeof(sql), INTERVAL_COLUMNS " ORDER BY rowid");
	else
		snprintf(sql, sizeof(sql), INTERVAL_COLUMNS " WHERE thread = %u ORDER BY t0_ns, rowid", thread);
	FOR_ROWS(r, "the intervals", sql) {
		struct interval i = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.t0_ns = col_time(&q, 1),
			.state = (enum thread_state)col_int(&q, 3, 0, STATE_N - 1, "an unknown state"),
			.flags = col_flags(&q, 4),
			.nr = col_nr(&q, 5),
			.lock = col_id(&q, 6, r->info.locks, "an unknown lock"),
			.stack = col_stack(&q, 7),
		};

		i.t1_ns = i.t0_ns + col_span(&q, 2);
		SUMS_ADD(state_sums, &i);
		GIVE(&i);
	}
	reader_done(&q);
	SUMS_END(r, state_sums, q.err);
	return q.err;
}

/* of: their own query; sizes: that of the sizes, begun anew for each. */
static void tally_sizes(struct query *of, struct query *sizes, struct tally *t)
{
	sqlite3_reset(sizes->st);
	sqlite3_bind_int64(sizes->st, 1, sqlite3_column_int64(of->st, 8));
	while (reader_next(sizes))
		t->hist[col_int(sizes, 0, 0, 15, "an impossible bucket")] = (uint32_t)col_int(sizes, 1, 0, UINT32_MAX, "a count");
	of->err = sizes->err;
}

int reader_tallies(struct reader *r, int (*row)(void *ctx, const struct tally *t), void *ctx)
{
	struct query sizes;

	reader_query(r, &sizes, "the tallies", "SELECT bucket, n FROM tally_hist WHERE tally = ?1");
	FOR_ROWS(r, "the tallies", "SELECT thread, t0_ns, dur_ns, state, flags, lock, n, ns, id FROM tally ORDER BY id") {
		struct tally t = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.t0_ns = col_time(&q, 1),
			.state = (enum thread_state)col_int(&q, 3, 0, STATE_N - 1, "an unknown state"),
			.flags = col_flags(&q, 4),
			.lock = col_id(&q, 5, r->info.locks, "an unknown lock"),
			.n = col_count(&q, 6),
			.ns = col_count(&q, 7),
		};

		t.t1_ns = t.t0_ns + col_span(&q, 2);
		if (!q.damaged)
			tally_sizes(&q, &sizes, &t);
		if (!q.err)
			GIVE(&t);
	}
	reader_done(&q);
	return reader_done(&sizes) ? sizes.err : q.err;
}

int reader_waits(struct reader *r, int (*row)(void *ctx, const struct wait *w), void *ctx)
{
	SUMS_BEGIN(r, wait_sums, true);
	FOR_ROWS(r, "the waits", "SELECT id, thread, lock, t0_ns, dur_ns, stack, ended, flags, sleeps, asleep_ns,"
		 " wake_latency_ns, waker FROM wait ORDER BY id") {
		struct wait w = {
			.wait = col_u64(&q, 0),
			.thread = col_must(&q, 1, r->info.threads, "an unknown thread"),
			.lock = col_must(&q, 2, r->info.locks, "an unknown lock"),
			.t0_ns = col_time(&q, 3),
			.stack = col_stack(&q, 5),
			.end = (enum wait_end)col_int(&q, 6, 0, WAIT_END_N - 1, "an unknown end"),
			.flags = col_flags(&q, 7),
			.sleeps = (uint32_t)col_int(&q, 8, 0, UINT32_MAX, "a count"),
			.asleep_ns = col_span(&q, 9),
			.wake_latency_ns = col_span(&q, 10),
			.waker = col_id(&q, 11, r->info.threads, "an unknown thread"),
		};

		w.t1_ns = w.t0_ns + col_span(&q, 4);
		SUMS_ADD(wait_sums, &w);
		GIVE(&w);
	}
	reader_done(&q);
	SUMS_END(r, wait_sums, q.err);
	return q.err;
}

/* The wait that credits are coming of.  Credits of a wait lie together, and come in the order of the waits: a scan of the waits
 * goes along.  Where a file has them otherwise, it is begun anew there. */
struct wait_cursor {
	struct query q;
	struct wait wait;
	bool at_end;
};

enum { STEPS_AHEAD = 8 }; /* further away it is looked up */

static void wait_cursor_seek(struct wait_cursor *c, uint64_t id)
{
	sqlite3_reset(c->q.st);
	sqlite3_bind_int64(c->q.st, 1, (int64_t)id);
	c->at_end = false;
}

static void wait_cursor_next(struct wait_cursor *c)
{
	struct query *q = &c->q;

	c->at_end = !reader_next(q);
	if (c->at_end)
		return;
	c->wait = (struct wait){
		.wait = col_u64(q, 0),
		.thread = col_must(q, 1, q->r->info.threads, "an unknown thread"),
		.lock = col_must(q, 2, q->r->info.locks, "an unknown lock"),
		.t0_ns = col_time(q, 3),
		.stack = col_stack(q, 5),
	};
	c->wait.t1_ns = c->wait.t0_ns + col_span(q, 4);
}

/* NULL: the wait's own row is missing. */
static const struct wait *wait_cursor_find(struct wait_cursor *c, uint64_t id)
{
	if ((int64_t)id < (int64_t)c->wait.wait)
		c->at_end = true;
	for (int steps = 0; !c->at_end && (int64_t)c->wait.wait < (int64_t)id && steps < STEPS_AHEAD; steps++)
		wait_cursor_next(c);
	if (!c->q.err && (c->at_end || c->wait.wait != id)) {
		wait_cursor_seek(c, id);
		wait_cursor_next(c);
	}
	return !c->at_end && !c->q.err && !c->q.damaged && c->wait.wait == id ? &c->wait : NULL;
}

int reader_credits(struct reader *r, int (*row)(void *ctx, const struct wait *w, const struct credit *c), void *ctx)
{
	struct wait_cursor waits = { .wait.wait = (uint64_t)INT64_MIN, .at_end = true };
	const struct wait *w = NULL;
	uint64_t last = 0;
	bool first = true;
	char sql[120];

	SUMS_BEGIN(r, credit_sums, true, &r->info);
	reader_query(r, &waits.q, "the waits", "SELECT id, thread, lock, t0_ns, dur_ns, stack FROM wait WHERE id >= ?1 ORDER BY id");
	snprintf(sql, sizeof(sql), "SELECT wait, holder, state, nr, stack, ns FROM credit WHERE rowid <= %lld ORDER BY rowid",
		 (long long)r->last_credit);
	FOR_ROWS(r, "the credits", sql) {
		struct credit c = {
			.wait = col_u64(&q, 0),
			.holder = col_id(&q, 1, r->info.threads, "an unknown thread"),
			.state = (enum holder_state)col_int(&q, 2, 0, HOLDER_STATE_N - 1, "an unknown state"),
			.nr = col_nr(&q, 3),
			.stack = col_stack(&q, 4),
			.ns = col_span(&q, 5),
		};

		if (first || c.wait != last)
			w = wait_cursor_find(&waits, c.wait);
		first = false;
		last = c.wait;
		if (waits.q.err || waits.q.damaged)
			break;
		if (w)
			SUMS_ADD(credit_sums, w, &c);
		GIVE(w, &c);
	}
	reader_done(&q);
	if (reader_done(&waits.q) && !q.err)
		q.err = waits.q.err;
	SUMS_END(r, credit_sums, q.err);
	return q.err;
}

int reader_holds(struct reader *r, int (*row)(void *ctx, const struct hold *h), void *ctx)
{
	SUMS_BEGIN(r, hold_sums, true);
	FOR_ROWS(r, "the holds", "SELECT thread, lock, t0_ns, dur_ns, blocked_ns, preempted_ns, flags, stack FROM hold"
		 " ORDER BY rowid") {
		struct hold h = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.lock = col_must(&q, 1, r->info.locks, "an unknown lock"),
			.t0_ns = col_time(&q, 2),
			.blocked_ns = col_span(&q, 4),
			.preempted_ns = col_span(&q, 5),
			.flags = col_flags(&q, 6),
			.stack = col_stack(&q, 7),
		};

		h.t1_ns = h.t0_ns + col_span(&q, 3);
		SUMS_ADD(hold_sums, &h);
		GIVE(&h);
	}
	reader_done(&q);
	SUMS_END(r, hold_sums, q.err);
	return q.err;
}

int reader_handoffs(struct reader *r, int (*row)(void *ctx, const struct handoff *h), void *ctx)
{
	SUMS_BEGIN(r, handoff_sums, true);
	FOR_ROWS(r, "the hand-offs", "SELECT lock, from_thread, to_thread, acquire_ns, release_ns, forced, stack FROM handoff"
		 " ORDER BY rowid") {
		struct handoff h = {
			.lock = col_must(&q, 0, r->info.locks, "an unknown lock"),
			.from = col_id(&q, 1, r->info.threads, "an unknown thread"),
			.to = col_must(&q, 2, r->info.threads, "an unknown thread"),
			.t_acquire_ns = col_time(&q, 3),
			.t_release_ns = sqlite3_column_type(q.st, 4) == SQLITE_NULL ? 0 : col_time(&q, 4),
			.forced = sqlite3_column_int(q.st, 5) != 0,
			.stack = col_stack(&q, 6),
		};

		SUMS_ADD(handoff_sums, &h);
		GIVE(&h);
	}
	reader_done(&q);
	SUMS_END(r, handoff_sums, q.err);
	return q.err;
}

int reader_samples(struct reader *r, int (*row)(void *ctx, const struct sample_row *s), void *ctx)
{
	FOR_ROWS(r, "the samples", "SELECT thread, t_ns, state, flags, stack FROM sample ORDER BY rowid") {
		struct sample_row s = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.t_ns = col_time(&q, 1),
			.state = (enum thread_state)col_int(&q, 2, 0, STATE_N - 1, "an unknown state"),
			.flags = col_flags(&q, 3),
			.stack = col_stack(&q, 4),
		};

		GIVE(&s);
	}
	return reader_done(&q);
}

int reader_stalls(struct reader *r, int (*row)(void *ctx, const struct stall *s), void *ctx)
{
	FOR_ROWS(r, "the stalls", "SELECT thread, t0_ns, dur_ns, wait_gil_ns, asleep_ns, runnable_ns, looks, stack FROM stall ORDER BY rowid") {
		struct stall s = {
			.thread = col_must(&q, 0, r->info.threads, "an unknown thread"),
			.t0_ns = col_time(&q, 1),
			.wait_gil_ns = col_span(&q, 3),
			.asleep_ns = col_span(&q, 4),
			.runnable_ns = col_span(&q, 5),
			.looks = (uint32_t)col_int(&q, 6, 0, UINT32_MAX, "an impossible count"),
			.stack = col_stack(&q, 7),
		};

		s.t1_ns = s.t0_ns + col_span(&q, 2);
		GIVE(&s);
	}
	return reader_done(&q);
}

int reader_process_events(struct reader *r, int (*row)(void *ctx, const struct process_event *e), void *ctx)
{
	FOR_ROWS(r, "the process events", "SELECT process, t_ns, kind, other_pid, code, text FROM process_event"
		 " ORDER BY rowid") {
		struct process_event e = {
			.proc = col_must(&q, 0, r->info.procs, "an unknown process"),
			.t_ns = col_time(&q, 1),
			.kind = (enum process_event_kind)col_int(&q, 2, 0, PROCESS_EXIT, "an unknown kind"),
			.other_pid = (uint32_t)col_int(&q, 3, 0, INT32_MAX, "an impossible pid"),
			.code = (int32_t)col_int(&q, 4, INT32_MIN, INT32_MAX, "an impossible status"),
		};

		snprintf(e.text, sizeof(e.text), "%s", col_text(&q, 5));
		GIVE(&e);
	}
	return reader_done(&q);
}

int reader_losses(struct reader *r, int (*row)(void *ctx, const struct reader_loss *l), void *ctx)
{
	FOR_ROWS(r, "the losses", "SELECT t0_ns, t1_ns, count, class, native FROM (SELECT *, 0 AS native, rowid AS n FROM loss UNION ALL"
		 " SELECT *, 1, rowid FROM native_loss) ORDER BY native, n") {
		bool native = sqlite3_column_int(q.st, 4) != 0;
		struct reader_loss l = {
			.t0_ns = col_time(&q, 0),
			.t1_ns = col_time(&q, 1),
			.count = col_count(&q, 2),
			.cls = (enum ev_loss_class)col_int(&q, 3, native ? EV_LOSS_RING_NATIVE : 0, native ? EV_LOSS_UNWIND : EV_LOSS_WRITE,
							   "an unknown class"),
		};

		if (l.t1_ns < l.t0_ns)
			q.damaged = "an impossible time";
		GIVE(&l);
	}
	return reader_done(&q);
}

int reader_levels(struct reader *r, int (*row)(void *ctx, const struct reader_level *l), void *ctx)
{
	FOR_ROWS(r, "the levels", "SELECT t_ns, min_off_ns, stack_period_ns, level, reason FROM level ORDER BY rowid") {
		struct reader_level l = {
			.t_ns = col_time(&q, 0),
			.min_off_ns = col_count(&q, 1),
			.stack_period_ns = col_count(&q, 2),
			.level = (uint32_t)col_int(&q, 3, 0, 3, "an unknown level"),
			.reason = (enum ev_level_reason)col_int(&q, 4, 0, EV_LEVEL_REASON_N - 1, "an unknown reason"),
		};

		GIVE(&l);
	}
	return reader_done(&q);
}

int reader_looks(struct reader *r, int (*row)(void *ctx, const struct reader_looks *l), void *ctx)
{
	FOR_ROWS(r, "the looks", "SELECT pid, gil, t0_ns, dur_ns, n, p50_ns, p99_ns, max_ns, switches, seen FROM looks ORDER BY rowid") {
		struct reader_looks l = {
			.pid = (uint32_t)col_int(&q, 0, 0, INT32_MAX, "an impossible pid"),
			.gil = col_u64(&q, 1),
			.t0_ns = col_time(&q, 2),
			.n = col_count(&q, 4),
			.p50_ns = col_span(&q, 5),
			.p99_ns = col_span(&q, 6),
			.max_ns = col_span(&q, 7),
			.switches = col_count(&q, 8),
			.seen = col_count(&q, 9),
		};

		l.t1_ns = l.t0_ns + col_span(&q, 3);
		GIVE(&l);
	}
	return reader_done(&q);
}

int reader_own(struct reader *r, int (*row)(void *ctx, const struct reader_own *o), void *ctx)
{
	FOR_ROWS(r, "the own cost", "SELECT t_ns, cpu_ns, bpf_run_ns, bpf_runs, max_rss_bytes, events, db_bytes FROM own"
		 " ORDER BY rowid") {
		struct reader_own o = {
			.t_ns = col_time(&q, 0),
			.cpu_ns = col_count(&q, 1),
			.bpf_run_ns = col_count(&q, 2),
			.bpf_runs = col_count(&q, 3),
			.max_rss_bytes = col_count(&q, 4),
			.events = col_count(&q, 5),
			.db_bytes = col_count(&q, 6),
		};

		GIVE(&o);
	}
	return reader_done(&q);
}

int reader_notes(struct reader *r, int (*row)(void *ctx, uint64_t t_ns, const char *text), void *ctx)
{
	FOR_ROWS(r, "the notes", "SELECT t_ns, text FROM note ORDER BY rowid")
		GIVE(col_time(&q, 0), col_text(&q, 1));
	return reader_done(&q);
}

struct reader_counts reader_counts(struct reader *r)
{
	struct reader_counts n = { 0 };
	struct query q;

	/* rows are only ever added, so the last key is their number */
	if (!reader_query(r, &q, "the rows", "SELECT coalesce((SELECT max(rowid) FROM interval), 0),"
			  " coalesce((SELECT max(rowid) FROM wait), 0), coalesce((SELECT max(rowid) FROM credit), 0)") &&
	    reader_next(&q))
		n = (struct reader_counts){ col_count(&q, 0), col_count(&q, 1), col_count(&q, 2) };
	reader_done(&q);
	return n;
}
