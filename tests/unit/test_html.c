/* The report's encoder: text that strangers chose, rows that are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/analysis/row_tap.h"
#include "core/store/store.h"
#include "core/util/strbuf.h"
#include "viewer/html/markup.h"
#include "viewer/html/rows.h"

#define START_NS UINT64_C(1000000000)

static uint32_t random_u32(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* ---- markup ---- */

static void test_markup_has_no_way_out(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		static const char sharp[] = "<>&\"'/\\`=-!]\x80\xe2\x80\xa8\xc3\xff\x01\x7f\n";
		autostrbuf html = STRBUF_INIT, json = STRBUF_INIT;
		char text[24];
		size_t n = random_u32() % (sizeof(text) - 1);

		for (size_t i = 0; i < n; i++)
			text[i] = random_u32() % 3 ? sharp[random_u32() % (sizeof(sharp) - 1)] : (char)(1 + random_u32() % 255);
		text[n] = '\0';
		markup_text(&html, text);
		assert_null(strpbrk(html.s, "<>\"'\n"));
		for (const char *s = html.s; (s = strchr(s, '&')); s++) /* only our own entities */
			assert_true(!strncmp(s, "&amp;", 5) || !strncmp(s, "&lt;", 4) || !strncmp(s, "&gt;", 4) ||
				    !strncmp(s, "&quot;", 6) || !strncmp(s, "&#39;", 5));
		markup_json(&json, text);
		assert_int_equal(json.s[0], '"');
		assert_int_equal(json.s[json.n - 1], '"');
		assert_null(strpbrk(json.s, "<>&\n"));
		assert_null(strstr(json.s, "\xe2\x80\xa8"));
		for (const char *s = json.s + 1; s < json.s + json.n - 1; s++) {
			if (*s == '\\')
				s++; /* whatever follows is quoted */
			else
				assert_int_not_equal(*s, '"');
			assert_true(s < json.s + json.n - 1);
		}
	}
}

static void test_markup_cuts_long_names(void **state)
{
	autostrbuf b = STRBUF_INIT;
	char *text = malloc(100001);

	(void)state;
	memset(text, '<', 100000);
	text[100000] = '\0';
	markup_text(&b, text);
	assert_int_equal(b.n, 4 * MARKUP_TEXT_MAX + strlen("…"));
	free(text);
}

/* ---- too many rows ---- */

static char path[64];

/* Two threads that take turns; waits of 1 to 40 units of 100 us, each one or two stretches, and short runs between. */
static void make_recording(void)
{
	const struct store_meta meta = { .gilscope_version = "test", .collector = "test", .start_mono_ns = START_NS };
	const struct timeline_sink *sink;
	struct fail why = { 0 };
	struct store *s;
	uint64_t t = START_NS, id = 0;

	snprintf(path, sizeof(path), "/tmp/test_html-%d.gilscope", (int)getpid());
	assert_int_equal(store_create(&s, path, &(struct store_create_options){ .overwrite = true }, &meta, &why), 0);
	sink = store_sink(s);
	sink->proc(sink->ctx, &(struct proc_row){ .pid = 100 });
	for (uint32_t i = 0; i < 2; i++)
		sink->thread(sink->ctx, &(struct thread_row){ .thread = i, .tid = 100 + i, .start_ns = i + 1, .first_ns = t,
							      .last_ns = t + UINT64_C(10000000000) });
	sink->lock(sink->ctx, &(struct lock_row){ .kind = LOCK_GIL, .addr = 4096 });
	for (uint32_t i = 0; i < 2000; i++) {
		const uint32_t thread = i % 2;
		uint64_t wait = 100000 * (1 + random_u32() % 40), half = i % 3 ? wait : wait / 2, run = 1000 + random_u32() % 900000;

		sink->interval(sink->ctx, &(struct interval){ .thread = thread, .t0_ns = t, .t1_ns = t + half, .state = STATE_WAIT_GIL, .nr = -1 });
		if (half < wait)
			sink->interval(sink->ctx, &(struct interval){ .thread = thread, .t0_ns = t + half, .t1_ns = t + wait,
								      .state = STATE_WAIT_GIL, .nr = -1 });
		sink->wait(sink->ctx, &(struct wait){ .wait = id++, .thread = thread, .t0_ns = t, .t1_ns = t + wait, .sleeps = 1,
						      .waker = MODEL_NONE });
		sink->credit(sink->ctx, &(struct credit){ .wait = id - 1, .holder = 1 - thread, .nr = -1, .ns = wait });
		sink->hold(sink->ctx, &(struct hold){ .thread = 1 - thread, .t0_ns = t, .t1_ns = t + wait });
		sink->interval(sink->ctx, &(struct interval){ .thread = thread, .t0_ns = t + wait, .t1_ns = t + wait + run,
							      .state = STATE_GIL, .nr = -1 });
		t += wait + run;
	}
	assert_int_equal(store_close(s, true, t, &why), 0);
}

