/* See schema.h.  Everything a person needs to read a recording with sqlite3 alone is in the file itself: small numbers
 * have a table with their names, and the views join them.  Rules of the text:
 *  - STRICT tables, no index: the rows are written in the order of time and read by whole scans, and an index would
 *    double their size.  wait and credit are joined by wait.id, which is the rowid.
 *  - *_ns columns of events are nanoseconds since the start of the recording (small numbers take fewer bytes).
 *  - a changed CREATE TABLE text is a new major version: the reader compares it byte by byte. */
#include "core/store/schema.h"

#include <linux/types.h>
#include <stddef.h>

#include "core/event/event.h"
#include "core/timeline/model.h"

const char schema_tables_sql[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;\n"

	"CREATE TABLE process(id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, start_ns INTEGER, shown_pid INTEGER,"
	" name TEXT, command TEXT, runtime TEXT, free_threaded INTEGER, switch_interval_ns INTEGER) STRICT;\n"
	"CREATE TABLE gil(pid INTEGER NOT NULL, addr INTEGER NOT NULL, interp INTEGER,"
	" PRIMARY KEY(pid, addr)) STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE thread(id INTEGER PRIMARY KEY, process INTEGER NOT NULL, tid INTEGER NOT NULL, start_ns INTEGER,"
	" first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, ident INTEGER, is_main INTEGER NOT NULL,"
	" exited INTEGER NOT NULL, comm TEXT, python_name TEXT) STRICT;\n"
	"CREATE TABLE lock(id INTEGER PRIMARY KEY, process INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" addr INTEGER NOT NULL, first_stack INTEGER) STRICT;\n"

	"CREATE TABLE string(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE frame(id INTEGER PRIMARY KEY, function INTEGER NOT NULL, file INTEGER NOT NULL,"
	" line INTEGER, first_line INTEGER, resolved INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE node(id INTEGER PRIMARY KEY, parent INTEGER, frame INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE stack(id INTEGER PRIMARY KEY, node INTEGER, flags INTEGER NOT NULL) STRICT;\n"

	"CREATE TABLE interval(thread INTEGER NOT NULL, t0_ns INTEGER NOT NULL, dur_ns INTEGER NOT NULL,"
	" state INTEGER NOT NULL, flags INTEGER NOT NULL, nr INTEGER, lock INTEGER, stack INTEGER) STRICT;\n"
	"CREATE TABLE tally(id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, t0_ns INTEGER NOT NULL,"
	" dur_ns INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL, lock INTEGER,"
	" n INTEGER NOT NULL, ns INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE tally_hist(tally INTEGER NOT NULL, bucket INTEGER NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY(tally, bucket)) STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE wait(id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, lock INTEGER NOT NULL,"
	" t0_ns INTEGER NOT NULL, dur_ns INTEGER NOT NULL, stack INTEGER, ended INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, sleeps INTEGER NOT NULL, asleep_ns INTEGER NOT NULL,"
	" wake_latency_ns INTEGER NOT NULL, waker INTEGER) STRICT;\n"
	"CREATE TABLE credit(wait INTEGER NOT NULL, holder INTEGER, state INTEGER NOT NULL, nr INTEGER,"
	" stack INTEGER, ns INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE hold(thread INTEGER NOT NULL, lock INTEGER NOT NULL, t0_ns INTEGER NOT NULL,"
	" dur_ns INTEGER NOT NULL, blocked_ns INTEGER NOT NULL, preempted_ns INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, stack INTEGER) STRICT;\n"
	"CREATE TABLE handoff(lock INTEGER NOT NULL, from_thread INTEGER, to_thread INTEGER NOT NULL,"
	" acquire_ns INTEGER NOT NULL, release_ns INTEGER, forced INTEGER NOT NULL, stack INTEGER) STRICT;\n"
	"CREATE TABLE sample(thread INTEGER NOT NULL, t_ns INTEGER NOT NULL, state INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, stack INTEGER) STRICT;\n"
	"CREATE TABLE process_event(process INTEGER NOT NULL, t_ns INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" other_pid INTEGER, code INTEGER, text TEXT) STRICT;\n"

	"CREATE TABLE loss(t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, class INTEGER NOT NULL,"
	" count INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE level(t_ns INTEGER NOT NULL, level INTEGER NOT NULL, reason INTEGER NOT NULL,"
	" min_off_ns INTEGER NOT NULL, stack_period_ns INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE own(t_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL, bpf_run_ns INTEGER NOT NULL,"
	" bpf_runs INTEGER NOT NULL, max_rss_bytes INTEGER NOT NULL, events INTEGER NOT NULL,"
	" db_bytes INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE note(t_ns INTEGER NOT NULL, text TEXT NOT NULL) STRICT;\n"

	"CREATE TABLE thread_state(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE wait_end(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE holder_state(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE lock_kind(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE process_event_kind(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE loss_class(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE level_reason(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE flag(of TEXT NOT NULL, bit INTEGER NOT NULL, name TEXT NOT NULL,"
	" PRIMARY KEY(of, bit)) STRICT, WITHOUT ROWID;\n";

