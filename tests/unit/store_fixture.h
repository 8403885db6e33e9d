#pragma once
/* What the tests of the store share: a temporary directory, a small recording whose every number is known, and short
 * ways to say a row.  Header only: each test program has its own.
 *
 * The recording: process 100 (shown as 7), threads 0 (tid 100, main, "MainThread") and 1 (tid 101), one GIL, 1 s long.
 *   stack key 11: work (a.py:10) < main (a.py:99)       two keys, 11 and 12, differ only in lasti: the same to people
 *   stack key 20: hog (b.py:5) < main (a.py:99)
 *   wait 0: thread 1, 0.100..0.105 s, 5 ms, stack 11, all of it for thread 0 at 20, running
 *   wait 1: thread 1, 0.200..0.203 s, 3 ms, stack 12: 2 ms for thread 0 at 20 running, 1 ms unknown
 *   tally:  thread 1, 4 short waits, 40 us */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/reader.h"
#include "core/store/store.h"

#define T0 50000000000000ULL
#define MS 1000000ULL

static char fixture_dir[64];

static inline int fixture_setup(void **state)
{
	(void)state;
	snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/gilscope-test-XXXXXX");
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	return mkdtemp(fixture_dir) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	return nftw(fixture_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The same pointer for the same name, valid to the end. */
static inline const char *in_dir(const char *name)
{
	static char paths[64][200];
	char wanted[200];
	int i;

	snprintf(wanted, sizeof(wanted), "%s/%s", fixture_dir, name);
	for (i = 0; i < 63 && paths[i][0] && strcmp(paths[i], wanted); i++)
		;
	memcpy(paths[i], wanted, sizeof(wanted));
	return paths[i];
}

static inline int try_create(struct store **ret, const char *path, bool overwrite, struct fail *why)
{
	struct store_meta meta = { .gilscope_version = "0.1.0", .collector = "bpf", .host = "box", .kernel = "6.18",
				   .cpu_model = "CPU", .command_line = "record -p 7", .cpus = 2, .sample_hz = 99,
				   .start_mono_ns = T0, .start_real_ns = 1700000000000000000ULL };

	memset(why, 0, sizeof(*why));
	return store_create(ret, path, &(struct store_create_options){ .overwrite = overwrite }, &meta, why);
}

static inline struct store *create(const char *path)
{
	struct store *s = NULL;
	struct fail why;

	if (try_create(&s, path, false, &why))
		fail_msg("%s", why.what);
	return s;
}

static inline struct reader *open_reader(const char *path)
{
	struct reader *r = NULL;
	struct fail why = { 0 };

	if (reader_open(path, &r, &why))
		fail_msg("%s", why.what);
	return r;
}

static inline void put_interval(struct store *s, uint32_t thread, uint64_t t0, uint64_t t1, enum thread_state state,
				uint32_t flags)
{
	const struct timeline_sink *k = store_sink(s);

	k->interval(k->ctx, &(struct interval){ .thread = thread, .t0_ns = t0, .t1_ns = t1, .state = state, .flags = flags,
						.nr = -1, .lock = MODEL_NONE });
}

static inline void answer_symbol(void *ctx, uint32_t frame, uint32_t pid, const struct ev_frame *f)
{
	static const struct store_symbol symbols[] = {
		{ "main", "/src/a.py", 99, 90, true }, { "work", "/src/a.py", 10, 9, true }, { "hog", "/src/b.py", 5, 1, true },
	};

	assert_int_equal(pid, 100);
	store_symbol(ctx, frame, &symbols[f->code - 1]);
}

/* leaf code number (2 work, 3 hog) called from main */
static inline void put_stack(struct store *s, uint64_t key, uint64_t leaf, int32_t lasti)
{
	struct ev_stack st = { .h = { .kind = EV_STACK, .pid = 100 }, .key = key, .n = 2,
			       .frames = { { .code = leaf, .lasti = lasti }, { .code = 1, .lasti = 8 } } };

	store_stack(s, &st, answer_symbol, s);
}

static inline void put_who(struct store *s)
{
	const struct timeline_sink *k = store_sink(s);

	store_process(s, &(struct store_process){ .pid = 100, .shown_pid = 7, .switch_interval_ns = 5 * MS, .name = "python3",
						  .command = "python3 a.py", .runtime = "CPython 3.11.2" });
	k->proc(k->ctx, &(struct proc_row){ .proc = 0, .pid = 100, .start_ns = 1000 * MS });
	store_thread_name(s, 100, 100, 1000 * MS, "MainThread"); /* before its row */
	for (uint32_t i = 0; i < 2; i++)
		k->thread(k->ctx, &(struct thread_row){ .thread = i, .tid = 100 + i, .start_ns = 1004 * MS + i, .ident = 0x7f00,
							.first_ns = T0, .last_ns = T0, .is_main = i == 0, .comm = "python3" });
	k->lock(k->ctx, &(struct lock_row){ .lock = 0, .kind = LOCK_GIL, .addr = 0x9a0b40, .first_stack = 11 });
	store_gil(s, &(struct store_gil){ .pid = 100, .addr = 0x9a0b40, .interp_id = 0 });
}

static inline void put_waits(struct store *s)
{
	const struct timeline_sink *k = store_sink(s);

	k->wait(k->ctx, &(struct wait){ .wait = 0, .thread = 1, .t0_ns = T0 + 100 * MS, .t1_ns = T0 + 105 * MS, .stack = 11,
					.end = WAIT_FORCED, .sleeps = 2, .asleep_ns = 4 * MS, .wake_latency_ns = 50000, .waker = 0 });
	k->credit(k->ctx, &(struct credit){ .wait = 0, .holder = 0, .nr = -1, .stack = 20, .ns = 5 * MS });
	k->wait(k->ctx, &(struct wait){ .wait = 1, .thread = 1, .t0_ns = T0 + 200 * MS, .t1_ns = T0 + 203 * MS, .stack = 12,
					.end = WAIT_VOLUNTARY, .sleeps = 1, .asleep_ns = 3 * MS, .waker = MODEL_NONE });
	k->credit(k->ctx, &(struct credit){ .wait = 1, .holder = 0, .nr = -1, .stack = 20, .ns = 2 * MS });
	k->credit(k->ctx, &(struct credit){ .wait = 1, .holder = MODEL_NONE, .state = HOLDER_UNKNOWN, .nr = -1, .ns = 1 * MS });
	k->tally(k->ctx, &(struct tally){ .thread = 1, .t0_ns = T0 + 300 * MS, .t1_ns = T0 + 400 * MS, .state = STATE_WAIT_GIL,
					  .n = 4, .ns = 40000, .hist = { [3] = 4 } });
}

static inline void put_rest(struct store *s)
{
	const struct timeline_sink *k = store_sink(s);

	put_interval(s, 0, T0, T0 + 600 * MS, STATE_GIL, INTERVAL_F_INFERRED);
	put_interval(s, 0, T0 + 600 * MS, T0 + 1000 * MS, STATE_BLOCKED, INTERVAL_F_HELD);
	put_interval(s, 1, T0 + 100 * MS, T0 + 105 * MS, STATE_WAIT_GIL, 0);
	k->hold(k->ctx, &(struct hold){ .thread = 0, .t0_ns = T0, .t1_ns = T0 + 105 * MS, .flags = HOLD_F_FORCED,
					.blocked_ns = 3 * MS, .preempted_ns = 2 * MS, .stack = 20 });
	k->handoff(k->ctx, &(struct handoff){ .from = 0, .to = 1, .t_release_ns = T0 + 104 * MS, .t_acquire_ns = T0 + 105 * MS,
					      .forced = true, .stack = 20 });
	k->handoff(k->ctx, &(struct handoff){ .from = MODEL_NONE, .to = 1, .t_acquire_ns = T0 + 203 * MS });
	k->sample(k->ctx, &(struct sample_row){ .thread = 0, .t_ns = T0 + 10 * MS, .state = STATE_GIL, .stack = 11 });
	k->sample(k->ctx, &(struct sample_row){ .thread = 0, .t_ns = T0 + 20 * MS, .state = STATE_GIL, .stack = 12 });
	k->process_event(k->ctx, &(struct process_event){ .t_ns = T0 + 900 * MS, .kind = PROCESS_EXEC, .text = "sleep" });
	store_loss(s, &(struct ev_loss){ .t0_ns = T0 + 1, .t1_ns = T0 + 2, .count = 3, .cls = EV_LOSS_RING_OFF });
	store_level(s, &(struct ev_level){ .t_ns = T0, .level = 3, .reason = EV_LEVEL_START, .min_off_ns = 1000 });
	store_own(s, &(struct store_own){ .t_ns = T0 + 1000 * MS, .cpu_ns = 5 * MS, .bpf_run_ns = 7, .bpf_runs = 8,
					  .max_rss_bytes = 9, .events = 10, .db_bytes = 11 });
	store_note(s, T0, "no samples: perf_event_paranoid is 3");
}

static inline void put_all(struct store *s)
{
	put_who(s);
	put_waits(s); /* names stacks 11, 12 and 20 before their frames are known */
	put_rest(s);
	put_stack(s, 11, 2, 4);
	put_stack(s, 12, 2, 6);
	put_stack(s, 20, 3, 0);
}

static inline void make_recording(const char *path)
{
	struct store *s = create(path);
	struct fail why = { 0 };

	put_all(s);
	assert_int_equal(store_commit(s), 0);
	assert_null(store_error(s));
	assert_int_equal(store_close(s, true, T0 + 1000 * MS, &why), 0);
}
