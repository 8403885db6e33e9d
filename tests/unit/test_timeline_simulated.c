/* The timeline against a simulated interpreter: threads, a GIL as CPython's ceval_gil keeps it and a scheduler, in steps of
 * 1 us.  The simulation knows who held the GIL when; the timeline is told only what the bpf collector sees (stretches off
 * the CPU, the GIL's words at their start, wakers, samples), or, when it is thinned, how many short stretches there were.  Both must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/timeline/timeline.h"
#include "tests/golden/timeline_check.h"

enum { MAX_THREADS = 32, US = 1000, INTERVAL_US = 5000, GIL = 0x100, IDENT = 0x7000, NOBODY = -1 };
enum { END_US = 100 }; /* who gets the GIL in the last moments cannot be seen any more */

enum place { HOLDING, NATIVE, TAKING, ON_COND, ON_SWITCH, IN_CALL, NO_CPU };

struct sim_thread {
	enum place place, then; /* then: where it goes on after NO_CPU */
	int left; /* us of the current place */
	int64_t out, wake, timeout; /* off the CPU since; woken at, <0 not yet; runs again latency us later */
	int latency, waker;
	uint64_t waker_stack, saved_switch_number;
	struct ev_off off; /* as it was seen at `out` */
	struct ev_agg agg; /* what was counted since the last one; t1_ns 0 nothing */
	bool waiting, moved; /* moved: ran Python code since its last sleep on the GIL */
	int64_t wait_start, took_since; /* first sleep of the wait; last return to the CPU */
	uint64_t line;
	/* the truth */
	uint64_t wait_ns, waits, held_on_cpu_ns, held_off_cpu_ns, caused_ns;
};

struct scenario {
	const char *name;
	int threads, hogs; /* the first ones never call */
	int hold_us, call_us, native_us; /* on average */
	int preempt; /* one in so many us on the CPU */
	int seconds;
	int sample_us; /* a sample of each thread on the CPU in so many us, 0 none */
	int thin_us; /* shorter stretches off the CPU are only counted, 0 none */
};

struct sim {
	const struct scenario *s;
	struct sim_thread th[MAX_THREADS];
	struct timeline *timeline;
	int holder, last_holder;
	uint64_t switch_number;
	bool drop_request;
	int64_t now;
	int queue[MAX_THREADS], queued; /* on the condition, not yet woken */
	uint32_t seed;
	uint64_t forced; /* releases on demand that woke a waiter */
};

static uint32_t roll(struct sim *s, uint32_t below)
{
	s->seed = s->seed * 1664525 + 1013904223;
	return below ? (s->seed >> 8) % below : 0;
}

static int around(struct sim *s, int mean)
{
	return 1 + (int)roll(s, (uint32_t)(2 * mean));
}

static uint64_t stack_of(const struct sim *s, int i)
{
	return (uint64_t)(i + 1) * 1000 + s->th[i].line;
}

static void look(const struct sim *s, int i, __u32 *flags, __u64 *ident)
{
	*flags |= EV_F_GIL_SEEN | EV_F_PYTHON;
	if (s->holder == NOBODY)
		return;
	*flags |= EV_F_LOCKED | (s->holder == i ? EV_F_SELF_HOLDS : 0);
	*ident = (__u64)(IDENT + s->holder);
}

static void leave_cpu(struct sim *s, int i, uint32_t flags, int nr, uint64_t word)
{
	struct sim_thread *th = &s->th[i];
	struct ev_off *e = &th->off;

	th->out = s->now;
	th->wake = -1;
	th->waker = NOBODY;
	*e = (struct ev_off){ .h = { .kind = EV_OFF, .size = sizeof(*e), .flags = flags, .pid = 1, .tid = (uint32_t)i + 1 },
			      .t_out_ns = (uint64_t)s->now * US, .nr = nr, .arg0 = word, .gil = GIL, .switch_number = s->switch_number };
	look(s, i, &e->h.flags, &e->holder_ident);
	e->own_stack = stack_of(s, i);
	if ((flags & EV_F_GIL_WAIT) && th->moved) {
		e->h.flags |= EV_F_MOVED;
		th->moved = false;
	}
	if ((flags & EV_F_GIL_WAIT) && s->holder != NOBODY)
		e->holder_stack = stack_of(s, s->holder);
}