const struct schema_addition schema_additions[] = {
	{ 1, "CREATE TABLE process_collector(process INTEGER PRIMARY KEY, collector TEXT NOT NULL,"
	  " estimated INTEGER NOT NULL) STRICT" },
	{ 2, "CREATE TABLE lock_object(pid INTEGER NOT NULL, addr INTEGER NOT NULL, kind INTEGER, name TEXT, device INTEGER,"
	  " inode INTEGER, offset INTEGER, PRIMARY KEY(pid, addr)) STRICT, WITHOUT ROWID" },
	{ 2, "CREATE TABLE wait_place(stack INTEGER PRIMARY KEY, kind INTEGER NOT NULL, node INTEGER) STRICT" },
	{ 3, "CREATE TABLE looks(pid INTEGER NOT NULL, gil INTEGER NOT NULL, t0_ns INTEGER NOT NULL, dur_ns INTEGER NOT NULL,"
	  " n INTEGER NOT NULL, p50_ns INTEGER NOT NULL, p99_ns INTEGER NOT NULL, max_ns INTEGER NOT NULL,"
	  " switches INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT" },
	{ 4, "CREATE TABLE native_frame(frame INTEGER PRIMARY KEY, addr INTEGER NOT NULL) STRICT" },
	{ 4, "CREATE TABLE native_stack(stack INTEGER PRIMARY KEY, node INTEGER NOT NULL) STRICT" },
	{ 4, "CREATE TABLE native_loss(t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, class INTEGER NOT NULL,"
	  " count INTEGER NOT NULL) STRICT" },
	{ 5, "CREATE TABLE stall(thread INTEGER NOT NULL, t0_ns INTEGER NOT NULL, dur_ns INTEGER NOT NULL, wait_gil_ns INTEGER NOT NULL,"
	  " asleep_ns INTEGER NOT NULL, runnable_ns INTEGER NOT NULL, looks INTEGER NOT NULL, stack INTEGER) STRICT" },
};
const size_t schema_n_additions = sizeof(schema_additions) / sizeof(schema_additions[0]);

_Static_assert(LOCK_LOCK == 4 && LOCK_IMPORT == 7 && LOCK_CONDITION == 8, "v_other_locks names these by number");
_Static_assert(STATE_WAIT_GIL == 2 && STATE_WAIT_LOCK == 3 && LOCK_GIL == 0, "the views name these by number");

