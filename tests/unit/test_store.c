/* What is written comes back: rows, stacks, names, and the sums over them. */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>

/* ---- callbacks that collect ---- */

#define COLLECT(name, type) \
	struct name##_list { unsigned n; type items[16]; }; \
	static int collect_##name(void *ctx, const type *row) \
	{ \
		struct name##_list *l = ctx; \
		assert_true(l->n < 16); \
		l->items[l->n++] = *row; \
		return 0; \
	}

COLLECT(interval, struct interval)
COLLECT(tally, struct tally)
COLLECT(wait, struct wait)
COLLECT(hold, struct hold)
COLLECT(handoff, struct handoff)
COLLECT(sample, struct sample_row)
COLLECT(process_event, struct process_event)
COLLECT(loss, struct reader_loss)
COLLECT(level, struct reader_level)
COLLECT(own, struct reader_own)
COLLECT(gil, struct reader_gil)
COLLECT(lock, struct reader_lock)
COLLECT(state_sum, struct reader_state_sum)
COLLECT(wait_stats, struct reader_wait_stats)
COLLECT(blame, struct reader_blame)
COLLECT(caused, struct reader_caused)
COLLECT(handoff_sum, struct reader_handoff_sum)
COLLECT(hold_sum, struct reader_hold_sum)
COLLECT(sample_sum, struct reader_sample_sum)

struct credit_list { struct { struct credit credit; struct wait of; bool known; } items[64]; unsigned n; };

static int collect_credit(void *ctx, const struct wait *w, const struct credit *c)
{
	struct credit_list *l = ctx;

	assert_true(l->n < 64);
	l->items[l->n].credit = *c;
	l->items[l->n].known = w != NULL;
	if (w)
		l->items[l->n].of = *w;
	l->n++;
	return 0;
}

static struct reader *small(void)
{
	make_recording(in_dir("small"));
	return open_reader(in_dir("small"));
}

static void done(struct reader *r)
{
	reader_close(r);
	unlink(in_dir("small"));
}

static void test_info(void **state)
{
	struct reader *r = small();
	const struct reader_info *i = reader_info(r);

	(void)state;
	assert_string_equal(i->gilscope_version, "0.1.0");
	assert_string_equal(i->command_line, "record -p 7");
	assert_int_equal(i->start_mono_ns, T0);
	assert_int_equal(i->start_real_ns, 1700000000000000000ULL);
	assert_int_equal(i->end_ns, T0 + 1000 * MS);
	assert_int_equal(i->sample_hz, 99);
	assert_true(i->complete);
	assert_null(i->write_error);
	assert_int_equal(i->procs, 1);
	assert_int_equal(i->threads, 2);
	assert_int_equal(i->locks, 1);
	assert_int_equal(i->missing_stacks, 0);
	done(r);
}

static int check_process(void *ctx, const struct reader_process *p)
{
	assert_int_equal(p->row.pid, 100);
	assert_int_equal(p->row.start_ns, 1000 * MS);
	assert_int_equal(p->shown_pid, 7);
	assert_int_equal(p->switch_interval_ns, 5 * MS);
	assert_string_equal(p->name, "python3");
	assert_string_equal(p->runtime, "CPython 3.11.2");
	++*(int *)ctx;
	return 0;
}

static int check_thread(void *ctx, const struct reader_thread *t)
{
	assert_int_equal(t->row.tid, 100 + t->row.thread);
	assert_int_equal(t->row.start_ns, 1004 * MS + t->row.thread);
	assert_string_equal(t->row.comm, "python3");
	/* the name came before the row, with a birth in /proc's coarser steps */
	assert_string_equal(t->python_name, t->row.thread == 0 ? "MainThread" : "");
	assert_int_equal(t->row.is_main, t->row.thread == 0);
	++*(int *)ctx;
	return 0;
}

