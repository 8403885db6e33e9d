/* How fast rows go into a recording, and how big they are there.  One event is what one switch of a busy program costs
 * the store: an interval, and of every ten events two waits with one credit and one hand-off each, a hold, and now and
 * then a sample.  The recording is committed every 250 ms of its own time, as the session does.
 *
 *     build/release/tests/bench/bench_store [-n EVENTS] [-m EVENTS/S] [-b BYTES] FILE
 *
 * Prints events/s of CPU time of this one thread (checkpoints and close included) and bytes a row by the size of a file
 * with intervals alone, less that of one with a single interval.  Exits 1 when slower than -m or larger than -b. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/store/store.h"

#define THREADS 32
#define STACKS 500
#define DEPTH 20
#define START_NS 86400000000000ULL

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint32_t random_u32(void) /* xorshift: the same rows in every run */
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static uint64_t random_stack(void)
{
	return 1 + random_u32() % STACKS;
}

static void on_symbol(void *ctx, uint32_t frame, uint32_t pid, const struct ev_frame *f)
{
	struct store_symbol sym = { .function = "function", .file = "/usr/lib/python3/module.py", .resolved = true,
				    .line = (uint32_t)f->lasti + 1, .first_line = f->check };

	(void)pid;
	store_symbol(ctx, frame, &sym);
}

static void put_stacks(struct store *s)
{
	for (unsigned i = 0; i < STACKS; i++) {
		struct ev_stack st = { .h = { .kind = EV_STACK, .pid = 100, .tid = 100 }, .key = 1 + i, .n = DEPTH };

		for (unsigned f = 0; f < DEPTH; f++)
			st.frames[f] = (struct ev_frame){ .code = 0x7f0000000000ULL + f * 4096, .check = f * 10,
							  .lasti = (int32_t)(f < 3 ? i : 0) };
		store_stack(s, &st, on_symbol, s);
	}
}

static void put_threads(struct store *s)
{
	const struct timeline_sink *k = store_sink(s);

	k->proc(k->ctx, &(struct proc_row){ .proc = 0, .pid = 100, .start_ns = 5 });
	k->lock(k->ctx, &(struct lock_row){ .lock = 0, .proc = 0, .kind = LOCK_GIL, .addr = 0x9a0b40 });
	for (uint32_t i = 0; i < THREADS; i++) {
		struct thread_row t = { .thread = i, .tid = 100 + i, .start_ns = 5 + i, .first_ns = START_NS,
					.last_ns = START_NS, .is_main = i == 0 };

		snprintf(t.comm, sizeof(t.comm), "worker-%u", i);
		k->thread(k->ctx, &t);
	}
}

static void put_wait(const struct timeline_sink *k, uint64_t id, uint32_t thread, uint64_t t0, uint64_t t1)
{
	uint64_t mine = random_stack(), theirs = random_stack();

	k->wait(k->ctx, &(struct wait){ .wait = id, .thread = thread, .lock = 0, .t0_ns = t0, .t1_ns = t1, .stack = mine,
					.end = WAIT_FORCED, .sleeps = 2, .asleep_ns = (t1 - t0) * 9 / 10,
					.wake_latency_ns = 7000, .waker = (thread + 1) % THREADS });
	k->credit(k->ctx, &(struct credit){ .wait = id, .holder = (thread + 1) % THREADS, .state = HOLDER_RUNNING, .nr = -1,
					    .stack = theirs, .ns = t1 - t0 });
	k->handoff(k->ctx, &(struct handoff){ .lock = 0, .from = (thread + 1) % THREADS, .to = thread, .forced = true,
					      .t_release_ns = t1 - 9000, .t_acquire_ns = t1, .stack = theirs });
}

