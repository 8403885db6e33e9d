/* Hostile names must reach no terminal unescaped, and honest ones must reach it unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/util/escape.h"
#include "core/util/strbuf.h"

static const struct { const char *given, *expected; } cases[] = {
	{"resize_image", "resize_image"},
	{"größe_日本_🐍", "größe_日本_🐍"},
	{"a\x1b[31mred", "a\\x1b[31mred"},
	{"line\nbreak\ttab\r", "line\\x0abreak\\x09tab\\x0d"},
	{"del\x7f", "del\\x7f"},
	{"\xc2\x9b" "31m", "\\u{9b}31m"}, /* C1 CSI as valid UTF-8 */
	{"abc\xe2\x80\xae" "fdp.exe", "abc\\u{202e}fdp.exe"},
	{"\xe2\x81\xa6iso\xe2\x81\xa9", "\\u{2066}iso\\u{2069}"},
	{"zero\xe2\x80\x8bwidth\xef\xbb\xbf", "zero\\u{200b}width\\u{feff}"},
	{"\xff\xfe", "\\xff\\xfe"},
	{"cut\xe2\x82", "cut\\xe2\\x82"},
	{"\xc0\x80over", "\\xc0\\x80over"}, /* overlong NUL */
	{"\xed\xa0\x80sur", "\\xed\\xa0\\x80sur"}, /* surrogate */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond U+10FFFF */
	{"\xf3\xa0\x81\x81tag", "\\u{e0041}tag"},
	{"</script><!--", "</script><!--"}, /* a later quoting's business */
	{"back\\slash \"quoted\"", "back\\slash \"quoted\""},
	{"e\xcc\x81", "e\xcc\x81"}, /* combining accent is visible */
	{"", ""},
};

static void escapes_what_could_forge_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autostrbuf got = STRBUF_INIT;

		escape_adds(&got, cases[i].given);
		assert_string_equal(got.s, cases[i].expected);
	}
}

static void keeps_an_embedded_nul_visible(void **state)
{
	char got[32];

	(void)state;
	assert_int_equal(escape_to(got, sizeof(got), "a\0b", 3), 6);
	assert_string_equal(got, "a\\x00b");
}

static void cuts_between_pieces_and_says_so(void **state)
{
	char got[9];

	(void)state;
	escape_to(got, sizeof(got), "abcdefgh", 8);
	assert_string_equal(got, "abcdefgh"); /* fits exactly */
	escape_to(got, sizeof(got), "abcdefghi", 9);
	assert_string_equal(got, "abcde…");
	escape_to(got, sizeof(got), "abcd\x1b\x1b", 6);
	assert_string_equal(got, "abcd…");
	escape_to(got, sizeof(got), "日日日日", 12);
	assert_string_equal(got, "日…");
	escape_to(got, 2, "\x1b", 1);
	assert_string_equal(got, "");
}

static void every_size_terminates_within_bounds(void **state)
{
	static const char given[] = "x\x1b日\xff\xe2\x80\xaey";

	(void)state;
	for (size_t size = 1; size < 40; size++) {
		char got[48];

		memset(got, 'Z', sizeof(got));
		assert_true(escape_to(got, size, given, sizeof(given) - 1) < size);
		assert_int_equal(strlen(got) < size, 1);
		assert_int_equal(got[size], 'Z');
	}
}

static void every_output_is_valid_utf8(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char given[12], got[200];
		size_t len;

		for (size_t i = 0; i < sizeof(given); i++)
			given[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
		len = escape_to(got, sizeof(got), given, sizeof(given));
		for (size_t i = 0; i < len;) {
			unsigned code, k = utf8_decode(got + i, len - i, &code);

			assert_int_not_equal(k, 0);
			assert_true(code >= 0x20 && code != 0x7f);
			i += k;
		}
	}
}

static void counts_columns(void **state)
{
	(void)state;
	assert_int_equal(utf8_columns("abc"), 3);
	assert_int_equal(utf8_columns("日本"), 4);
	assert_int_equal(utf8_columns("e\xcc\x81"), 1);
	assert_int_equal(utf8_prefix("日本語", 5), 6);
	assert_int_equal(utf8_prefix("abc", 9), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_what_could_forge_text),
		cmocka_unit_test(keeps_an_embedded_nul_visible),
		cmocka_unit_test(cuts_between_pieces_and_says_so),
		cmocka_unit_test(every_size_terminates_within_bounds),
		cmocka_unit_test(every_output_is_valid_utf8),
		cmocka_unit_test(counts_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