const char schema_views_sql[] =
	"CREATE VIEW v_line AS -- the innermost line of each stack\n"
	"SELECT s.id AS stack, fn.text AS function, fi.text AS file, f.line AS line,\n"
	"       coalesce(fn.text, '?') || ' (' || coalesce(fi.text, '?') ||\n"
	"         CASE WHEN x.frame THEN '' ELSE ':' || coalesce(f.line, 0) END || ')' AS text\n"
	"FROM stack s LEFT JOIN node n ON n.id = s.node LEFT JOIN frame f ON f.id = n.frame\n"
	"LEFT JOIN string fn ON fn.id = f.function LEFT JOIN string fi ON fi.id = f.file LEFT JOIN native_frame x ON x.frame = f.id;\n"

	"CREATE VIEW v_stack AS -- a stack as text, outermost function first\n"
	"SELECT s.id AS stack, (\n"
	"  WITH RECURSIVE up(node, parent, frame, depth) AS (\n"
	"    SELECT id, parent, frame, 0 FROM node WHERE id = coalesce(w.node, s.node)\n"
	"    UNION ALL\n"
	"    SELECT n.id, n.parent, n.frame, up.depth + 1 FROM up JOIN node n ON n.id = up.parent\n"
	"    WHERE n.id < up.node AND up.depth < 128)\n"
	"  SELECT group_concat(line, ' > ') FROM (\n"
	"    SELECT coalesce(fn.text, '?') || ' (' || coalesce(fi.text, '?') ||\n"
	"         CASE WHEN x.frame THEN '' ELSE ':' || coalesce(f.line, 0) END || ')' AS line\n"
	"    FROM up LEFT JOIN frame f ON f.id = up.frame LEFT JOIN string fn ON fn.id = f.function\n"
	"    LEFT JOIN string fi ON fi.id = f.file LEFT JOIN native_frame x ON x.frame = f.id ORDER BY up.depth DESC)) AS text\n"
	"FROM stack s LEFT JOIN native_stack w ON w.stack = s.id;\n"

	"CREATE VIEW v_locks AS -- recorded waits and short ones that were only counted\n"
	"SELECT l.id AS lock, p.pid AS pid, k.name AS kind, printf('0x%x', l.addr) AS addr, g.interp AS interp,\n"
	"       coalesce(w.n, 0) + coalesce(t.n, 0) AS waits, coalesce(w.ns, 0) + coalesce(t.ns, 0) AS wait_ns,\n"
	"       w.longest AS wait_max_ns\n"
	"FROM lock l LEFT JOIN process p ON p.id = l.process LEFT JOIN lock_kind k ON k.id = l.kind\n"
	"LEFT JOIN gil g ON g.pid = p.pid AND g.addr = l.addr\n"
	"LEFT JOIN (SELECT lock, count(*) AS n, sum(dur_ns) AS ns, max(dur_ns) AS longest FROM wait GROUP BY lock) w\n"
	"  ON w.lock = l.id\n"
	"LEFT JOIN (SELECT lock, sum(n) AS n, sum(ns) AS ns FROM tally WHERE state IN (2, 3) GROUP BY lock) t\n"
	"  ON t.lock = l.id;\n"

	"CREATE VIEW v_states AS -- how each thread's time divides; held: with the GIL in its hands meanwhile\n"
	"SELECT t.id AS thread, t.tid AS tid, coalesce(t.python_name, t.comm) AS name, s.name AS state, x.held AS held,\n"
	"       x.n AS n, x.ns AS ns, round(100.0 * x.ns / nullif(t.last_ns - t.first_ns, 0), 2) AS pct\n"
	"FROM (SELECT thread, state, held, sum(n) AS n, sum(ns) AS ns FROM (\n"
	"        SELECT thread, state, flags & 1 AS held, count(*) AS n, sum(dur_ns) AS ns FROM interval\n"
	"        GROUP BY thread, state, flags & 1\n"
	"        UNION ALL\n"
	"        SELECT thread, state, flags & 1, sum(n), sum(ns) FROM tally GROUP BY thread, state, flags & 1)\n"
	"      GROUP BY thread, state, held) x\n"
	"JOIN thread t ON t.id = x.thread JOIN thread_state s ON s.id = x.state;\n"

	"CREATE VIEW v_threads AS -- one row a thread\n"
	"SELECT t.id AS thread, p.pid AS pid, t.tid AS tid, coalesce(t.python_name, t.comm) AS name, t.is_main AS main,\n"
	"       t.last_ns - t.first_ns AS life_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'gil'), 0) AS gil_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'nogil'), 0) AS nogil_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'wait_gil'), 0) AS wait_gil_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'wait_lock'), 0) AS wait_lock_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state IN ('blocked', 'sleep')), 0) AS asleep_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'runnable'), 0) AS runnable_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.state = 'unknown'), 0) AS unknown_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.held AND x.state IN ('blocked', 'sleep', 'wait_lock')), 0)\n"
	"         AS held_blocked_ns,\n"
	"       coalesce(sum(x.ns) FILTER (WHERE x.held AND x.state = 'runnable'), 0) AS held_preempted_ns,\n"
	"       coalesce(w.n, 0) AS gil_waits, w.longest AS gil_wait_max_ns, coalesce(c.ns, 0) AS caused_wait_ns\n"
	"FROM thread t LEFT JOIN process p ON p.id = t.process LEFT JOIN v_states x ON x.thread = t.id\n"
	"LEFT JOIN (SELECT w.thread AS thread, count(*) AS n, max(w.dur_ns) AS longest FROM wait w\n"
	"  JOIN lock l ON l.id = w.lock WHERE l.kind = 0 GROUP BY w.thread) w ON w.thread = t.id\n"
	"LEFT JOIN (SELECT holder, sum(ns) AS ns FROM credit GROUP BY holder) c ON c.holder = t.id\n"
	"GROUP BY t.id;\n"

	"CREATE VIEW v_waits AS -- one row a wait\n"
	"SELECT w.id AS wait, w.t0_ns AS t0_ns, w.dur_ns AS dur_ns, t.tid AS tid,\n"
	"       coalesce(t.python_name, t.comm) AS name, w.lock AS lock, k.name AS kind, e.name AS ended,\n"
	"       w.sleeps AS sleeps, w.wake_latency_ns AS wake_latency_ns, v.text AS waiter_line,\n"
	"       b.tid AS waker_tid, w.stack AS stack\n"
	"FROM wait w JOIN thread t ON t.id = w.thread LEFT JOIN lock l ON l.id = w.lock\n"
	"LEFT JOIN lock_kind k ON k.id = l.kind LEFT JOIN wait_end e ON e.id = w.ended\n"
	"LEFT JOIN v_line v ON v.stack = w.stack LEFT JOIN thread b ON b.id = w.waker;\n"

	"CREATE VIEW v_other_locks AS -- waits for anything but a GIL, by what it is and where; idle: nobody held it\n"
	"SELECT p.pid AS pid, coalesce(k.name, 'futex') AS kind, x.kind BETWEEN 8 AND 15 AS idle, x.name AS name,\n"
	"       CASE WHEN x.one THEN printf('0x%x', x.addr) END AS addr, count(*) AS waits, sum(x.dur_ns) AS wait_ns,\n"
	"       max(x.dur_ns) AS wait_max_ns, fn.text AS function, fi.text AS file, f.line AS line\n"
	"FROM (SELECT l.process AS process, o.name AS name, l.addr AS addr, w.dur_ns AS dur_ns,\n"
	"        coalesce(CASE WHEN o.kind > 16 THEN o.kind END, nullif(nullif(q.kind, 1), 4), o.kind, q.kind, l.kind) AS kind,\n"
	"        coalesce(q.node, s.node) AS node,\n"
	"        coalesce(CASE WHEN o.kind > 16 THEN o.kind END, nullif(nullif(q.kind, 1), 4), o.kind, q.kind, l.kind)\n"
	"          NOT IN (6, 8, 9, 10, 11, 12, 13, 14, 15) AS one\n"
	"      FROM wait w JOIN lock l ON l.id = w.lock LEFT JOIN process p ON p.id = l.process\n"
	"      LEFT JOIN lock_object o ON o.pid = p.pid AND o.addr = l.addr LEFT JOIN wait_place q ON q.stack = w.stack\n"
	"      LEFT JOIN stack s ON s.id = w.stack WHERE l.kind <> 0) x\n"
	"LEFT JOIN process p ON p.id = x.process LEFT JOIN lock_kind k ON k.id = x.kind LEFT JOIN node n ON n.id = x.node\n"
	"LEFT JOIN frame f ON f.id = n.frame LEFT JOIN string fn ON fn.id = f.function LEFT JOIN string fi ON fi.id = f.file\n"
	"GROUP BY x.process, x.kind, x.name, CASE WHEN x.one THEN x.addr END, fn.text, fi.text, f.line;\n"

	"CREATE VIEW v_blame AS -- who waited where, for whom, standing where; per lock wait_ns adds up to v_locks.wait_ns\n"
	"SELECT w.lock AS lock, coalesce(wl.text, '?') AS waiter_line, coalesce(hl.text, '?') AS holder_line,\n"
	"       h.name AS holder_state, sum(c.ns) AS wait_ns, count(DISTINCT c.wait) AS waits\n"
	"FROM credit c JOIN wait w ON w.id = c.wait LEFT JOIN v_line wl ON wl.stack = w.stack\n"
	"LEFT JOIN v_line hl ON hl.stack = c.stack LEFT JOIN holder_state h ON h.id = c.state\n"
	"GROUP BY 1, 2, 3, 4\n"
	"UNION ALL\n"
	"SELECT l.lock, '(counted only)', '?', 'unknown', l.wait_ns - coalesce(c.ns, 0), l.waits - coalesce(c.waits, 0)\n"
	"FROM v_locks l LEFT JOIN (SELECT w.lock AS lock, sum(c.ns) AS ns, count(DISTINCT c.wait) AS waits\n"
	"  FROM credit c JOIN wait w ON w.id = c.wait GROUP BY w.lock) c ON c.lock = l.lock\n"
	"WHERE l.wait_ns - coalesce(c.ns, 0) <> 0;\n";