static void wake(struct sim *s, int i, int waker)
{
	struct sim_thread *th = &s->th[i];

	th->wake = s->now;
	th->latency = 2 + (int)roll(s, 30);
	th->waker = waker;
	if (waker != NOBODY)
		th->waker_stack = stack_of(s, waker);
}

static void send_agg(struct sim *s, struct sim_thread *th)
{
	if (th->agg.t1_ns)
		timeline_feed(s->timeline, &th->agg.h);
	th->agg = (struct ev_agg){ 0 };
}

static void count(struct sim *s, struct sim_thread *th)
{
	const struct ev_off *e = &th->off;
	int cls = !(e->h.flags & EV_F_BLOCKED) ? EV_AGG_RUNNABLE : e->h.flags & EV_F_GIL_WAIT ? EV_AGG_GIL : EV_AGG_BLOCKED;
	struct ev_agg *a = &th->agg;

	if (!a->t1_ns)
		*a = (struct ev_agg){ .h = { .kind = EV_AGG, .size = sizeof(*a), .pid = 1, .tid = e->h.tid }, .t0_ns = e->t_out_ns, .gil = GIL };
	a->t1_ns = e->t_in_ns;
	a->n[cls]++;
	a->ns[cls] += e->t_in_ns - e->t_out_ns;
	a->held_ns[cls] += e->h.flags & EV_F_SELF_HOLDS ? e->t_in_ns - e->t_out_ns : 0;
	a->h.flags |= e->h.flags & EV_F_MOVED;
	if (a->t1_ns - a->t0_ns > 50000000)
		send_agg(s, th);
}

static void back_on_cpu(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];

	th->off.t_in_ns = (uint64_t)s->now * US;
	th->off.t_wake_ns = th->place == NO_CPU ? 0 : (uint64_t)th->wake * US;
	if (th->waker != NOBODY) {
		th->off.waker_pid = 1;
		th->off.waker_tid = (uint32_t)th->waker + 1;
		th->off.waker_stack = th->waker_stack;
	}
	th->took_since = s->now;
	if (th->off.t_in_ns - th->off.t_out_ns < (uint64_t)s->s->thin_us * US) {
		count(s, th);
		return;
	}
	send_agg(s, th);
	timeline_feed(s->timeline, &th->off.h);
}

static void release(struct sim *s, int i)
{
	s->holder = NOBODY;
	s->last_holder = i;
	if (!s->queued)
		return;
	wake(s, s->queue[0], i);
	memmove(s->queue, s->queue + 1, sizeof(s->queue[0]) * (size_t)--s->queued);
}

static void sleep_on_cond(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];

	if (!th->waiting)
		th->wait_start = s->now;
	th->waiting = true;
	th->place = ON_COND;
	th->timeout = s->now + INTERVAL_US;
	th->saved_switch_number = s->switch_number;
	s->queue[s->queued++] = i;
	leave_cpu(s, i, EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT, 202, GIL + 40);
}

static void take(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];

	if (s->holder != NOBODY) {
		sleep_on_cond(s, i);
		return;
	}
	s->holder = i;
	if (s->last_holder != i) {
		s->switch_number++;
		for (int k = 0; k < s->s->threads; k++)
			if (s->th[k].place == ON_SWITCH && s->th[k].wake < 0)
				wake(s, k, i);
	}
	s->last_holder = i;
	s->drop_request = false;
	if (th->waiting && s->now < s->s->seconds * 1000000 - END_US) {
		th->waits++;
		th->wait_ns += (uint64_t)(th->took_since - th->wait_start) * US;
	}
	th->waiting = false;
	th->place = HOLDING;
	th->moved = true;
	th->left = around(s, i < s->s->hogs ? 20000 : s->s->hold_us);
}

