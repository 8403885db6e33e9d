/* Durations in, numbers for people out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "core/util/duration.h"
#include "core/util/human.h"

static void parses_durations(void **state)
{
	static const struct { const char *text; uint64_t ns; } good[] = {
		{"5", 5000000000}, {"5s", 5000000000}, {"0.1s", 100000000}, {"2.5", 2500000000}, {"200ms", 200000000},
		{"50us", 50000}, {"800ns", 800}, {"1m", 60000000000}, {"1.5min", 90000000000}, {"2h", 7200000000000},
		{"0", 0}, {"0.0000000001s", 0}, {"1.000000001", 1000000001},
	};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
}

static void refuses_what_is_no_duration(void **state)
{
	static const char *const bad[] = {"", "-1", "s", "5 s", "5x", "1.", ".5", "1.5.5", "0x10", "1e3", "nan", "5sec"};
	uint64_t ns = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(duration_parse(bad[i], &ns), -EINVAL);
	assert_int_equal(duration_parse("99999999999999999999", &ns), -ERANGE);
	assert_int_equal(duration_parse("99999999999999", &ns), -ERANGE);
	assert_int_equal(ns, 42);
}

#define SHOWS(call, text) do { char b[HUMAN_LEN]; assert_string_equal(call, text); } while (0)

static void shows_three_digits(void **state)
{
	(void)state;
	SHOWS(human_ns(b, 0), "0 ns");
	SHOWS(human_ns(b, 999), "999 ns");
	SHOWS(human_ns(b, 12345), "12.3 us");
	SHOWS(human_ns(b, 999400), "999 us");
	SHOWS(human_ns(b, 999900), "1.00 ms");
	SHOWS(human_ns(b, 5230000), "5.23 ms");
	SHOWS(human_ns(b, 999999999), "1.00 s");
	SHOWS(human_ns(b, 1500000000), "1.50 s");
	SHOWS(human_ns(b, 725000000000), "12m 05s");
	SHOWS(human_ns(b, 10925000000000), "3h 02m");
	SHOWS(human_bytes(b, 1023), "1023 B");
	SHOWS(human_bytes(b, 1024), "1.00 KiB");
	SHOWS(human_bytes(b, 1024 * 1024 - 1), "1.00 MiB");
	SHOWS(human_bytes(b, UINT64_MAX), "16.0 EiB");
}

static void shows_counts_rates_and_shares(void **state)
{
	(void)state;
	SHOWS(human_count(b, 0), "0");
	SHOWS(human_count(b, 12345678), "12,345,678");
	SHOWS(human_count(b, UINT64_MAX), "18446744073709551615");
	SHOWS(human_rate(b, 0), "0/s");
	SHOWS(human_rate(b, 3.2), "3.2/s");
	SHOWS(human_rate(b, 5120), "5,120/s");
	SHOWS(human_rate(b, 1e300), "1,000,000,000,000,000/s");
	SHOWS(human_pct(b, 0, 5), "0 %");
	SHOWS(human_pct(b, 0.0001, 5), "<0.1 %");
	SHOWS(human_pct(b, 0.034, 1), "3.4 %");
	SHOWS(human_pct(b, 62, 100), "62 %");
	SHOWS(human_pct(b, 1, 0), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_durations),
		cmocka_unit_test(refuses_what_is_no_duration),
		cmocka_unit_test(shows_three_digits),
		cmocka_unit_test(shows_counts_rates_and_shares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