struct name_row {
	const char *table, *of; /* of: rows of table flag only */
	unsigned id;
	const char *name;
};

static const struct name_row name_rows[] = {
	{ "process_event_kind", NULL, PROCESS_FORK, "fork" },
	{ "process_event_kind", NULL, PROCESS_EXEC, "exec" },
	{ "process_event_kind", NULL, PROCESS_EXIT, "exit" },
	{ "loss_class", NULL, EV_LOSS_RING_OFF, "ring_off" },
	{ "loss_class", NULL, EV_LOSS_RING_STACK, "ring_stack" },
	{ "loss_class", NULL, EV_LOSS_RING_SAMPLE, "ring_sample" },
	{ "loss_class", NULL, EV_LOSS_RING_OTHER, "ring_other" },
	{ "loss_class", NULL, EV_LOSS_STORAGE, "storage" },
	{ "loss_class", NULL, EV_LOSS_QUEUE, "queue" },
	{ "loss_class", NULL, EV_LOSS_WRITE, "write" },
	{ "loss_class", NULL, EV_LOSS_RING_NATIVE, "ring_native" },
	{ "loss_class", NULL, EV_LOSS_UNWIND, "unwind" },
	{ "level_reason", NULL, EV_LEVEL_START, "start" },
	{ "level_reason", NULL, EV_LEVEL_EVENT_RATE, "event_rate" },
	{ "level_reason", NULL, EV_LEVEL_STACK_RATE, "stack_rate" },
	{ "level_reason", NULL, EV_LEVEL_OWN_CPU, "own_cpu" },
	{ "level_reason", NULL, EV_LEVEL_LOSS, "loss" },
	{ "level_reason", NULL, EV_LEVEL_RECOVERED, "recovered" },
	{ "flag", "interval", INTERVAL_F_HELD, "held" },
	{ "flag", "interval", INTERVAL_F_INFERRED, "inferred" },
	{ "flag", "interval", INTERVAL_F_GC, "gc" },
	{ "flag", "interval", INTERVAL_F_UNFINISHED, "unfinished" },
	{ "flag", "interval", INTERVAL_F_AT_START, "at_start" },
	{ "flag", "tally", INTERVAL_F_HELD, "held" },
	{ "flag", "wait", WAIT_F_AT_START, "at_start" },
	{ "flag", "wait", WAIT_F_AFTER_FORCED, "after_forced" },
	{ "flag", "wait", WAIT_F_STACK_CARRIED, "stack_carried" },
	{ "flag", "wait", WAIT_F_LOSS, "loss" },
	{ "flag", "wait", WAIT_F_HOLDER_INFERRED, "holder_inferred" },
	{ "flag", "wait", WAIT_F_INFERRED, "inferred" },
	{ "flag", "hold", HOLD_F_START_INFERRED, "start_inferred" },
	{ "flag", "hold", HOLD_F_END_INFERRED, "end_inferred" },
	{ "flag", "hold", HOLD_F_FORCED, "forced" },
	{ "flag", "hold", HOLD_F_UNFINISHED, "unfinished" },
	{ "flag", "hold", HOLD_F_GC, "gc" },
	{ "flag", "sample", SAMPLE_F_WANTS_GIL, "wants_gil" },
	{ "flag", "sample", SAMPLE_F_KERNEL, "kernel" },
	{ "flag", "sample", SAMPLE_F_GC, "gc" },
	{ "flag", "stack", 1, "truncated" },
	{ "flag", "stack", 2, "torn" },
};

