/* A recording of any size that looks like a real one: --threads threads of one process share a GIL, at most eight of them
 * compute (and are made to let go every 5 ms), the others sleep about a millisecond, compute a little and sleep again.  The
 * proportions of rows (intervals to waits to credits …), the lengths and the pieces of a wait are those of a recording of
 * tests/truth/workloads/threads32.py.  The same options give the same file.
 *
 *     synthetic_recording [--intervals N] [--threads N] [--stacks N] [--seed N] [--hours H] OUT.gilscope
 *
 * --hours H: one more thread, asleep for H hours, and the recording is as long. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store.h"

#define START_NS UINT64_C(86400000000000)
#define SWITCH_NS UINT64_C(5000000)
enum { HOGS_MAX = 8, DEPTH = 20, PIECES = 3, HOLDS_KEPT = 1 << 16, NANOSLEEP = 230, THREADS_MAX = 16000 };

struct thread {
	uint64_t arrives; /* came to want the GIL at; when asleep: will come */
	uint64_t cpu_ns;
	uint32_t stacks; /* first of its own */
	bool hog;
};

struct held {
	uint64_t t0, t1;
	uint32_t thread;
	unsigned n;
	struct { uint64_t ns; uint64_t stack; enum holder_state state; } pieces[PIECES];
};

static struct store *store;
static const struct timeline_sink *sink;
static struct thread threads[THREADS_MAX];
static struct held holds[HOLDS_KEPT]; /* a ring */
static uint32_t queue[THREADS_MAX], heap[THREADS_MAX];
static uint64_t n_intervals, n_waits, n_holds, last_commit;
static unsigned n_threads = 32, n_stacks = 400, n_queue, n_heap, n_naps;
static uint64_t rng = 88172645463325252u;

static uint32_t random_u32(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 32);
}

static uint64_t below(uint64_t n)
{
	return n ? (((uint64_t)random_u32() << 32) | random_u32()) % n : 0;
}

/* Lengths scatter like those of a real machine: most near the mean, some far longer. */
static uint64_t about(uint64_t mean_ns)
{
	double u = ((double)random_u32() + 1) / 4294967297.0;

	return (uint64_t)((double)mean_ns * (0.4 - 0.6 * log(u))) + 1;
}

/* ---- sleepers, by when they come back ---- */

static void heap_push(uint32_t thread)
{
	unsigned i = n_heap++;

	while (i && threads[heap[(i - 1) / 2]].arrives > threads[thread].arrives) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = thread;
}