static void test_who(void **state)
{
	struct reader *r = small();
	struct gil_list g = { 0 };
	struct lock_list l = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(reader_processes(r, check_process, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(reader_threads(r, check_thread, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(reader_gils(r, collect_gil, &g), 0);
	assert_int_equal(g.items[0].addr, 0x9a0b40);
	assert_int_equal(reader_locks(r, collect_lock, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.items[0].interp_id, 0);
	assert_int_not_equal(l.items[0].row.first_stack, 0);
	done(r);
}

static void test_wait_rows(void **state)
{
	struct reader *r = small();
	struct wait_list w = { 0 };
	struct credit_list c = { 0 };

	(void)state;
	assert_int_equal(reader_waits(r, collect_wait, &w), 0);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.items[0].t0_ns, T0 + 100 * MS);
	assert_int_equal(w.items[0].t1_ns, T0 + 105 * MS);
	assert_int_equal(w.items[0].end, WAIT_FORCED);
	assert_int_equal(w.items[0].waker, 0);
	assert_int_equal(w.items[0].wake_latency_ns, 50000);
	assert_int_equal(w.items[1].waker, MODEL_NONE);
	assert_int_equal(w.items[0].stack, w.items[1].stack); /* 11 and 12 look the same */
	assert_int_equal(reader_credits(r, collect_credit, &c), 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(c.items[1].credit.ns, 2 * MS);
	assert_int_equal(c.items[1].credit.nr, -1);
	assert_int_equal(c.items[1].of.thread, 1);
	assert_int_equal(c.items[1].of.t0_ns, w.items[1].t0_ns);
	assert_int_equal(c.items[1].of.t1_ns, w.items[1].t1_ns);
	assert_int_equal(c.items[1].of.stack, w.items[1].stack);
	assert_int_equal(c.items[2].credit.holder, MODEL_NONE);
	assert_int_equal(c.items[2].credit.stack, 0);
	done(r);
}

/* Of a file that is not as we write it: credits in any order, and of waits that are not there. */
static void test_credits_in_any_order(void **state)
{
	static const uint64_t order[] = { 0, 40, 39, 7, 8, 500, 20, 3, 41, 0, 20 };
	struct store *s = create(in_dir("order"));
	const struct timeline_sink *k = store_sink(s);
	struct credit_list c = { 0 };
	struct caused_list sums = { 0 };
	struct reader *r;

	(void)state;
	put_who(s);
	for (uint64_t i = 0; i < 41; i++)
		k->wait(k->ctx, &(struct wait){ .wait = i, .thread = i % 2, .t0_ns = T0 + i, .t1_ns = T0 + i + MS, .waker = MODEL_NONE });
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		k->credit(k->ctx, &(struct credit){ .wait = order[i], .holder = 1, .nr = -1, .ns = 1 });
	store_close(s, true, T0 + MS, NULL);
	r = open_reader(in_dir("order"));
	reader_sum_along(r);
	assert_int_equal(reader_credits(r, collect_credit, &c), 0);
	assert_int_equal(c.n, 11);
	for (unsigned i = 0; i < c.n; i++) {
		assert_int_equal(c.items[i].known, order[i] < 41);
		if (c.items[i].known)
			assert_int_equal(c.items[i].of.t0_ns, T0 + order[i]);
	}
	assert_int_equal(reader_caused(r, collect_caused, &sums), 0);
	assert_int_equal(sums.items[0].ns, 9); /* those of waits that are there */
	reader_close(r);
}

/* The same numbers, whether they come along with the rows or are asked for alone. */
static void test_sums_come_along(void **state)
{
	struct reader *r = small(), *alone = open_reader(in_dir("small"));
	struct interval_list i = { 0 };
	struct wait_list w = { 0 };
	struct credit_list c = { 0 };
	struct wait_stats_list along = { 0 }, asked = { 0 };
	struct state_sum_list states = { 0 }, states_asked = { 0 };
	struct blame_list blame = { 0 }, blame_asked = { 0 };

	(void)state;
	reader_sum_along(r);
	assert_int_equal(reader_waits(r, collect_wait, &w), 0);
	assert_int_equal(reader_credits(r, collect_credit, &c), 0);
	assert_int_equal(reader_intervals(r, MODEL_NONE, collect_interval, &i), 0);
	reader_thread_waits(r, collect_wait_stats, &along);
	reader_thread_waits(alone, collect_wait_stats, &asked);
	assert_int_equal(along.n, asked.n);
	assert_memory_equal(along.items, asked.items, along.n * sizeof(*along.items));
	reader_state_sums(r, collect_state_sum, &states);
	reader_state_sums(alone, collect_state_sum, &states_asked);
	assert_int_equal(states.n, states_asked.n);
	assert_memory_equal(states.items, states_asked.items, states.n * sizeof(*states.items));
	assert_int_equal(reader_blame(r, 0, collect_blame, &blame), 0);
	reader_take_credits(r, alone); /* nothing: then it scans for itself */
	assert_int_equal(reader_blame(alone, 0, collect_blame, &blame_asked), 0);
	assert_int_equal(blame.n, blame_asked.n);
	for (unsigned k = 0; k < blame.n; k++)
		assert_int_equal(blame.items[k].ns, blame_asked.items[k].ns);
	reader_close(alone);
	done(r);
}

static void test_interval_rows(void **state)
{
	struct reader *r = small();
	struct interval_list all = { 0 }, one = { 0 };
	struct tally_list t = { 0 };

	(void)state;
	assert_int_equal(reader_intervals(r, MODEL_NONE, collect_interval, &all), 0);
	assert_int_equal(all.n, 3);
	assert_int_equal(all.items[1].flags, INTERVAL_F_HELD);
	assert_int_equal(all.items[1].lock, MODEL_NONE);
	assert_int_equal(reader_intervals(r, 1, collect_interval, &one), 0);
	assert_int_equal(one.n, 1);
	assert_int_equal(one.items[0].t1_ns - one.items[0].t0_ns, 5 * MS);
	assert_int_equal(reader_tallies(r, collect_tally, &t), 0);
	assert_int_equal(t.items[0].hist[3], 4);
	assert_int_equal(t.items[0].ns, 40000);
	done(r);
}

static void test_other_rows(void **state)
{
	struct reader *r = small();
	struct hold_list h = { 0 };
	struct handoff_list f = { 0 };
	struct sample_list s = { 0 };
	struct process_event_list e = { 0 };
	struct loss_list l = { 0 };
	struct level_list v = { 0 };
	struct own_list o = { 0 };

	(void)state;
	assert_int_equal(reader_holds(r, collect_hold, &h), 0);
	assert_int_equal(h.items[0].preempted_ns, 2 * MS);
	assert_int_equal(reader_handoffs(r, collect_handoff, &f), 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.items[0].t_release_ns, T0 + 104 * MS);
	assert_int_equal(f.items[1].t_release_ns, 0);
	assert_int_equal(f.items[1].from, MODEL_NONE);
	assert_int_equal(reader_samples(r, collect_sample, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(reader_process_events(r, collect_process_event, &e), 0);
	assert_string_equal(e.items[0].text, "sleep");
	assert_int_equal(reader_losses(r, collect_loss, &l), 0);
	assert_int_equal(l.items[0].count, 3);
	assert_int_equal(reader_levels(r, collect_level, &v), 0);
	assert_int_equal(v.items[0].min_off_ns, 1000);
	assert_int_equal(reader_own(r, collect_own, &o), 0);
	assert_int_equal(o.items[0].db_bytes, 11);
	done(r);
}

/* ---- stacks ---- */

static void test_stack_resolution(void **state)
{
	struct reader *r = small();
	struct wait_list w = { 0 };
	const struct reader_frame *f;
	unsigned flags;

	(void)state;
	reader_waits(r, collect_wait, &w);
	assert_int_equal(reader_stack(r, w.items[1].stack, &f, &flags), 2);
	assert_string_equal(f[0].function, "work");
	assert_string_equal(f[0].file, "/src/a.py");
	assert_int_equal(f[0].line, 10);
	assert_string_equal(f[1].function, "main");
	assert_true(f[1].resolved);
	assert_int_equal(flags, 0);
	assert_int_equal(reader_stack(r, 0, &f, &flags), 0);
	assert_int_equal(reader_stack(r, 123456, &f, &flags), 0);
	done(r);
}

static unsigned asked;
static void count_symbol(void *ctx, uint32_t frame, uint32_t pid, const struct ev_frame *f)
{
	(void)ctx, (void)frame, (void)pid, (void)f;
	asked++;
}

static int64_t query_int(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int64_t v;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

/* 100 stacks over 10 shared callers and 100 leaves: each node and frame once */
static void test_interning(void **state)
{
	struct store *s = create(in_dir("intern"));
	struct ev_stack st = { .h = { .pid = 100 }, .n = 11 };

	(void)state;
	asked = 0;
	for (uint64_t key = 1; key <= 100; key++) {
		st.key = key;
		for (unsigned i = 0; i < 11; i++)
			st.frames[i] = (struct ev_frame){ .code = i ? 1000 + i : key };
		store_stack(s, &st, count_symbol, NULL);
		store_stack(s, &st, count_symbol, NULL); /* again: nothing new */
	}
	assert_int_equal(asked, 110);
	assert_int_equal(store_close(s, true, T0, NULL), 0);
	assert_int_equal(query_int(in_dir("intern"), "SELECT count(*) FROM node"), 110);
	assert_int_equal(query_int(in_dir("intern"), "SELECT count(*) FROM stack"), 100);
	assert_int_equal(query_int(in_dir("intern"), "SELECT count(*) FROM node WHERE parent IS NULL"), 1);
}

/* libc below a library below Python: named by the library, whole on demand, and with its kind of frames */
static void test_native_stack(void **state)
{
	struct store *s = create(in_dir("native"));
	const struct ev_frame libc = { .code = 0x7000, .lasti = EV_NATIVE_FRAME, .check = 1 }, library = { .code = 0x8000, .lasti = EV_NATIVE_FRAME, .check = 2 };
	struct ev_stack st = { .h = { .kind = EV_STACK, .pid = 100, .flags = EV_F_NATIVE }, .key = 0x77, .n = 3, .inner = 1,
			       .frames = { libc, library, { .code = 1, .lasti = 8 } } };
	const struct timeline_sink *k = store_sink(s);
	const struct reader_frame *f;
	struct sample_list l = { 0 };
	struct reader *r;

	(void)state;
	put_who(s);
	for (int i = 0; i < 2; i++) { /* again changes nothing */
		store_native_frame(s, 100, &libc, &(struct store_symbol){ .function = "read", .file = "/lib/libc.so.6", .resolved = true });
		store_native_frame(s, 100, &library, &(struct store_symbol){ .function = "work", .file = "/lib/libwork.so", .resolved = true });
		store_stack(s, &st, answer_symbol, s);
	}
	k->sample(k->ctx, &(struct sample_row){ .t_ns = T0, .stack = 0x77 });
	store_loss(s, &(struct ev_loss){ .t0_ns = T0 + 1, .t1_ns = T0 + 2, .count = 4, .cls = EV_LOSS_UNWIND });
	assert_int_equal(store_close(s, true, T0 + 10, NULL), 0);
	assert_int_equal(query_int(in_dir("native"), "SELECT count(*) FROM native_frame"), 2);
	assert_int_equal(query_int(in_dir("native"), "SELECT count(*) FROM v_line WHERE text = 'work (/lib/libwork.so)'"), 1);
	assert_int_equal(query_int(in_dir("native"), "SELECT text = 'main (/src/a.py:99) > work (/lib/libwork.so) > read (/lib/libc.so.6)' FROM v_stack"), 1);
	assert_int_equal(query_int(in_dir("native"), "SELECT (SELECT count(*) FROM loss) * 10 + (SELECT count FROM native_loss)"), 4);
	r = open_reader(in_dir("native"));
	assert_int_equal(reader_samples(r, collect_sample, &l), 0);
	assert_int_equal(reader_stack(r, l.items[0].stack, &f, NULL), 2);
	assert_string_equal(f[0].file, "/lib/libwork.so");
	assert_true(f[0].native && !f[1].native);
	assert_int_equal(reader_stack_whole(r, l.items[0].stack, &f, NULL), 3);
	assert_string_equal(f[0].function, "read");
	reader_close(r);
}

/* Frames that nobody could name stay apart and say "?"; truncation and tearing are kept. */
static void test_unresolved(void **state)
{
	struct store *s = create(in_dir("unresolved"));
	const struct timeline_sink *k = store_sink(s);
	struct ev_stack st = { .h = { .pid = 1, .flags = EV_F_TRUNCATED | EV_F_TORN }, .key = 5, .n = 1,
			       .frames = { { .code = 77 } } };
	struct sample_list l = { 0 };
	const struct reader_frame *f;
	struct reader *r;
	unsigned flags;

	(void)state;
	put_who(s);
	k->sample(k->ctx, &(struct sample_row){ .t_ns = T0, .stack = 5 });
	k->sample(k->ctx, &(struct sample_row){ .t_ns = T0, .stack = 6 }); /* its frames never come */
	store_stack(s, &st, NULL, NULL);
	store_close(s, true, T0, NULL);
	r = open_reader(in_dir("unresolved"));
	assert_int_equal(reader_samples(r, collect_sample, &l), 0);
	assert_int_equal(reader_stack(r, l.items[0].stack, &f, &flags), 1);
	assert_string_equal(f[0].function, "?");
	assert_false(f[0].resolved);
	assert_int_equal(flags, READER_STACK_F_TRUNCATED | READER_STACK_F_TORN);
	assert_int_equal(l.items[1].stack, 0);
	assert_int_equal(reader_info(r)->torn_stacks, 1);
	reader_close(r);
}

/* Names from a target: control characters escaped, 1 MB cut to 1 KiB. */
static void test_hostile_names(void **state)
{
	struct store *s = create(in_dir("names"));
	struct ev_stack st = { .h = { .pid = 1 }, .key = 5, .n = 1, .frames = { { .code = 77 } } };
	char *huge = malloc(1 << 20);

	(void)state;
	memset(huge, 'x', (1 << 20) - 1);
	huge[(1 << 20) - 1] = '\0';
	store_stack(s, &st, NULL, NULL);
	store_symbol(s, 1, &(struct store_symbol){ .function = "\x1b]0;owned\a\xff", .file = huge, .resolved = true });
	store_symbol(s, 99, &(struct store_symbol){ .function = "no such frame", .file = "f", .resolved = true });
	store_thread_name(s, 1, 1, 0, huge);
	store_close(s, true, T0, NULL);
	free(huge);
	assert_int_equal(query_int(in_dir("names"), "SELECT max(length(CAST(text AS BLOB))) <= 1024 FROM string"), 1);
	assert_int_equal(query_int(in_dir("names"), "SELECT count(*) FROM string WHERE text GLOB '*' || char(27) || '*'"), 0);
	assert_int_equal(query_int(in_dir("names"), "SELECT count(*) FROM string WHERE text LIKE '%owned%'"), 1);
	assert_int_equal(query_int(in_dir("names"), "SELECT count(*) FROM string WHERE text = 'no such frame'"), 0);
}

/* ---- named queries ---- */

static void test_wait_stats(void **state)
{
	struct reader *r = small();
	struct wait_stats_list l = { 0 }, t = { 0 };

	(void)state;
	assert_int_equal(reader_lock_waits(r, collect_wait_stats, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.items[0].waits, 6);
	assert_int_equal(l.items[0].wait_ns, 8 * MS + 40000);
	assert_int_equal(l.items[0].tallied_waits, 4);
	assert_in_range(l.items[0].p50_ns, 8192, 16384); /* the third of six is one of four that were counted */
	assert_true(l.items[0].p50_from_class);
	assert_int_equal(l.items[0].p99_ns, 5 * MS);
	assert_false(l.items[0].p99_from_class);
	assert_int_equal(l.items[0].max_ns, 5 * MS);
	assert_int_equal(l.items[0].ends[WAIT_FORCED], 1);
	assert_int_equal(l.items[0].hist[3], 4);
	assert_int_equal(l.items[0].hist[11], 1); /* 3 ms: 2048..4096 * 1024 ns */
	assert_int_equal(l.items[0].hist[12], 1);
	assert_int_equal(reader_thread_waits(r, collect_wait_stats, &t), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.items[0].thread, 1);
	assert_int_equal(t.items[0].p99_ns, 5 * MS);
	done(r);
}

/* Against percentiles taken by hand: 1..n us, shuffled by threads. */
static void test_percentiles(void **state)
{
	struct store *s = create(in_dir("pct"));
	const struct timeline_sink *k = store_sink(s);
	struct wait_stats_list l = { 0 };
	struct reader *r;

	(void)state;
	put_who(s);
	for (uint64_t i = 0; i < 1000; i++)
		k->wait(k->ctx, &(struct wait){ .wait = i, .thread = i % 2, .t0_ns = T0, .waker = MODEL_NONE,
						.t1_ns = T0 + 1000 * ((i * 37) % 1000 + 1) });
	store_close(s, true, T0 + MS, NULL);
	r = open_reader(in_dir("pct"));
	assert_int_equal(reader_lock_waits(r, collect_wait_stats, &l), 0);
	assert_int_equal(l.items[0].p50_ns, 500000);
	assert_int_equal(l.items[0].p99_ns, 990000);
	assert_int_equal(l.items[0].max_ns, 1000000);
	reader_close(r);
}

/* However many pairs there are when the waiting without credit comes, all of it is there. */
static void test_blame_of_any_number_of_pairs(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 16; n++) { /* the array of pairs grows at 8 */
		char name[32];
		struct blame_list all = { 0 };
		struct fail why = { 0 };
		uint64_t ns = 0;
		struct store *s;
		struct reader *r;

		snprintf(name, sizeof(name), "pairs%u", n);
		s = create(in_dir(name));
		put_who(s);
		for (unsigned i = 0; i < n; i++) {
			const struct timeline_sink *k = store_sink(s);

			k->wait(k->ctx, &(struct wait){ .wait = i, .thread = 1, .t0_ns = T0 + i * MS, .t1_ns = T0 + i * MS + 1000, .stack = 11, .waker = MODEL_NONE });
			k->credit(k->ctx, &(struct credit){ .wait = i, .holder = 0, .state = HOLDER_BLOCKED, .nr = (int32_t)i, .stack = 20, .ns = 900 });
		}
		assert_int_equal(store_close(s, true, T0 + 1000 * MS, &why), 0);
		r = open_reader(in_dir(name));
		assert_int_equal(reader_blame(r, 0, collect_blame, &all), 0);
		for (unsigned i = 0; i < all.n; i++)
			ns += all.items[i].ns;
		assert_int_equal(all.n, n + 1);
		assert_int_equal(ns, 1000 * n);
		reader_close(r);
		unlink(in_dir(name));
	}
}

static void test_blame(void **state)
{
	struct reader *r = small();
	struct blame_list all = { 0 }, top = { 0 };
	struct caused_list c = { 0 };
	uint64_t sum = 0;
	const struct reader_frame *f;

	(void)state;
	assert_int_equal(reader_blame(r, 0, collect_blame, &all), 0);
	assert_int_equal(all.n, 3);
	for (unsigned i = 0; i < all.n; i++)
		sum += all.items[i].ns;
	assert_int_equal(sum, 8 * MS + 40000); /* the lock's wait_ns */
	assert_int_equal(all.items[0].ns, 7 * MS); /* stacks 11 and 12 together */
	assert_int_equal(all.items[0].waits, 2);
	assert_int_equal(all.items[0].n_waiters, 1);
	assert_int_equal(all.items[0].holder_state, HOLDER_RUNNING);
	assert_int_equal(reader_stack(r, all.items[0].holder_stack, &f, NULL), 2);
	assert_string_equal(f[0].function, "hog");
	assert_int_equal(all.items[1].ns, 1 * MS);
	assert_int_equal(all.items[1].n_holders, 0);
	assert_int_equal(all.items[2].ns, 40000); /* counted only */
	assert_int_equal(all.items[2].waits, 4);
	assert_int_equal(all.items[2].holder_state, HOLDER_UNKNOWN);
	assert_int_equal(reader_blame(r, 1, collect_blame, &top), 0);
	assert_int_equal(top.n, 1);
	assert_int_equal(reader_caused(r, collect_caused, &c), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.items[0].ns, 7 * MS);
	assert_int_equal(c.items[0].waits, 2);
	done(r);
}

static void test_sums(void **state)
{
	struct reader *r = small();
	struct state_sum_list s = { 0 };
	struct handoff_sum_list h = { 0 };
	struct hold_sum_list o = { 0 };
	struct sample_sum_list m = { 0 };

	(void)state;
	assert_int_equal(reader_state_sums(r, collect_state_sum, &s), 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.items[0].inferred_ns, 600 * MS);
	assert_true(s.items[1].held);
	assert_int_equal(s.items[2].ns, 5 * MS + 40000);
	assert_int_equal(s.items[2].tally_ns, 40000);
	assert_int_equal(s.items[2].n, 5);
	assert_int_equal(reader_handoff_sums(r, collect_handoff_sum, &h), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.items[0].from, MODEL_NONE);
	assert_int_equal(h.items[1].forced, 1);
	assert_int_equal(h.items[1].gap_ns, 1 * MS);
	assert_int_equal(reader_hold_sums(r, collect_hold_sum, &o), 0);
	assert_int_equal(o.items[0].forced, 1);
	assert_int_equal(reader_sample_sums(r, collect_sample_sum, &m), 0);
	assert_int_equal(m.n, 1); /* 11 and 12 look the same */
	assert_int_equal(m.items[0].n, 2);
	done(r);
}

static int stop_at_once(void *ctx, const struct wait *w)
{
	(void)w;
	++*(int *)ctx;
	return 42;
}

static void test_callback_stops(void **state)
{
	struct reader *r = small();
	int n = 0;

	(void)state;
	assert_int_equal(reader_waits(r, stop_at_once, &n), 42);
	assert_int_equal(n, 1);
	done(r);
}

/* ---- for people with sqlite3 alone ---- */

static void test_views(void **state)
{
	const char *path = in_dir("views");

	(void)state;
	make_recording(path);
	assert_int_equal(query_int(path, "SELECT count(*) FROM v_threads"), 2);
	assert_int_equal(query_int(path, "SELECT held_blocked_ns FROM v_threads WHERE tid = 100"), 400 * MS);
	assert_int_equal(query_int(path, "SELECT caused_wait_ns FROM v_threads WHERE name = 'MainThread'"), 7 * MS);
	assert_int_equal(query_int(path, "SELECT count(*) FROM v_waits WHERE ended = 'forced' AND"
				   " waiter_line = 'work (/src/a.py:10)'"), 1);
	assert_int_equal(query_int(path, "SELECT wait_ns FROM v_blame WHERE holder_line = 'hog (/src/b.py:5)'"), 7 * MS);
	assert_int_equal(query_int(path, "SELECT (SELECT sum(wait_ns) FROM v_blame) = (SELECT wait_ns FROM v_locks)"), 1);
	assert_int_equal(query_int(path, "SELECT ns FROM v_states WHERE state = 'wait_gil'"), 5 * MS + 40000);
	assert_int_equal(query_int(path, "SELECT count(*) FROM v_stack WHERE"
				   " text = 'main (/src/a.py:99) > work (/src/a.py:10)'"), 2);
}

/* Every small number has a name. */
static void test_names(void **state)
{
	const char *path = in_dir("lookups");

	(void)state;
	make_recording(path);
	assert_int_equal(query_int(path, "SELECT count(*) FROM thread_state"), STATE_N);
	assert_int_equal(query_int(path, "SELECT count(*) FROM wait_end"), WAIT_END_N);
	assert_int_equal(query_int(path, "SELECT count(*) FROM holder_state"), HOLDER_STATE_N);
	assert_int_equal(query_int(path, "SELECT count(*) FROM lock_kind"), LOCK_KIND_N);
	assert_int_equal(query_int(path, "SELECT count(*) FROM loss_class"), EV_LOSS_N);
	assert_int_equal(query_int(path, "SELECT count(*) FROM level_reason"), EV_LEVEL_REASON_N);
}

/* A recording of version 1.0 has no tables of later ones: it reads as if they were empty. */
static int count_row(void *ctx, const struct reader_cell *cells, unsigned n)
{
	(void)n;
	*(int *)ctx += cells[0].kind != READER_CELL_HEAD;
	return 0;
}

static void test_older_minor_version(void **state)
{
	const char *path = in_dir("older");
	struct reader *r;
	sqlite3 *db;
	int rows = 0;

	(void)state;
	make_recording(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP VIEW v_other_locks; DROP TABLE lock_object; DROP TABLE wait_place; DROP TABLE process_collector;"
				      "UPDATE lock SET kind = 1; PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	r = open_reader(path);
	assert_int_equal(reader_view(r, "v_other_locks", count_row, &rows), 0);
	assert_true(rows > 0);
	reader_close(r);
}

static void test_target_without_events(void **state)
{
	struct store *s = create(in_dir("quiet"));

	(void)state;
	store_process(s, &(struct store_process){ .pid = 100, .shown_pid = 7, .switch_interval_ns = 5 * MS, .name = "python3",
						  .command = "python3 a.py", .runtime = "CPython 3.11.2" });
	store_close(s, true, T0 + MS, NULL);
	assert_int_equal(query_int(in_dir("quiet"), "SELECT shown_pid FROM process WHERE id = 0 AND pid = 100"), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info), cmocka_unit_test(test_who), cmocka_unit_test(test_wait_rows),
		cmocka_unit_test(test_interval_rows), cmocka_unit_test(test_other_rows),
		cmocka_unit_test(test_stack_resolution), cmocka_unit_test(test_native_stack), cmocka_unit_test(test_interning), cmocka_unit_test(test_unresolved),
		cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_wait_stats), cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_credits_in_any_order), cmocka_unit_test(test_sums_come_along),
		cmocka_unit_test(test_blame), cmocka_unit_test(test_blame_of_any_number_of_pairs), cmocka_unit_test(test_sums), cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_views), cmocka_unit_test(test_names),
		cmocka_unit_test(test_older_minor_version), cmocka_unit_test(test_target_without_events),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