static int fill_name(sqlite3 *db, const struct name_row *row)
{
	char *sql;
	int rc;

	if (row->of)
		sql = sqlite3_mprintf("INSERT INTO flag VALUES(%Q, %u, %Q)", row->of, row->id, row->name);
	else
		sql = sqlite3_mprintf("INSERT INTO %s VALUES(%u, %Q)", row->table, row->id, row->name);
	rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
	sqlite3_free(sql);
	return rc;
}

static int fill_list(sqlite3 *db, const char *table, const char *const *names, unsigned n)
{
	int rc = SQLITE_OK;

	for (unsigned i = 0; i < n && rc == SQLITE_OK; i++)
		rc = fill_name(db, &(struct name_row){ table, NULL, i, names[i] });
	return rc;
}

int schema_fill_names(sqlite3 *db)
{
	int rc = fill_list(db, "thread_state", thread_state_names, STATE_N);

	if (rc == SQLITE_OK)
		rc = fill_list(db, "wait_end", wait_end_names, WAIT_END_N);
	if (rc == SQLITE_OK)
		rc = fill_list(db, "holder_state", holder_state_names, HOLDER_STATE_N);
	if (rc == SQLITE_OK)
		rc = fill_list(db, "lock_kind", lock_kind_names, LOCK_KIND_N);
	for (unsigned i = 0; i < sizeof(name_rows) / sizeof(*name_rows) && rc == SQLITE_OK; i++)
		rc = fill_name(db, &name_rows[i]);
	return rc;
}
