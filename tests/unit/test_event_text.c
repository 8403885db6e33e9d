/* The text form of events: what is printed can be read back, and what is not understood is refused with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/event/event_names.h"
#include "core/event/event_text.h"

static void assert_round_trip(const char *line)
{
	union event_any e, back;
	char why[128] = "", text[EVENT_TEXT_LEN];

	assert_int_equal(event_parse(line, &e, why, sizeof(why)), 0);
	event_print(text, sizeof(text), &e.h);
	assert_int_equal(event_parse(text, &back, why, sizeof(why)), 0);
	assert_memory_equal(&e, &back, sizeof(e));
	assert_string_equal(text, line);
}

static void test_round_trip(void **state)
{
	(void)state;
	assert_round_trip("off tid=2 flags=BLOCKED|FUTEX_WAIT|GIL_WAIT|GIL_SEEN|LOCKED out=1ms in=1.5ms wake=1.49ms waker=3 arg0=0x128"
			  " arg1=137 gil=0x100 holder=0x7001 sn=5 own=0xa holder_stack=0xb waker_stack=0xc cpu_out=1 cpu_in=2");
	assert_round_trip("off tid=2 pid=7 flags=0x80000000 out=18446744073.709551615s nr=-7");
	assert_round_trip("stack tid=2 key=0xabc frames=0x10:-1:3,0x20:44:9");
	assert_round_trip("sample tid=2 flags=KERNEL t=3s gil=0x100 stack=0x5 nr=0 cpu=1");
	assert_round_trip("thread tid=2 flags=AT_START t=1ns start=99 ident=0x7f0000 comm=worker-1");
	assert_round_trip("exit tid=2 flags=PROCESS t=1us code=-9");
	assert_round_trip("fork tid=2 t=1us child=5 child_tid=5");
	assert_round_trip("exec tid=2 t=1us comm=sleep");
	assert_round_trip("agg tid=2 t0=1us t1=9us gil=0x100 gil_n=3 gil_ns=2us blocked_n=1 blocked_ns=1us blocked_held=500ns"
			  " hist=0,3,0,0,0,0,0,0,0,0,0,0,0,0,0,0");
	assert_round_trip("loss t0=1us t1=9us count=5 class=queue");
	assert_round_trip("level t=1us min_off=50us stack_period=1ms level=2 reason=own_cpu");
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "nothing", "off tid", "off tid=x", "off tid=4294967296", "off out=1h", "off out=1.5ns", "off out=.5ms",
					   "off flags=BLOCKED||GC", "off flags=NOPE", "off out=-1", "off out=99999999999999s", "loss class=none",
					   "stack frames=1:2", "agg hist=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
					   "thread comm=seventeen-letters", "sample own=1" };
	union event_any e;
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = 0;
		if (event_parse(bad[i], &e, why, sizeof(why)) != -EINVAL || !why[0])
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(event_parse("  # only a comment", &e, why, sizeof(why)), EVENT_NO_LINE);
	assert_int_equal(event_parse("\n", &e, why, sizeof(why)), EVENT_NO_LINE);
}

static void test_defaults(void **state)
{
	union event_any e;
	char why[128];

	(void)state;
	assert_int_equal(event_parse("off tid=2 flags=BLOCKED|FUTEX_WAIT waker=3 # pid, nr, waker_pid", &e, why, sizeof(why)), 0);
	assert_int_equal(e.h.pid, 1);
	assert_int_equal(e.h.size, sizeof(struct ev_off));
	assert_int_equal(e.off.nr, 202);
	assert_int_equal(e.off.waker_pid, 1);
}

static void test_times(void **state)
{
	static const struct { uint64_t ns; const char *text; } times[] = {
		{ 0, "0" }, { 1, "1ns" }, { 999, "999ns" }, { 1000, "1us" }, { 1001, "1.001us" }, { 5230000, "5.23ms" },
		{ 1000000001, "1.000000001s" }, { 60000000000, "60s" },
	};
	char text[EVENT_TIME_LEN];
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_string_equal(event_time_print(text, times[i].ns), times[i].text);
		assert_int_equal(event_time_parse(text, strlen(text), &ns), 0);
		assert_int_equal(ns, times[i].ns);
	}
	assert_int_equal(event_time_parse("500us", 5, &ns), 0);
	assert_int_equal(ns, 500000);
	assert_int_equal(event_time_parse("42", 2, &ns), 0);
	assert_int_equal(ns, 42);
}

static void test_sizes(void **state)
{
	union event_any e = { .h = { .kind = EV_OFF, .size = sizeof(struct ev_off) } };

	(void)state;
	assert_true(event_size_ok(&e.h, sizeof(e)));
	assert_false(event_size_ok(&e.h, sizeof(struct ev_off) - 1));
	e.h.size--;
	assert_false(event_size_ok(&e.h, sizeof(e)));
	e.h.kind = 99;
	assert_false(event_size_ok(&e.h, sizeof(e)));
	e = (union event_any){ .stack = { .h = { .kind = EV_STACK, .size = 32 + 16 }, .n = 1 } };
	assert_true(event_size_ok(&e.h, sizeof(e)));
	e.stack.n = EV_MAX_FRAMES + 1;
	assert_false(event_size_ok(&e.h, sizeof(e)));
	assert_string_equal(event_name(EV_AGG), "agg");
	assert_null(event_name(0));
	assert_null(event_name(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_times), cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
