/* The three formats against tables as CPython writes them, and against nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/interp/linetable.h"

#define LINE(ops, table, first, lasti) (ops).line(table, sizeof(table), first, lasti)

static void lnotab_steps_forward_and_back(void **state)
{
	/* 0..5 line 10, 6..13 line 12, 14..19 line 9 (signed), 20 on: 300 more in steps of 127 */
	static const uint8_t t[] = { 6, 2, 8, 0xfd, 6, 127, 0, 127, 0, 46 };

	(void)state;
	assert_int_equal(LINE(linetable_lnotab, t, 10, -1), 10);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 0), 10);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 5), 10);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 6), 12);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 19), 9);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 20), 309);
	assert_int_equal(LINE(linetable_lnotab, t, 10, 100000), 309);
}

static void lines_has_holes(void **state)
{
	/* 0..3 line 10, 4..7 none, 8..11 line 15, 12..13 line 12 */
	static const uint8_t t[] = { 4, 0, 4, 0x80, 4, 5, 2, 0xfd };

	(void)state;
	assert_int_equal(LINE(linetable_lines, t, 10, -2), 10);
	assert_int_equal(LINE(linetable_lines, t, 10, 2), 10);
	assert_int_equal(LINE(linetable_lines, t, 10, 4), 0);
	assert_int_equal(LINE(linetable_lines, t, 10, 8), 15);
	assert_int_equal(LINE(linetable_lines, t, 10, 12), 12);
	assert_int_equal(LINE(linetable_lines, t, 10, 14), 0);
}

static void location_has_every_kind_of_entry(void **state)
{
	static const uint8_t t[] = {
		0x80 | 15 << 3 | 0, /* 2 bytes, no line */
		0x80 | 0 << 3 | 1, 0x12, /* 4 bytes, same line, short column */
		0x80 | 11 << 3 | 0, 1, 2, /* 2 bytes, one line on */
		0x80 | 13 << 3 | 0, 0x03, /* 2 bytes, one line back, no columns */
		0x80 | 14 << 3 | 0, 0x40 | 24, 0x06, 1, 2, 3, /* 2 bytes, long: 24 + 6 * 64 = 408, 204 lines on */
	};

	(void)state;
	assert_int_equal(LINE(linetable_location, t, 50, -1), 50);
	assert_int_equal(LINE(linetable_location, t, 50, 0), 0);
	assert_int_equal(LINE(linetable_location, t, 50, 2), 50);
	assert_int_equal(LINE(linetable_location, t, 50, 4), 50);
	assert_int_equal(LINE(linetable_location, t, 50, 6), 51);
	assert_int_equal(LINE(linetable_location, t, 50, 8), 50);
	assert_int_equal(LINE(linetable_location, t, 50, 10), 254);
	assert_int_equal(LINE(linetable_location, t, 50, 12), 0);
}

static void nonsense_has_no_line(void **state)
{
	static const uint8_t zeros[64], back[] = { 0x80 | 13 << 3, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x3f };

	(void)state;
	assert_int_equal(LINE(linetable_location, zeros, 5, 10), 0);
	assert_int_equal(LINE(linetable_location, back, 5, 0), 0);
	assert_int_equal(linetable_location.line(zeros, 0, 5, 0), 0);
	assert_int_equal(linetable_lines.line(zeros, 0, 5, 0), 0);
	assert_int_equal(linetable_lnotab.line(zeros, 1, 5, 4), 5);
	assert_int_equal(linetable_lnotab.line(zeros, 0, UINT32_MAX, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lnotab_steps_forward_and_back),
		cmocka_unit_test(lines_has_holes),
		cmocka_unit_test(location_has_every_kind_of_entry),
		cmocka_unit_test(nonsense_has_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
