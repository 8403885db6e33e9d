/* The pieces of the analysis that have an answer one can work out by hand, and the five-line verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/analysis/span_union.h"
#include "core/analysis/summary.h"
#include "core/analysis/wait_hist.h"
#include "core/analysis/wait_stats.h"
#include "viewer/text/page.h"
#include "viewer/text/text.h"

static void overlapping_spans_count_once(void **state)
{
	struct span_union u = {0};
	(void)state;

	span_union_add(&u, 100, 200);
	span_union_add(&u, 150, 250);
	span_union_add(&u, 300, 400);
	span_union_add(&u, 50, 60);
	assert_int_equal(span_union_ns(&u), 150 + 100 + 10);
	span_union_add(&u, 60, 300); /* joins all of them */
	assert_int_equal(span_union_ns(&u), 350);
	assert_int_equal(u.n, 1);
	span_union_done(&u);
}

static void overlap_with_spans(void **state)
{
	struct span_union u = {0};
	(void)state;

	span_union_add(&u, 10, 20);
	span_union_add(&u, 30, 40);
	assert_int_equal(span_union_overlap(&u, 15, 35), 10);
	assert_int_equal(span_union_overlap(&u, 20, 30), 0);
	assert_int_equal(span_union_overlap(&u, 0, 100), 20);
	span_union_done(&u);
}

static void empty_and_backward_spans_are_nothing(void **state)
{
	struct span_union u = {0};
	(void)state;

	span_union_add(&u, 5, 5);
	span_union_add(&u, 9, 3);
	assert_int_equal(span_union_ns(&u), 0);
	span_union_done(&u);
}

/* Against a bitmap, in random order within reach of the window. */
static void union_agrees_with_bitmap(void **state)
{
	static unsigned char bitmap[100000];
	struct span_union u = {0};
	unsigned seed = 7, covered = 0;
	(void)state;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned t0 = (unsigned)rand_r(&seed) % 99000, len = (unsigned)rand_r(&seed) % 40;

		span_union_add(&u, t0, t0 + len);
		memset(bitmap + t0, 1, len);
	}
	for (unsigned i = 0; i < sizeof(bitmap); i++)
		covered += bitmap[i];
	assert_int_equal(span_union_ns(&u), covered);
	span_union_done(&u);
}

static void long_lists_are_folded_without_loss(void **state)
{
	struct span_union u = {0};
	(void)state;

	for (uint64_t i = 0; i < 200000; i++)
		span_union_add(&u, i * 10, i * 10 + 4);
	assert_int_equal(span_union_ns(&u), 800000);
	assert_true(u.cap <= 1 << 16);
	span_union_done(&u);
}

static void quantiles_rank_counted_waits_among_the_recorded(void **state)
{
	static const uint64_t lengths[] = {2000000, 5000000, 9000000};
	struct wait_sizes s = {.counted = {[4] = 50, [10] = 46}, .lengths = lengths, .n = 3};
	bool from_class;
	(void)state;

	assert_in_range(wait_quantile_ns(&s, 50, &from_class), 1024 << 4, 1024 << 5);
	assert_true(from_class);
	assert_in_range(wait_quantile_ns(&s, 90, &from_class), 1024 << 10, 1024 << 11);
	assert_true(from_class); /* 2 ms are in that class, too */
	assert_int_equal(wait_quantile_ns(&s, 99, &from_class), 9000000); /* no counted one is as long */
	assert_false(from_class);
	assert_int_equal(wait_quantile_ns(&s, 98, &from_class), 5000000);
	assert_false(from_class);
	assert_int_equal(wait_quantile_ns(&(struct wait_sizes){0}, 50, &from_class), 0);
	s = (struct wait_sizes){0};
	wait_sizes_add_mean(&s, 10, 1000000);
	assert_in_range(wait_quantile_ns(&s, 50, &from_class), 65536, 131072);
}