struct totals {
	uint64_t ns[STATE_N], n_waits, wait_ns;
	size_t intervals;
	bool too_short; /* one that should have been counted only */
};

/* The intervals are there for a moment only. */
static struct totals of_intervals;

static void on_intervals(struct rows *x)
{
	struct totals t = { .intervals = x->intervals.n };

	for (uint32_t i = 0; i < x->intervals.n; i++) {
		unsigned state = x->kinds.items[rows_look(x, i)->kind].state;

		t.ns[state] += rows_interval_len(x, i);
		t.too_short |= state == STATE_GIL && rows_interval_len(x, i) < x->reduce.interval_ns;
	}
	of_intervals = t;
}

static struct totals total(const struct rows *x)
{
	struct totals t = of_intervals;

	t.n_waits = x->waits.n;
	for (size_t i = 0; i < x->waits.n; i++)
		t.wait_ns += x->waits.items[i].t1 - x->waits.items[i].t0;
	for (size_t i = 0; i < x->tallies.n; i++) {
		t.ns[x->tallies.items[i].state] += x->tallies.items[i].ns;
		if (x->tallies.items[i].state == STATE_WAIT_GIL) {
			t.n_waits += x->tallies.items[i].n;
			t.wait_ns += x->tallies.items[i].ns;
		}
	}
	return t;
}

/* ctx is the tap. */
static int on_credit(void *ctx, const struct wait *w, const struct credit *c)
{
	const struct row_tap *tap = ctx;

	(void)w;
	return tap->credit(tap->ctx, c);
}

static struct totals load(struct rows *x, struct reader **r, const struct reduce_limits *limits)
{
	struct fail why = { 0 };
	struct row_tap tap;

	rows_init(x, limits, on_intervals);
	tap = rows_tap(x);
	assert_int_equal(reader_open(path, r, &why), 0);
	assert_int_equal(tap.begin(tap.ctx, *r), 0);
	assert_int_equal(reader_holds(*r, tap.hold, x), 0);
	assert_int_equal(reader_waits(*r, tap.wait, x), 0);
	assert_int_equal(tap.waits_read(tap.ctx), 0);
	assert_int_equal(reader_tallies(*r, tap.tally, x), 0);
	assert_int_equal(reader_intervals(*r, MODEL_NONE, tap.interval, x), 0);
	assert_int_equal(tap.intervals_read(tap.ctx), 0);
	assert_int_equal(reader_credits(*r, on_credit, &tap), 0);
	rows_finish(x);
	return total(x);
}

static void test_reduced_sums_are_whole(void **state)
{
	const struct reduce_limits few = { .intervals = 1000, .credits = 1000, .to_intervals = 500, .to_credits = 600 };
	struct rows whole, reduced;
	struct reader *a, *b;
	struct totals want, have;

	(void)state;
	make_recording();
	want = load(&whole, &a, &reduce_usual);
	have = load(&reduced, &b, &few);
	assert_false(whole.reduce.on);
	assert_int_equal(want.intervals, 4667);
	assert_true(reduced.reduce.on);
	assert_memory_equal(want.ns, have.ns, sizeof(want.ns));
	assert_int_equal(want.n_waits, have.n_waits);
	assert_int_equal(want.wait_ns, have.wait_ns);
	assert_int_equal(reduced.waits.n + reduced.reduce.waits, whole.waits.n);
	assert_int_equal(have.intervals + reduced.reduce.intervals, want.intervals);
	assert_in_range(reduced.waits.n, 100, 600);
	/* what stays is longer than what went; waiting goes with its wait */
	for (size_t i = 0; i < reduced.waits.n; i++)
		assert_true(reduced.waits.items[i].t1 - reduced.waits.items[i].t0 >= reduced.reduce.wait_ns);
	assert_false(have.too_short);
	rows_done(&whole);
	rows_done(&reduced);
	reader_close(a);
	reader_close(b);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_markup_has_no_way_out),
		cmocka_unit_test(test_markup_cuts_long_names),
		cmocka_unit_test(test_reduced_sums_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
