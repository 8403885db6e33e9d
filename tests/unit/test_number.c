/* Whole numbers in, and small files in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/file.h"
#include "core/util/number.h"

static void parses_digits_only(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "one", "1\n"};
	uint64_t n = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(number_parse(bad[i], 0, UINT64_MAX, &n), -EINVAL);
	assert_int_equal(n, 42);
	assert_int_equal(number_parse("007", 0, 10, &n), 0);
	assert_int_equal(n, 7);
}

static void keeps_to_the_range(void **state)
{
	uint64_t n = 42;

	(void)state;
	assert_int_equal(number_parse("0", 1, 10, &n), -ERANGE);
	assert_int_equal(number_parse("11", 1, 10, &n), -ERANGE);
	assert_int_equal(number_parse("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(number_parse("99999999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(n, 42);
	assert_int_equal(number_parse("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
}

static void reads_small_files(void **state)
{
	char path[64], text[8];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_number.%d", getpid());
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("ab\ncdefghij", f);
	fclose(f);
	assert_int_equal(file_read(path, text, sizeof(text)), 7); /* cut, and terminated */
	assert_string_equal(text, "ab\ncdef");
	assert_int_equal(file_read_line(path, text, sizeof(text)), 2);
	assert_string_equal(text, "ab");
	unlink(path);
	assert_int_equal(file_read(path, text, sizeof(text)), -ENOENT);
	assert_int_equal(file_read("/", text, sizeof(text)), -EISDIR);
}

static void a_fifo_does_not_block(void **state)
{
	char path[64], text[8];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_number_fifo.%d", getpid());
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(path, text, sizeof(text)), 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_digits_only),
		cmocka_unit_test(keeps_to_the_range),
		cmocka_unit_test(reads_small_files),
		cmocka_unit_test(a_fifo_does_not_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