static void let_go(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];
	bool forced = s->drop_request;

	s->forced += forced && s->queued;
	release(s, i);
	if (forced) { /* drop_gil waits until another thread has it */
		th->waiting = true;
		th->wait_start = s->now;
		th->place = ON_SWITCH;
		leave_cpu(s, i, EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_FORCED_SWITCH, 202, GIL + 140);
	} else if (i < s->s->hogs || roll(s, 4) == 0) {
		th->place = NATIVE;
		th->left = around(s, s->s->native_us);
	} else {
		th->place = IN_CALL;
		th->left = around(s, s->s->call_us);
		leave_cpu(s, i, EV_F_BLOCKED, 0, 3);
	}
}

static void on_cpu(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];

	if (th->place == HOLDING)
		th->held_on_cpu_ns += US;
	if (s->s->preempt && roll(s, (uint32_t)s->s->preempt) == 0) {
		leave_cpu(s, i, 0, -1, 0);
		th->then = th->place;
		th->place = NO_CPU;
		th->wake = s->now;
		th->latency = around(s, 2000);
		return;
	}
	if (th->place == HOLDING && roll(s, 300) == 0)
		th->line = roll(s, 8);
	if (th->left-- > 0 && !(th->place == HOLDING && s->drop_request && roll(s, 20) == 0))
		return;
	if (th->place == HOLDING) {
		let_go(s, i);
	} else if (th->place == NATIVE) {
		th->place = TAKING;
		th->left = 2;
	} else {
		take(s, i);
	}
}

static void off_cpu(struct sim *s, int i)
{
	struct sim_thread *th = &s->th[i];

	if (th->place == IN_CALL && th->wake < 0 && --th->left <= 0)
		wake(s, i, NOBODY);
	if (th->place == ON_COND && th->wake < 0 && s->now >= th->timeout) {
		for (int k = 0; k < s->queued; k++)
			if (s->queue[k] == i)
				memmove(s->queue + k, s->queue + k + 1, sizeof(s->queue[0]) * (size_t)(--s->queued - k));
		wake(s, i, NOBODY);
	}
	if (th->wake < 0 || s->now < th->wake + th->latency)
		return;
	back_on_cpu(s, i);
	if (th->place == ON_COND && th->waker == NOBODY && s->holder != NOBODY && s->switch_number == th->saved_switch_number)
		s->drop_request = true;
	if (th->place == NO_CPU) {
		th->place = th->then;
	} else {
		th->place = TAKING;
		th->left = 2;
	}
}

static void sample(struct sim *s, int i)
{
	struct ev_sample e = { .h = { .kind = EV_SAMPLE, .size = sizeof(e), .pid = 1, .tid = (uint32_t)i + 1 },
			       .t_ns = (uint64_t)s->now * US, .gil = GIL, .nr = -1, .stack = stack_of(s, i) };

	look(s, i, &e.h.flags, &e.holder_ident);
	if ((e.h.flags & EV_F_LOCKED) && s->th[i].place == TAKING)
		e.h.flags |= EV_F_WANTS_GIL;
	timeline_feed(s->timeline, &e.h);
}

static void tick(struct sim *s)
{
	for (int i = 0; i < s->s->threads; i++) {
		struct sim_thread *th = &s->th[i];
		bool running = th->place == HOLDING || th->place == NATIVE || th->place == TAKING;

		if (s->holder == i && !running)
			th->held_off_cpu_ns += US;
		if (s->holder != NOBODY && s->holder != i && th->waiting)
			s->th[s->holder].caused_ns += US;
		if (running && s->s->sample_us && roll(s, (uint32_t)s->s->sample_us) == 0)
			sample(s, i);
		if (running)
			on_cpu(s, i);
		else
			off_cpu(s, i);
	}
	s->now++;
}