static void percentiles_of_one_row_are_told_as_they_are(void **state)
{
	const struct reader_wait_stats row = {.waits = 3, .wait_ns = 60, .p50_ns = 20, .p99_ns = 30, .max_ns = 30, .p50_from_class = true};
	struct summary_waits w = {0};
	(void)state;

	wait_stats_add(&w, &row);
	assert_true(w.p50_about);
	assert_false(w.p99_about);
	assert_int_equal(w.p50_ns, 20);
	assert_int_equal(w.max_ns, 30);
	wait_stats_add(&w, &row); /* of two locks nobody knows */
	assert_true(w.p99_about);
	assert_int_equal(w.n, 6);
}

static void histogram_has_marks_at_the_switch_interval(void **state)
{
	struct summary_hist h;
	(void)state;

	wait_hist_init(&h, 5000000);
	wait_hist_add(&h, 4999999);
	wait_hist_add(&h, 5000000);
	wait_hist_add(&h, 10000001);
	for (unsigned i = 0; i < h.n; i++) {
		if (i)
			assert_int_equal(h.bins[i].from_ns, h.bins[i - 1].to_ns);
		if (h.bins[i].multiple <= 2 && h.bins[i].multiple)
			assert_int_equal(h.bins[i].waits, 1);
	}
}

static void histogram_fits_any_interval(void **state)
{
	const uint64_t intervals[] = {0, 1, 1000, 5000000, UINT64_C(100000000000), UINT64_MAX};
	(void)state;

	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		const uint32_t classes[EV_AGG_BUCKETS] = {[0] = 1, [15] = 1};
		struct summary_hist h;
		uint64_t n = 0;

		wait_hist_init(&h, intervals[i]);
		wait_hist_add(&h, 0);
		wait_hist_add(&h, UINT64_MAX);
		wait_hist_add_classes(&h, classes, 1000);
		assert_in_range(h.n, 1, SUMMARY_HIST_MAX);
		for (unsigned k = 0; k < h.n; k++)
			n += h.bins[k].waits;
		assert_int_equal(n, 4);
	}
}

static void cut_text_never_splits_a_character(void **state)
{
	char text[] = "äöü漢字x";
	char *path;
	(void)state;

	page_cut(text, 5);
	assert_string_equal(text, "äöü…");
	path = page_escape_path("/very/long/path/to/some/module.py", 20);
	assert_string_equal(path, "…/to/some/module.py");
	free(path);
}

static unsigned lines_of(const struct summary *s)
{
	char *text = NULL;
	size_t size = 0;
	unsigned lines = 0;
	FILE *out = open_memstream(&text, &size);

	text_verdict(out, s, &(struct text_options){.columns = 100});
	fclose(out);
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

static void verdict_is_five_lines(void **state)
{
	struct summary_lock gil = {.kind = LOCK_GIL, .waits = {.n = 1, .ns = 5, .p50_ns = 5, .p99_ns = 5, .max_ns = 5}};
	struct summary_thread thread = {.name = "api", .last_ns = 10, .waits = gil.waits};
	struct finding finding = {.id = "convoy", .title = "convoy"};
	struct summary_process p = {
		.name = "app", .command = "app", .runtime = "CPython", .locks = &gil, .n_locks = 1, .threads = &thread,
		.n_threads = 1, .gil = &gil, .findings = &finding, .n_findings = 1, .gil_wait_ns = 5,
	};
	struct summary s = {.processes = &p, .n_processes = 1, .duration_ns = 10};
	(void)state;

	assert_int_equal(lines_of(&s), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlapping_spans_count_once),
		cmocka_unit_test(overlap_with_spans),
		cmocka_unit_test(empty_and_backward_spans_are_nothing),
		cmocka_unit_test(union_agrees_with_bitmap),
		cmocka_unit_test(long_lists_are_folded_without_loss),
		cmocka_unit_test(quantiles_rank_counted_waits_among_the_recorded),
		cmocka_unit_test(percentiles_of_one_row_are_told_as_they_are),
		cmocka_unit_test(histogram_has_marks_at_the_switch_interval),
		cmocka_unit_test(histogram_fits_any_interval),
		cmocka_unit_test(cut_text_never_splits_a_character),
		cmocka_unit_test(verdict_is_five_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
