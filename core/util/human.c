/* See human.h. */
#include "core/util/human.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/clock.h"

/* Three significant digits: 1.23, 12.3, 123.  Rounding may carry into the next decade (9.996 → 10.0). */
static void three_digits(char ret[HUMAN_LEN], double value, const char *unit)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(ret, HUMAN_LEN, "%.*f %s", decimals, value, unit);
}

char *human_ns(char ret[HUMAN_LEN], uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;

	if (ns < NS_PER_US)
		snprintf(ret, HUMAN_LEN, "%" PRIu64 " ns", ns);
	else if (ns < NS_PER_MS - 500)
		three_digits(ret, (double)ns / 1e3, "us");
	else if (ns < NS_PER_S - 500000)
		three_digits(ret, (double)ns / 1e6, "ms");
	else if (ns < 100 * NS_PER_S)
		three_digits(ret, (double)ns / 1e9, "s");
	else if (s < 3600)
		snprintf(ret, HUMAN_LEN, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
	else
		snprintf(ret, HUMAN_LEN, "%" PRIu64 "h %02" PRIu64 "m", s / 3600, s / 60 % 60);
	return ret;
}

char *human_bytes(char ret[HUMAN_LEN], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(ret, HUMAN_LEN, "%" PRIu64 " B", bytes);
		return ret;
	}
	while (value >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	three_digits(ret, value, units[unit]);
	return ret;
}

char *human_count(char ret[HUMAN_LEN], uint64_t n)
{
	char digits[HUMAN_LEN], *out = ret;
	int len;

	if (n > UINT64_C(999999999999999999)) { /* its commas would not fit */
		snprintf(ret, HUMAN_LEN, "%" PRIu64, n);
		return ret;
	}
	len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return ret;
}

char *human_rate(char ret[HUMAN_LEN], double per_second)
{
	char number[HUMAN_LEN];

	if (!isfinite(per_second) || per_second < 0.05)
		snprintf(ret, HUMAN_LEN, "0/s");
	else if (per_second < 99.95)
		snprintf(ret, HUMAN_LEN, "%.1f/s", per_second);
	else
		snprintf(ret, HUMAN_LEN, "%.21s/s", human_count(number, (uint64_t)fmin(per_second + 0.5, 1e15)));
	return ret;
}

char *human_pct(char ret[HUMAN_LEN], double part, double whole)
{
	double pct = 100 * part / whole;

	if (!(whole > 0) || !isfinite(pct))
		snprintf(ret, HUMAN_LEN, "-");
	else if (pct > 0 && pct < 0.05)
		snprintf(ret, HUMAN_LEN, "<0.1 %%");
	else
		snprintf(ret, HUMAN_LEN, "%.*f %%", pct != 0 && pct < 9.95 ? 1 : 0, fmin(pct, 1e9));
	return ret;
}