static void finish(struct sim *s)
{
	for (int i = 0; i < s->s->threads; i++) {
		struct sim_thread *th = &s->th[i];

		send_agg(s, th);
		if (th->place == HOLDING || th->place == NATIVE || th->place == TAKING)
			continue;
		th->off.h.flags |= EV_F_UNFINISHED;
		th->off.t_in_ns = (uint64_t)s->now * US;
		timeline_feed(s->timeline, &th->off.h);
	}
	timeline_finish(s->timeline, (uint64_t)s->now * US);
}

static void simulate(struct sim *s, const struct timeline_sink *sink, uint32_t seed)
{
	struct timeline_config config = { .start_ns = US };

	s->seed = seed;
	s->holder = s->last_holder = NOBODY;
	s->now = 1;
	s->timeline = timeline_new(&config, sink);
	for (int i = 0; i < s->s->threads; i++) {
		struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .pid = 1, .tid = (uint32_t)i + 1 },
				       .t_ns = US, .start_ns = (uint64_t)i + 1, .ident = (uint64_t)(IDENT + i) };

		s->th[i].place = TAKING;
		s->th[i].left = i * 3;
		s->th[i].took_since = 1;
		timeline_feed(s->timeline, &e.h);
	}
	while (s->now < s->s->seconds * 1000000)
		tick(s);
	finish(s);
}

/* --- what the timeline made of it ---------------------------------------------------------------------------- */

struct result {
	struct timeline_sink both;
	const struct timeline_sink *check;
	uint64_t wait_ns[MAX_THREADS], waits[MAX_THREADS], gil_ns[MAX_THREADS], held_off_ns[MAX_THREADS], caused_ns[MAX_THREADS];
	uint64_t held_ns[MAX_THREADS]; /* by holds */
	uint64_t end_ns, unknown_ns, wanted_ns, handoffs, forced;
};

static void on_wait(void *ctx, const struct wait *r)
{
	struct result *o = ctx;

	o->check->wait(o->check->ctx, r);
	o->wanted_ns += r->t1_ns - r->t0_ns;
	if (r->end == WAIT_UNFINISHED || r->t1_ns >= o->end_ns - END_US * US)
		return;
	o->waits[r->thread]++;
	o->wait_ns[r->thread] += r->t1_ns - r->t0_ns;
}

static void on_credit(void *ctx, const struct credit *r)
{
	struct result *o = ctx;

	o->check->credit(o->check->ctx, r);
	if (r->holder == MODEL_NONE)
		o->unknown_ns += r->ns;
	else
		o->caused_ns[r->holder] += r->ns;
}

static void on_interval(void *ctx, const struct interval *r)
{
	struct result *o = ctx;

	o->check->interval(o->check->ctx, r);
	if (r->state == STATE_GIL)
		o->gil_ns[r->thread] += r->t1_ns - r->t0_ns;
	if (r->flags & INTERVAL_F_HELD)
		o->held_off_ns[r->thread] += r->t1_ns - r->t0_ns;
}

static void on_handoff(void *ctx, const struct handoff *r)
{
	struct result *o = ctx;

	o->check->handoff(o->check->ctx, r);
	o->handoffs++;
	o->forced += r->forced;
}

static void pass_thread(void *ctx, const struct thread_row *r) { ((struct result *)ctx)->check->thread(((struct result *)ctx)->check->ctx, r); }
static void pass_proc(void *ctx, const struct proc_row *r) { ((struct result *)ctx)->check->proc(((struct result *)ctx)->check->ctx, r); }
static void pass_lock(void *ctx, const struct lock_row *r) { ((struct result *)ctx)->check->lock(((struct result *)ctx)->check->ctx, r); }

