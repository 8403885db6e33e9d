/* bench_timeline [EVENTS]: how many events a second the timeline takes on one core, with a sink that only counts.
 * The stream: 8 threads that hand one GIL round in 400 us turns, each going to a system call between its turns; every wait
 * shows the holder and both stacks, every 25th event is a sample. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/timeline/timeline.h"

enum { THREADS = 8, GIL = 0x100, IDENT = 0x7000 };
static const uint64_t turn_ns = 400000;

struct counts { uint64_t intervals, waits, credits, holds; };

static void on_interval(void *ctx, const struct interval *r) { (void)r; ((struct counts *)ctx)->intervals++; }
static void on_wait(void *ctx, const struct wait *r) { (void)r; ((struct counts *)ctx)->waits++; }
static void on_credit(void *ctx, const struct credit *r) { (void)r; ((struct counts *)ctx)->credits++; }
static void on_hold(void *ctx, const struct hold *r) { (void)r; ((struct counts *)ctx)->holds++; }

static void announce(struct timeline *t)
{
	for (uint32_t i = 0; i < THREADS; i++) {
		struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .flags = EV_F_AT_START, .pid = 1, .tid = 1 + i },
				       .t_ns = 1, .start_ns = i + 1, .ident = IDENT + i };

		timeline_feed(t, &e.h);
	}
}

static void off(struct timeline *t, uint32_t who, uint32_t flags, uint64_t out, uint64_t wake, uint64_t in, uint32_t waker,
		uint32_t holder, uint64_t turn)
{
	struct ev_off e = { .h = { .kind = EV_OFF, .size = sizeof(e), .flags = EV_F_BLOCKED | EV_F_GIL_SEEN | EV_F_PYTHON | flags,
				   .pid = 1, .tid = 1 + who },
			    .t_out_ns = out, .t_in_ns = in, .t_wake_ns = wake, .gil = GIL, .nr = flags & EV_F_FUTEX_WAIT ? 202 : 0,
			    .holder_ident = IDENT + holder, .switch_number = turn, .own_stack = 1000 + who, .waker_pid = 1, .waker_tid = waker };

	if (flags & EV_F_GIL_WAIT) {
		e.holder_stack = 2000 + turn % 7;
		e.waker_stack = 2000 + turn % 5;
	}
	timeline_feed(t, &e.h);
}

static void sample(struct timeline *t, uint32_t who, uint64_t at)
{
	struct ev_sample e = { .h = { .kind = EV_SAMPLE, .size = sizeof(e), .pid = 1, .tid = 1 + who,
				      .flags = EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS | EV_F_PYTHON },
			       .t_ns = at, .gil = GIL, .holder_ident = IDENT + who, .stack = 3000 + at % 11, .nr = -1 };

	timeline_feed(t, &e.h);
}

/* Turn n: thread n % THREADS holds.  It wakes the next, goes to a call, and is back waiting two turns later. */
static uint64_t run(struct timeline *t, uint64_t events)
{
	const uint32_t waits = EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_LOCKED;
	uint64_t n = 0, now = 1000000;

	for (uint64_t turn = 0; n < events; turn++, now += turn_ns) {
		uint32_t who = turn % THREADS, last = (turn + THREADS - 1) % THREADS;

		if (turn >= THREADS) {
			off(t, who, 0, now - (THREADS - 1) * turn_ns + 4000, 0, now - 5 * turn_ns, 0, 0, turn);
			off(t, who, waits, now - 5 * turn_ns + 5000, now, now + 3000, 1 + last, (who + 3) % THREADS, turn - 5);
			n += 2;
		}
		if (turn % 12 == 0) {
			sample(t, who, now + turn_ns / 2);
			n++;
		}
	}
	timeline_finish(t, now);
	return n;
}

int main(int argc, char **argv)
{
	uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000, t0, ns;
	struct counts counts = { 0 };
	struct timeline_sink sink = { .ctx = &counts, .interval = on_interval, .wait = on_wait, .credit = on_credit, .hold = on_hold };
	struct timeline_config config = { .start_ns = 1 };
	struct timeline *t = timeline_new(&config, &sink);
	struct rusage usage;

	announce(t);
	t0 = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	events = run(t, events);
	ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
	getrusage(RUSAGE_SELF, &usage);
	printf("%" PRIu64 " events, %.2f M/s of one core, %.0f ns each, max RSS %ld KiB\n", events, (double)events * 1e3 / (double)ns,
	       (double)ns / (double)events, usage.ru_maxrss);
	printf("out: %" PRIu64 " intervals, %" PRIu64 " waits, %" PRIu64 " credits, %" PRIu64 " holds; odd %" PRIu64 "\n", counts.intervals,
	       counts.waits, counts.credits, counts.holds,
	       timeline_oddities(t)->overlapping + timeline_oddities(t)->two_holders + timeline_oddities(t)->out_of_order);
	timeline_free(t);
	return 0;
}