static uint32_t heap_pop(void)
{
	uint32_t top = heap[0], last = heap[--n_heap];
	unsigned i = 0;

	for (unsigned child; (child = 2 * i + 1) < n_heap; i = child) {
		if (child + 1 < n_heap && threads[heap[child + 1]].arrives < threads[heap[child]].arrives)
			child++;
		if (threads[heap[child]].arrives >= threads[last].arrives)
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return top;
}

/* ---- rows ---- */

static void put_interval(uint32_t thread, uint64_t t0, uint64_t t1, enum thread_state state, uint32_t flags, int32_t nr,
			 uint64_t stack)
{
	const bool lock = state == STATE_GIL || state == STATE_WAIT_GIL || (flags & INTERVAL_F_HELD);

	if (t1 <= t0)
		return;
	sink->interval(sink->ctx, &(struct interval){ .thread = thread, .t0_ns = t0, .t1_ns = t1, .state = state, .flags = flags,
						      .nr = nr, .lock = lock ? 0 : MODEL_NONE, .stack = stack });
	n_intervals++;
}

static uint64_t stack_of(const struct thread *t)
{
	unsigned pick = random_u32() % 16;

	return 1 + (t->stacks + (pick < 10 ? 0 : pick - 9)) % n_stacks;
}

/* The holds that overlap it, and gaps between them; returns how many holds it met. */
static void put_credits(uint64_t id, uint64_t t0, uint64_t t1)
{
	uint64_t i = n_holds, a = t0, kept = n_holds < HOLDS_KEPT ? n_holds : HOLDS_KEPT - 1;
	struct credit rows[512];
	unsigned n = 0;

	while (i > n_holds - kept && holds[(i - 1) % HOLDS_KEPT].t1 > t0)
		i--;
	for (; i < n_holds && n < 500; i++) {
		const struct held *h = &holds[i % HOLDS_KEPT];
		uint64_t at = h->t0;

		if (h->t0 > a)
			rows[n++] = (struct credit){ .holder = MODEL_NONE, .state = HOLDER_UNKNOWN, .nr = -1, .ns = h->t0 - a };
		for (unsigned k = 0; k < h->n; at += h->pieces[k++].ns) {
			uint64_t from = at > t0 ? at : t0, to = at + h->pieces[k].ns < t1 ? at + h->pieces[k].ns : t1;

			if (to > from)
				rows[n++] = (struct credit){ .holder = h->thread, .state = h->pieces[k].state, .nr = -1,
							     .stack = h->pieces[k].stack, .ns = to - from };
		}
		a = h->t1 > a ? h->t1 : a;
	}
	if (t1 > a)
		rows[n++] = (struct credit){ .holder = MODEL_NONE, .state = HOLDER_UNKNOWN, .nr = -1, .ns = t1 - a };
	for (unsigned k = 0; k < n; k++) { /* equal ones are one row */
		unsigned first = 0;

		while (first < k && (rows[first].holder != rows[k].holder || rows[first].state != rows[k].state ||
				     rows[first].stack != rows[k].stack))
			first++;
		if (first < k) {
			rows[first].ns += rows[k].ns;
			rows[k].ns = 0;
		}
	}
	for (unsigned k = 0; k < n; k++) {
		rows[k].wait = id;
		if (rows[k].ns)
			sink->credit(sink->ctx, &rows[k]);
	}
}

static void put_wait(uint32_t thread, uint64_t t1, const struct held *before)
{
	const struct thread *t = &threads[thread];
	const bool forced = before && before->t1 - before->t0 > SWITCH_NS;
	const uint64_t stack = 1 + t->stacks % n_stacks;
	uint64_t at = t->arrives;
	uint32_t sleeps = 0;

	while (t1 > at + 2 * SWITCH_NS) { /* it sleeps anew after each switch interval; what is between was only counted */
		uint64_t end = at + SWITCH_NS + about(70000);

		put_interval(thread, at, end, STATE_WAIT_GIL, 0, -1, stack);
		at = end + (random_u32() % 2 ? about(20000) : 0);
		sleeps++;
	}
	put_interval(thread, at, t1, STATE_WAIT_GIL, 0, -1, stack);
	sink->wait(sink->ctx, &(struct wait){ .wait = n_waits, .thread = thread, .lock = 0, .t0_ns = t->arrives, .t1_ns = t1,
					      .stack = stack, .end = forced ? WAIT_FORCED : WAIT_VOLUNTARY, .sleeps = sleeps + 1,
					      .asleep_ns = (t1 - t->arrives) * 9 / 10, .wake_latency_ns = about(17000),
					      .waker = before ? before->thread : MODEL_NONE });
	put_credits(n_waits, t->arrives, t1);
	n_waits++;
	if (before)
		sink->handoff(sink->ctx, &(struct handoff){ .lock = 0, .from = before->thread, .to = thread, .forced = forced,
							    .t_release_ns = before->t1, .t_acquire_ns = t1,
							    .stack = before->pieces[before->n - 1].stack });
}

/* One hold, taken at t0; the thread's interval rows of it. */
static const struct held *put_hold(uint32_t thread, uint64_t t0, uint64_t len)
{
	struct thread *t = &threads[thread];
	struct held *h = &holds[n_holds % HOLDS_KEPT];
	const bool preempted = t->hog && random_u32() % 12 == 0;
	const unsigned n = t->hog ? 1 + random_u32() % PIECES : 1;
	uint64_t left = len, off = 0;

	*h = (struct held){ .t0 = t0, .t1 = t0 + len, .thread = thread, .n = n };
	for (unsigned k = 0; k < n; k++) {
		h->pieces[k].ns = k + 1 < n ? 1 + below(left / 2) : left;
		h->pieces[k].stack = stack_of(t);
		h->pieces[k].state = preempted && n > 1 && k == 1 ? HOLDER_PREEMPTED : HOLDER_RUNNING;
		off += h->pieces[k].state == HOLDER_PREEMPTED ? h->pieces[k].ns : 0;
		left -= h->pieces[k].ns;
	}
	n_holds++;
	put_interval(thread, t0, t0 + (off ? h->pieces[0].ns : len), STATE_GIL, t->hog ? INTERVAL_F_INFERRED : 0, -1, 0);
	if (off) {
		put_interval(thread, t0 + h->pieces[0].ns, t0 + h->pieces[0].ns + off, STATE_RUNNABLE, INTERVAL_F_HELD, -1, 0);
		put_interval(thread, t0 + h->pieces[0].ns + off, t0 + len, STATE_GIL, INTERVAL_F_INFERRED, -1, 0);
	}
	sink->hold(sink->ctx, &(struct hold){ .thread = thread, .lock = 0, .t0_ns = t0, .t1_ns = t0 + len, .preempted_ns = off,
					      .flags = t->hog ? HOLD_F_END_INFERRED : 0, .stack = h->pieces[n - 1].stack });
	t->cpu_ns += len - off;
	if (t->cpu_ns > 10101010) {
		t->cpu_ns -= 10101010;
		sink->sample(sink->ctx, &(struct sample_row){ .thread = thread, .t_ns = t0 + below(len), .state = STATE_GIL,
							      .stack = h->pieces[0].stack });
	}
	return h;
}

/* From the end of its hold until it wants the GIL again; returns when that is. */
static uint64_t put_away(uint32_t thread, uint64_t t)
{
	const uint64_t leaves = t + about(threads[thread].hog ? 24000 : 30000);
	/* more sleepers sleep longer, so that about as many wait */
	const uint64_t sleep = 1000000 + (n_naps > 24 ? about(40000000) * (n_naps - 24) / 24 : 0);
	uint64_t wakes, runs;

	put_interval(thread, t, leaves, STATE_NOGIL, INTERVAL_F_INFERRED, -1, 0);
	if (threads[thread].hog)
		return leaves;
	wakes = leaves + sleep + about(30000);
	runs = wakes + about(25000);
	put_interval(thread, leaves, wakes, STATE_SLEEP, 0, NANOSLEEP, 0);
	put_interval(thread, wakes, runs, STATE_RUNNABLE, 0, -1, 0);
	put_interval(thread, runs, runs + 4000, STATE_NOGIL, INTERVAL_F_INFERRED, -1, 0);
	return runs + 4000;
}

static void put_tallies(uint64_t t)
{
	for (uint32_t i = 0; i < n_threads; i += 3) {
		uint64_t ns = about(70000);

		sink->tally(sink->ctx, &(struct tally){ .thread = i, .t0_ns = t - 100000000 - below(1000000), .t1_ns = t - below(1000000),
							.state = STATE_RUNNABLE, .n = 1 + ns / 14000, .ns = ns, .lock = MODEL_NONE });
	}
}

static void commit(uint64_t t)
{
	if (t - last_commit < 250000000)
		return;
	put_tallies(t);
	store_commit(store);
	last_commit = t;
}

static void admit(uint64_t until)
{
	while (n_heap && threads[heap[0]].arrives < until)
		queue[n_queue++] = heap_pop();
}

/* One turn: somebody takes the GIL and lets go. */
static uint64_t turn(uint64_t now, const struct held **before)
{
	const bool waited = n_queue > 0;
	unsigned at = waited && random_u32() % 4 == 0 ? (unsigned)below(n_queue) : 0;
	uint32_t thread = waited ? queue[at] : heap_pop();
	struct thread *t = &threads[thread];
	uint64_t acquires = waited ? now + about(12000) : t->arrives > now ? t->arrives : now, len;

	if (waited) {
		memmove(queue + at, queue + at + 1, (--n_queue - at) * sizeof(*queue));
		acquires = acquires > t->arrives ? acquires : t->arrives + 1;
		put_wait(thread, acquires, *before);
	}
	len = t->hog ? (random_u32() % 3 ? SWITCH_NS + about(60000) : about(2000000)) : about(40000);
	*before = put_hold(thread, acquires, len);
	admit(acquires + len);
	t->arrives = put_away(thread, acquires + len);
	heap_push(thread);
	commit(acquires + len);
	return acquires + len;
}

/* ---- who is there ---- */

static void on_symbol(void *ctx, uint32_t frame, uint32_t pid, const struct ev_frame *f)
{
	char function[64], file[96];
	struct store_symbol symbol = { .function = function, .file = file, .line = (uint32_t)f->lasti + 1, .first_line = f->check,
				       .resolved = true };

	(void)ctx, (void)pid;
	snprintf(function, sizeof(function), "Service%u.step_%u", (unsigned)(f->code >> 12 & 15), f->check);
	snprintf(file, sizeof(file), "/srv/app/package%u/module_%u.py", (unsigned)(f->code >> 12 & 7), f->check % 40);
	store_symbol(store, frame, &symbol);
}

static void put_stacks(void)
{
	for (unsigned i = 0; i < n_stacks; i++) {
		struct ev_stack s = { .h = { .kind = EV_STACK, .pid = 100, .tid = 100 }, .key = 1 + i, .n = DEPTH };

		for (unsigned f = 0; f < DEPTH; f++) { /* the innermost differ, the outer ones are shared by more and more */
			unsigned path = i >> (f < 6 ? f : 6);

			s.frames[f] = (struct ev_frame){ .code = 0x7f0000000000u + ((uint64_t)f << 12), .check = f * 10 + path % 7,
							 .lasti = (int32_t)(path % 900) };
		}
		s.h.size = (__u16)(32 + s.n * sizeof(struct ev_frame));
		store_stack(store, &s, on_symbol, NULL);
	}
}

static struct thread_row thread_row(uint32_t i, uint64_t last)
{
	struct thread_row row = { .thread = i, .tid = 100 + i, .start_ns = 5 + i, .first_ns = START_NS, .last_ns = last,
				  .is_main = i == 0 };

	snprintf(row.comm, sizeof(row.comm), "%s-%u", i < n_threads ? (threads[i].hog ? "cpu" : "nap") : "asleep", i);
	return row;
}

static void put_cast(void)
{
	sink->proc(sink->ctx, &(struct proc_row){ .proc = 0, .pid = 100, .start_ns = 5 });
	store_process(store, &(struct store_process){ .pid = 100, .shown_pid = 100, .switch_interval_ns = SWITCH_NS, .name = "python3",
						      .command = "python3 synthetic.py", .runtime = "CPython 3.11.2" });
	store_gil(store, &(struct store_gil){ .pid = 100, .addr = 0x9a0b40, .interp_id = 0 });
	sink->lock(sink->ctx, &(struct lock_row){ .lock = 0, .proc = 0, .kind = LOCK_GIL, .addr = 0x9a0b40 });
	put_stacks();
	for (uint32_t i = 0; i < n_threads; i++) {
		struct thread_row row;

		threads[i] = (struct thread){ .arrives = START_NS + 1000 + below(20000000), .hog = i < n_threads / 4 && i < HOGS_MAX,
					      .stacks = i * 7 % n_stacks };
		n_naps += !threads[i].hog;
		row = thread_row(i, START_NS);
		sink->thread(sink->ctx, &row);
		put_interval(i, START_NS, threads[i].arrives, STATE_UNKNOWN, INTERVAL_F_AT_START, -1, 0);
		heap_push(i);
	}
}

static uint64_t run(uint64_t wanted, double hours)
{
	uint64_t now = START_NS, end;
	const struct held *before = NULL;

	put_cast();
	last_commit = now;
	while (n_intervals < wanted && n_threads)
		now = turn(now, &before);
	end = now;
	if (hours > 0) {
		struct thread_row row;

		end = START_NS + (uint64_t)(hours * 3600e9) > now ? START_NS + (uint64_t)(hours * 3600e9) : now;
		row = thread_row(n_threads, end);
		sink->thread(sink->ctx, &row);
		put_interval(n_threads, START_NS, end, STATE_SLEEP, INTERVAL_F_AT_START | INTERVAL_F_UNFINISHED, NANOSLEEP, 1);
	}
	for (uint32_t i = 0; i < n_threads; i++) {
		struct thread_row row = thread_row(i, now > threads[i].arrives ? now : threads[i].arrives);

		end = row.last_ns > end ? row.last_ns : end;
		sink->thread(sink->ctx, &row);
	}
	return end;
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || n < min || n > max) {
		fprintf(stderr, "synthetic_recording: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text, min, max);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "intervals", 1, NULL, 'n' }, { "threads", 1, NULL, 't' }, { "stacks", 1, NULL, 's' },
						 { "seed", 1, NULL, 'r' }, { "hours", 1, NULL, 'h' }, { 0 } };
	const struct store_meta meta = { .gilscope_version = GILSCOPE_VERSION, .collector = "synthetic", .host = "bench",
					 .kernel = "6.1", .cpu_model = "none", .command_line = "synthetic_recording", .cpus = 2,
					 .sample_hz = 99, .start_mono_ns = START_NS, .start_real_ns = UINT64_C(1700000000000000000) };
	uint64_t wanted = 1000000, end;
	struct fail why = { 0 };
	double hours = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'n': wanted = number(optarg, 0, 100000000); break;
		case 't': n_threads = (unsigned)number(optarg, 0, THREADS_MAX); break;
		case 's': n_stacks = (unsigned)number(optarg, 1, 1000000); break;
		case 'r': rng ^= number(optarg, 0, UINT32_MAX) * 0x9e3779b97f4a7c15u; break;
		case 'h': hours = (double)number(optarg, 0, 1000); break;
		default: return 2;
		}
	if (optind + 1 != argc)
		return fprintf(stderr, "usage: synthetic_recording [--intervals N] [--threads N] [--stacks N] [--seed N] [--hours H] FILE\n"), 2;
	if (store_create(&store, argv[optind], &(struct store_create_options){ .overwrite = true }, &meta, &why))
		return fprintf(stderr, "synthetic_recording: %s\n", why.what), 4;
	sink = store_sink(store);
	end = run(wanted, hours);
	if (store_close(store, true, end, &why))
		return fprintf(stderr, "synthetic_recording: %s\n", why.what), 4;
	printf("%" PRIu64 " intervals, %" PRIu64 " waits, %" PRIu64 " holds\n", n_intervals, n_waits, n_holds);
	return 0;
}
