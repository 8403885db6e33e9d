/* What replayed cases cannot show: floods, the delay until rows are given out, an empty sink, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <string.h>

#include "core/timeline/timeline.h"
#include "tests/golden/timeline_check.h"

#define MS UINT64_C(1000000)

static const struct timeline_config config = { .start_ns = 1 };

static void feed_thread(struct timeline *t, uint32_t tid, uint64_t start_ns, uint64_t t_ns)
{
	struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .pid = 1, .tid = tid }, .t_ns = t_ns, .start_ns = start_ns,
			       .ident = 0x7000 + tid };

	timeline_feed(t, &e.h);
}

static void feed_exit(struct timeline *t, uint32_t tid, uint64_t t_ns)
{
	struct ev_exit e = { .h = { .kind = EV_EXIT, .size = sizeof(e), .pid = 1, .tid = tid }, .t_ns = t_ns };

	timeline_feed(t, &e.h);
}

static void feed_off(struct timeline *t, uint32_t tid, uint32_t flags, uint64_t out, uint64_t in, uint64_t gil, uint64_t word)
{
	struct ev_off e = { .h = { .kind = EV_OFF, .size = sizeof(e), .pid = 1, .tid = tid, .flags = flags | EV_F_BLOCKED | EV_F_PYTHON },
			    .t_out_ns = out, .t_in_ns = in, .gil = gil, .arg0 = word };

	timeline_feed(t, &e.h);
}

struct count { uint64_t rows, last_wait_ns; };

static void count_wait(void *ctx, const struct wait *r)
{
	((struct count *)ctx)->rows++;
	((struct count *)ctx)->last_wait_ns = r->t1_ns;
}

static void test_empty_sink(void **state)
{
	const struct timeline_sink none = { 0 };
	struct timeline *t = timeline_new(&config, &none);

	(void)state;
	feed_thread(t, 1, 1, 1);
	feed_off(t, 1, EV_F_GIL_SEEN | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT, 2 * MS, 3 * MS, 0x100, 0x128);
	feed_exit(t, 1, 4 * MS);
	timeline_finish(t, 5 * MS);
	timeline_finish(t, 6 * MS); /* once is enough */
	feed_off(t, 1, 0, 7 * MS, 8 * MS, 0, 0); /* too late */
	timeline_free(t);
	timeline_free(NULL);
	t = timeline_new(&config, &none);
	feed_thread(t, 1, 1, 1);
	timeline_free(t); /* not finished: nothing leaks */
}

static void test_rows_come_within_the_delay(void **state)
{
	struct count count = { 0 };
	struct timeline_sink sink = { .ctx = &count, .wait = count_wait };
	struct timeline *t = timeline_new(&config, &sink);

	(void)state;
	feed_thread(t, 1, 1, 1);
	feed_off(t, 1, EV_F_FUTEX_WAIT, 1 * MS, 2 * MS, 0, 0x5000);
	assert_int_equal(count.rows, 0);
	feed_off(t, 1, EV_F_FUTEX_WAIT, 103 * MS, 104 * MS, 0, 0x5000);
	assert_int_equal(count.rows, 1);
	assert_int_equal(count.last_wait_ns, 2 * MS);
	timeline_finish(t, 105 * MS);
	assert_int_equal(count.rows, 2);
	timeline_free(t);
}

/* 200,000 short threads, one after the other and in crowds, must not pile up. */
static void test_thread_churn(void **state)
{
	const struct timeline_sink none = { 0 };
	struct timeline *t = timeline_new(&config, &none);
	uint64_t now = MS, before = mallinfo2().uordblks;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++, now += MS / 2) {
		feed_thread(t, 100 + i % 30000, i + 1, now);
		feed_off(t, 100 + i % 30000, EV_F_GIL_SEEN, now + 1000, now + 2000, 0x100, 0);
		feed_exit(t, 100 + i % 30000, now + 3000);
	}
	assert_in_range(mallinfo2().uordblks - before, 0, 4 << 20);
	assert_int_equal(timeline_oddities(t)->unknown_thread, 0);
	timeline_free(t);
}

/* Threads whose end is never told, futex words and GILs without number. */
static void test_floods(void **state)
{
	const struct timeline_sink none = { 0 };
	struct timeline *t = timeline_new(&config, &none);
	uint64_t now = MS, before = mallinfo2().uordblks;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++, now += 1000)
		feed_thread(t, i + 1, i + 1, now);
	assert_int_equal(timeline_oddities(t)->unknown_thread, 100000 - 16384);
	for (uint32_t i = 0; i < 300000; i++, now += 1000) {
		feed_off(t, 1 + i % 100, EV_F_FUTEX_WAIT, now, now + 500, 0, 8 * (uint64_t)i);
		feed_off(t, 1 + i % 100, EV_F_GIL_SEEN, now + 600, now + 700, 0x100000 + 8 * (uint64_t)i, 0);
	}
	assert_in_range(mallinfo2().uordblks - before, 0, 32 << 20);
	timeline_finish(t, now);
	timeline_free(t);
}

/* One lock's holds beyond what is remembered: still one holder at a time, and long waits still add up. */
static void test_long_history(void **state)
{
	struct timeline_check *check = check_new();
	struct timeline *t = timeline_new(&config, check_sink(check));
	uint64_t now = MS;

	(void)state;
	for (uint32_t tid = 1; tid <= 3; tid++)
		feed_thread(t, tid, tid, 1);
	feed_off(t, 3, EV_F_GIL_SEEN | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT, now, now + 5 * MS, 0x100, 0x128);
	for (int i = 0; i < 50000; i++, now += 100000)
		feed_off(t, 1 + (uint32_t)i % 2, EV_F_GIL_SEEN, now + 50000, now + 90000, 0x100, 0);
	feed_exit(t, 3, now);
	timeline_finish(t, now);
	assert_int_equal(check_verify(check, stderr), 0);
	timeline_free(t);
	check_free(check);
}

static void test_broken_events(void **state)
{
	const struct timeline_sink none = { 0 };
	struct timeline *t = timeline_new(&config, &none);
	struct ev_hdr short_one = { .kind = EV_OFF, .size = sizeof(short_one) }, unknown = { .kind = 77, .size = sizeof(unknown) };

	(void)state;
	timeline_feed(t, &short_one);
	timeline_feed(t, &unknown);
	feed_off(t, 1, 0, UINT64_MAX, UINT64_MAX, 0, 0);
	feed_off(t, 1, 0, 0, UINT64_MAX, 0, 0);
	feed_off(t, 1, 0, UINT64_MAX, 0, 0, 0);
	assert_int_equal(timeline_oddities(t)->out_of_order, 3);
	timeline_finish(t, UINT64_MAX);
	timeline_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_sink), cmocka_unit_test(test_rows_come_within_the_delay), cmocka_unit_test(test_thread_churn),
		cmocka_unit_test(test_floods), cmocka_unit_test(test_long_history), cmocka_unit_test(test_broken_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
