/* str and int objects laid out by hand in a little memory, for a version with legacy strings and one without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/interp/layout.h"
#include "core/interp/pystr.h"
#include "tests/unit/small_memory.h"

/* A compact str of n characters of the given kind at BASE. */
static void put_str(const struct layout *l, unsigned kind, bool ascii, uint64_t length, const void *data, size_t n)
{
	memset(memory, 0, sizeof(memory));
	put(BASE + l->unicode_length, length, 8);
	put(BASE + l->unicode_state, kind << 2 | 1u << 5 | (ascii ? 1u << 6 : 0), 4);
	memcpy(memory + (ascii ? l->unicode_ascii_size : l->unicode_compact_size), data, n);
}

static const struct layout *rows[2];

static int setup(void **state)
{
	(void)state;
	rows[0] = layout_find(0x03080000);
	rows[1] = layout_find(0x030c0000);
	return !rows[0] || !rows[1];
}

static void assert_str(const struct layout *l, const char *expected)
{
	char got[PYSTR_SIZE];

	assert_int_equal(pystr_read(l, &mem, BASE, got, sizeof(got)), 0);
	assert_string_equal(got, expected);
}

static void every_kind(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		put_str(rows[i], 1, true, 5, "hello", 5);
		assert_str(rows[i], "hello");
		put_str(rows[i], 1, true, 0, "", 0);
		assert_str(rows[i], "");
		put_str(rows[i], 1, false, 3, "\xe9t\xe9", 3);
		assert_str(rows[i], "été");
		put_str(rows[i], 2, false, 2, u"中x", 4);
		assert_str(rows[i], "中x");
		put_str(rows[i], 4, false, 2, U"𝒳y", 8);
		assert_str(rows[i], "𝒳y");
	}
}

static void what_utf8_cannot_hold(void **state)
{
	static const uint16_t lone[] = { 'a', 0xdc80, 'b' };
	static const uint32_t beyond[] = { 0x110000 };
	char got[PYSTR_SIZE];

	(void)state;
	put_str(rows[1], 2, false, 3, lone, sizeof(lone));
	assert_str(rows[1], "a\\udc80b");
	put_str(rows[1], 1, true, 3, "a\0b", 3);
	assert_str(rows[1], "a\\x00b");
	put_str(rows[1], 4, false, 1, beyond, sizeof(beyond));
	assert_int_equal(pystr_read(rows[1], &mem, BASE, got, sizeof(got)), PYSTR_NOT_ONE);
	assert_string_equal(got, "");
}

static void long_ones_are_cut_and_say_so(void **state)
{
	char big[3000], got[PYSTR_SIZE], small[16];

	(void)state;
	memset(big, 'x', sizeof(big));
	put_str(rows[1], 1, true, sizeof(big), big, sizeof(big));
	assert_int_equal(pystr_read(rows[1], &mem, BASE, got, sizeof(got)), 0);
	assert_true(strlen(got) <= PYSTR_MAX);
	assert_string_equal(got + strlen(got) - 4, "x…");
	assert_int_equal(pystr_read(rows[1], &mem, BASE, small, sizeof(small)), 0);
	assert_string_equal(small, "xxxxxxxxxxxx…");
	/* a length that cannot be costs no more than one that can */
	put_str(rows[1], 1, true, 1ull << 58, big, sizeof(big));
	assert_int_equal(pystr_read(rows[1], &mem, BASE, got, sizeof(got)), 0);
	put(BASE + rows[1]->unicode_length, UINT64_MAX, 8);
	assert_int_equal(pystr_read(rows[1], &mem, BASE, got, sizeof(got)), PYSTR_NOT_ONE);
}

static void legacy_and_not_compact(void **state)
{
	const struct layout *l = rows[0];
	char got[PYSTR_SIZE];

	(void)state;
	memset(memory, 0, sizeof(memory));
	put(BASE + l->unicode_wstr, BASE + 512, 8);
	put(BASE + l->unicode_wstr_length, 2, 8);
	memcpy(memory + 512, U"hé", 8);
	assert_str(l, "hé");
	assert_int_equal(pystr_read(rows[1], &mem, BASE, got, sizeof(got)), PYSTR_NOT_ONE);
	memset(memory, 0, sizeof(memory));
	put(BASE + l->unicode_length, 3, 8);
	put(BASE + l->unicode_state, 1u << 2 | 1u << 6, 4); /* kind 1, not compact */
	put(BASE + l->unicode_data, BASE + 600, 8);
	memcpy(memory + 600, "far", 3);
	assert_str(l, "far");
}

static void unreadable_is_an_error(void **state)
{
	char got[PYSTR_SIZE] = "before";

	(void)state;
	assert_int_equal(pystr_read(rows[1], &mem, 0x50, got, sizeof(got)), -EFAULT);
	assert_string_equal(got, "");
	assert_int_equal(pystr_read(rows[1], &mem, 0, got, sizeof(got)), PYSTR_NOT_ONE);
}

static void ints(void **state)
{
	static const uint32_t digits[] = { 0x3fffffff, 1, 5 };
	uint64_t got;

	(void)state;
	memset(memory, 0, sizeof(memory));
	put(BASE + rows[0]->long_size, 3, 8);
	memcpy(memory + rows[0]->long_digits, digits, sizeof(digits));
	assert_int_equal(pylong_read(rows[0], &mem, BASE, &got), 0);
	assert_true(got == (0x3fffffffull | 1ull << 30 | 5ull << 60));
	put(BASE + rows[0]->long_size, (uint64_t)-3, 8);
	assert_int_equal(pylong_read(rows[0], &mem, BASE, &got), PYSTR_NOT_ONE);
	put(BASE + rows[1]->long_size, 1 << 3, 8);
	assert_int_equal(pylong_read(rows[1], &mem, BASE, &got), 0);
	assert_int_equal(got, 0x3fffffff);
	put(BASE + rows[1]->long_size, 1 << 3 | 2, 8);
	assert_int_equal(pylong_read(rows[1], &mem, BASE, &got), PYSTR_NOT_ONE);
	put(BASE + rows[1]->long_size, 400 << 3, 8);
	assert_int_equal(pylong_read(rows[1], &mem, BASE, &got), PYSTR_NOT_ONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(what_utf8_cannot_hold),
		cmocka_unit_test(long_ones_are_cut_and_say_so),
		cmocka_unit_test(legacy_and_not_compact),
		cmocka_unit_test(unreadable_is_an_error),
		cmocka_unit_test(ints),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