static void on_hold(void *ctx, const struct hold *r)
{
	struct result *o = ctx;

	o->check->hold(o->check->ctx, r);
	o->held_ns[r->thread] += r->t1_ns - r->t0_ns;
}

static void on_tally(void *ctx, const struct tally *r)
{
	struct result *o = ctx;

	o->check->tally(o->check->ctx, r);
	if (r->flags & INTERVAL_F_HELD)
		o->held_off_ns[r->thread] += r->ns;
}

static double apart(uint64_t a, uint64_t b, uint64_t of)
{
	return 100.0 * (a > b ? (double)(a - b) : (double)(b - a)) / (double)(of ? of : 1);
}

static void assert_close(const char *what, int thread, uint64_t got, uint64_t truth, uint64_t of, double pct)
{
	if (apart(got, truth, of) > pct)
		fail_msg("%s of thread %d: %.3f ms, in truth %.3f ms (%.2f %% apart)", what, thread, (double)got / 1e6, (double)truth / 1e6,
			 apart(got, truth, of));
}

static void simulate_checked(struct sim *s, const struct scenario *scenario, uint32_t seed, struct result *ret)
{
	struct timeline_check *check = check_new();

	memset(s, 0, sizeof(*s));
	*ret = (struct result){ .end_ns = (uint64_t)scenario->seconds * 1000000000, .check = check_sink(check) };
	s->s = scenario;
	ret->both = (struct timeline_sink){ .ctx = ret, .wait = on_wait, .credit = on_credit, .interval = on_interval, .handoff = on_handoff,
					    .thread = pass_thread, .proc = pass_proc, .lock = pass_lock, .hold = on_hold, .tally = on_tally };
	simulate(s, &ret->both, seed);
	assert_int_equal(check_verify(check, stderr), 0);
	check_free(check);
}

static void run(const struct scenario *scenario, uint32_t seed)
{
	static struct sim s;
	struct result o;
	uint64_t all_caused = 0, all_waits = 0, life = (uint64_t)scenario->seconds * 1000000000;

	simulate_checked(&s, scenario, seed, &o);
	for (int i = 0; i < scenario->threads; i++) {
		all_caused += s.th[i].caused_ns;
		all_waits += s.th[i].waits;
	}
	for (int i = 0; i < scenario->threads; i++) {
		const struct sim_thread *th = &s.th[i];

		if (getenv("SIM_PRINT"))
			print_message("%s %d: waits %llu/%llu %.1f/%.1f ms, gil %.1f/%.1f, held off %.1f/%.1f, caused %.1f/%.1f\n", scenario->name, i,
				      (unsigned long long)o.waits[i], (unsigned long long)th->waits, (double)o.wait_ns[i] / 1e6,
				      (double)th->wait_ns / 1e6, (double)o.gil_ns[i] / 1e6, (double)th->held_on_cpu_ns / 1e6,
				      (double)o.held_off_ns[i] / 1e6, (double)th->held_off_cpu_ns / 1e6, (double)o.caused_ns[i] / 1e6,
				      (double)th->caused_ns / 1e6);
		assert_close("GIL waits", i, o.wait_ns[i], th->wait_ns, th->wait_ns, 0.1);
		assert_close("number of waits", i, o.waits[i] * 1000000, th->waits * 1000000, th->waits * 1000000, 0.5);
		assert_close("CPU time with the GIL", i, o.gil_ns[i], th->held_on_cpu_ns, life, 1.0);
		assert_close("time held off the CPU", i, o.held_off_ns[i], th->held_off_cpu_ns, life, 0.2);
		assert_close("caused waiting", i, o.caused_ns[i], th->caused_ns, all_caused, 1.0);
	}
	assert_close("forced hand-offs", -1, o.forced * 1000000, s.forced * 1000000, all_waits * 1000000, 2.0);
	assert_true(o.handoffs <= all_waits + (uint64_t)scenario->threads);
	if (getenv("SIM_PRINT"))
		print_message("unknown holder %.2f %% of waiting, %llu hand-offs, %llu forced of %llu, two holders %llu\n",
			      apart(o.unknown_ns, 0, o.wanted_ns), (unsigned long long)o.handoffs, (unsigned long long)o.forced, (unsigned long long)s.forced,
			      (unsigned long long)timeline_oddities(s.timeline)->two_holders);
	timeline_free(s.timeline);
}