/* Returns CPU seconds used. */
static double fill(struct store *s, uint64_t events, bool intervals_only)
{
	const struct timeline_sink *k = store_sink(s);
	double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t now = START_NS, last_commit = now, waits = 0;

	put_threads(s);
	put_stacks(s);
	for (uint64_t i = 0; i < events; i++) {
		uint32_t thread = random_u32() % THREADS;
		uint64_t took = 2000 + random_u32() % 60000, t0 = now > START_NS + took ? now - took : START_NS;
		enum thread_state state = (enum thread_state)(random_u32() % STATE_RUNNABLE);

		now += 1500 + random_u32() % 3600; /* about 300,000 events in a second of the recording */
		k->interval(k->ctx, &(struct interval){ .thread = thread, .t0_ns = t0, .t1_ns = now, .state = state,
							.flags = INTERVAL_F_INFERRED, .stack = random_stack(),
							.nr = state == STATE_BLOCKED ? 232 : -1,
							.lock = state == STATE_WAIT_GIL ? 0 : MODEL_NONE });
		if (!intervals_only && i % 5 == 0)
			put_wait(k, waits++, thread, t0, now);
		if (!intervals_only && i % 10 == 0)
			k->hold(k->ctx, &(struct hold){ .thread = thread, .lock = 0, .t0_ns = t0, .t1_ns = now,
							.stack = random_stack() });
		if (!intervals_only && i % 1000 == 0)
			k->sample(k->ctx, &(struct sample_row){ .thread = thread, .t_ns = now, .state = STATE_GIL,
								.stack = random_stack() });
		if (now - last_commit >= 250000000) {
			last_commit = now;
			store_commit(s);
		}
	}
	store_commit(s);
	return seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

static struct store *make(const char *path)
{
	struct store_meta meta = { .gilscope_version = "bench", .collector = "bench", .start_mono_ns = START_NS };
	struct store *s = NULL;
	struct fail why = { 0 };

	if (store_create(&s, path, &(struct store_create_options){ .overwrite = true }, &meta, &why)) {
		fprintf(stderr, "bench_store: %s\n%s\n", why.what, why.hint);
		exit(4);
	}
	return s;
}

static double finish(struct store *s)
{
	double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	struct fail why = { 0 };

	if (store_close(s, true, START_NS + 1, &why)) {
		fprintf(stderr, "bench_store: %s\n%s\n", why.what, why.hint);
		exit(4);
	}
	return seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

static uint64_t file_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int main(int argc, char **argv)
{
	uint64_t events = 2000000, empty, full;
	double min_rate = 0, max_bytes = 0, wall, cpu, rate, bytes;
	int opt;

	while ((opt = getopt(argc, argv, "n:m:b:")) != -1)
		switch (opt) {
		case 'n': events = strtoull(optarg, NULL, 10); break;
		case 'm': min_rate = strtod(optarg, NULL); break;
		case 'b': max_bytes = strtod(optarg, NULL); break;
		default: return 2;
		}
	if (optind + 1 != argc || !events)
		return fprintf(stderr, "usage: bench_store [-n EVENTS] [-m EVENTS/S] [-b BYTES] FILE\n"), 2;
	const char *path = argv[optind];
	struct store *s = make(path);

	wall = seconds(CLOCK_MONOTONIC);
	cpu = fill(s, events, false);
	cpu += finish(s);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	rate = (double)events / cpu;
	printf("events/s on one core: %.0f (%" PRIu64 " events, %.2f s CPU, %.2f s elapsed, %.1f MB)\n", rate, events, cpu,
	       wall, (double)file_bytes(path) / 1e6);

	s = make(path);
	fill(s, 1, true);
	finish(s);
	empty = file_bytes(path);
	s = make(path);
	fill(s, events, true);
	finish(s);
	full = file_bytes(path);
	bytes = (double)(full - empty) / (double)(events - 1 ? events - 1 : 1);
	printf("bytes a row of intervals: %.1f\n", bytes);
	unlink(path);
	return (min_rate > 0 && rate < min_rate) || (max_bytes > 0 && bytes > max_bytes);
}
