/* See duration.h.  Integer arithmetic throughout: 0.1s is exactly 100000000 ns whatever the locale says a point is. */
#include "core/util/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/base/clock.h"

static const struct { const char *name; uint64_t ns; } units[] = {
	{"", NS_PER_S}, {"s", NS_PER_S}, {"ms", NS_PER_MS}, {"us", NS_PER_US}, {"ns", 1},
	{"m", 60 * NS_PER_S}, {"min", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
};

static const uint64_t longest_ns = UINT64_C(3650) * 86400 * NS_PER_S;

int duration_parse(const char *text, uint64_t *ret_ns)
{
	const char *p = text;
	uint64_t whole = 0, fraction = 0, scale = 1, ns;
	size_t unit = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *p - '0', &whole))
			return -ERANGE;
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++)
			if (scale < NS_PER_S * 1000) { /* further digits are below a nanosecond of any unit we take */
				fraction = fraction * 10 + (uint64_t)(*p - '0');
				scale *= 10;
			}
	}
	while (unit < sizeof(units) / sizeof(units[0]) && strcmp(p, units[unit].name))
		unit++;
	if (unit == sizeof(units) / sizeof(units[0]))
		return -EINVAL;
	if (__builtin_mul_overflow(whole, units[unit].ns, &ns))
		return -ERANGE;
	ns += (uint64_t)((unsigned __int128)fraction * units[unit].ns / scale);
	if (ns > longest_ns)
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}