/* Where short stretches are only counted, what a thread did with the GIL is told twice, by holds and by states: the same, and true. */
static void run_thinned(const struct scenario *scenario, uint32_t seed)
{
	static struct sim s;
	struct result o;
	uint64_t truth = 0, holds = 0, life = (uint64_t)scenario->seconds * 1000000000;

	simulate_checked(&s, scenario, seed, &o);
	for (int i = 0; i < scenario->threads; i++) {
		const struct sim_thread *th = &s.th[i];
		uint64_t held = th->held_on_cpu_ns + th->held_off_cpu_ns;

		if (getenv("SIM_PRINT"))
			print_message("%s %d: held %.1f ms by states, %.1f by holds, %.1f in truth\n", scenario->name, i,
				      (double)(o.gil_ns[i] + o.held_off_ns[i]) / 1e6, (double)o.held_ns[i] / 1e6, (double)held / 1e6);
		truth += held;
		holds += o.held_ns[i];
		assert_close("time with the GIL, by states and by holds,", i, o.gil_ns[i] + o.held_off_ns[i], o.held_ns[i], life, 1.0);
		assert_close("time with the GIL", i, o.held_ns[i], held, life, 3.0);
	}
	assert_close("time with the GIL of all", -1, holds, truth, life, 3.0);
	timeline_free(s.timeline);
}

static void test_hogs(void **state)
{
	static const struct scenario hogs = { "hogs", .threads = 4, .hogs = 4, .hold_us = 3000, .native_us = 50, .seconds = 2 };

	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++)
		run(&hogs, seed);
}

static void test_hog_and_io(void **state)
{
	static const struct scenario io = { "io", .threads = 5, .hogs = 1, .hold_us = 60, .call_us = 900, .native_us = 30, .seconds = 2 };

	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++)
		run(&io, seed);
}

static void test_io_only(void **state)
{
	static const struct scenario io = { "io only", .threads = 6, .hold_us = 80, .call_us = 700, .native_us = 40, .seconds = 2,
					    .sample_us = 10000 };

	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++)
		run(&io, seed);
}

static void test_preempted(void **state)
{
	static const struct scenario busy = { "preempted", .threads = 6, .hogs = 2, .hold_us = 200, .call_us = 2000, .native_us = 200,
					      .preempt = 3000, .seconds = 2, .sample_us = 10000 };

	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++)
		run(&busy, seed);
}

static void test_many(void **state)
{
	static const struct scenario many = { "many", .threads = 32, .hogs = 3, .hold_us = 50, .call_us = 3000, .native_us = 30, .preempt = 20000,
					      .seconds = 1 };

	(void)state;
	run(&many, 7);
}

static void test_thinned(void **state)
{
	static const struct scenario io = { "thinned", .threads = 6, .hold_us = 80, .call_us = 700, .native_us = 60, .seconds = 4,
					    .sample_us = 1000, .thin_us = 1000 };
	static const struct scenario half = { "half thinned", .threads = 5, .hogs = 1, .hold_us = 60, .call_us = 900, .native_us = 60, .seconds = 4,
					      .sample_us = 1000, .thin_us = 1000 };

	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		run_thinned(&io, seed);
		run_thinned(&half, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hogs), cmocka_unit_test(test_hog_and_io), cmocka_unit_test(test_io_only),
		cmocka_unit_test(test_preempted), cmocka_unit_test(test_many), cmocka_unit_test(test_thinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
