/* See escape.h.  The table lists what is invisible or reorders text (Unicode 15: Bidi_Control, Default_Ignorable,
 * Zl, Zp, Cc, Co and non-characters); combining accents are visible and pass. */
#include "core/util/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/util/strbuf.h"

struct range { uint32_t first, last; };

static const struct range hidden[] = {
	{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5},
	{0x180b, 0x180f}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xe000, 0xf8ff},
	{0xfdd0, 0xfdef}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
	{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff},
};

static const struct range combining[] = {
	{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x610, 0x61a}, {0x64b, 0x65f}, {0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};

static const struct range wide[] = {
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2e80, 0x303e}, {0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
	{0xa000, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
	{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool in_ranges(const struct range *ranges, size_t n, uint32_t code)
{
	for (size_t i = 0; i < n; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}
#define IN(table, code) in_ranges(table, sizeof(table) / sizeof((table)[0]), code)

unsigned utf8_decode(const char *bytes, size_t n, unsigned *ret_code)
{
	static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)bytes;
	uint32_t code;
	unsigned len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_code = p[0];
		return 1;
	}
	len = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	if (len == 0 || p[0] >= 0xf8 || n < len)
		return 0;
	code = p[0] & (0xffu >> (len + 1));
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

/* One character or undecodable byte as it will be shown: piece[16] is filled, *ret_used says how much input it took. */
static size_t next_piece(const char *bytes, size_t n, char piece[16], size_t *ret_used)
{
	unsigned code, len = utf8_decode(bytes, n, &code);

	*ret_used = len ? len : 1;
	if (len == 0)
		return (size_t)snprintf(piece, 16, "\\x%02x", (unsigned char)bytes[0]);
	if (!IN(hidden, code) && (code & 0xfffe) != 0xfffe) {
		memcpy(piece, bytes, len);
		return len;
	}
	return (size_t)snprintf(piece, 16, code < 0x80 ? "\\x%02x" : "\\u{%x}", code);
}

size_t escape_to(char *ret, size_t size, const char *bytes, size_t n)
{
	static const char dots[] = "…";
	const size_t dots_len = sizeof(dots) - 1;
	size_t len = 0, fits = 0, used = 0; /* fits: longest length after which the dots still fit */
	char piece[16];

	if (size == 0)
		return 0;
	for (size_t i = 0; i < n; i += used) {
		size_t k = next_piece(bytes + i, n - i, piece, &used);

		if (len + k >= size) {
			len = fits;
			if (len + dots_len < size) {
				memcpy(ret + len, dots, dots_len);
				len += dots_len;
			}
			break;
		}
		memcpy(ret + len, piece, k);
		len += k;
		if (len + dots_len < size)
			fits = len;
	}
	ret[len] = '\0';
	return len;
}

void escape_add(struct strbuf *b, const char *bytes, size_t n)
{
	char piece[16];
	size_t used = 0;

	for (size_t i = 0; i < n; i += used) {
		size_t k = next_piece(bytes + i, n - i, piece, &used);

		strbuf_add(b, piece, k);
	}
}

void escape_adds(struct strbuf *b, const char *s)
{
	escape_add(b, s, strlen(s));
}

static size_t char_columns(uint32_t code)
{
	return IN(combining, code) ? 0 : IN(wide, code) ? 2 : 1;
}

size_t utf8_columns(const char *s)
{
	size_t n = strlen(s), columns = 0;
	unsigned code, len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_decode(s + i, n - i, &code);
		columns += len ? char_columns(code) : 1;
		len = len ? len : 1;
	}
	return columns;
}

size_t utf8_prefix(const char *s, size_t max)
{
	size_t n = strlen(s), columns = 0, i = 0;

	while (i < n) {
		unsigned code, len = utf8_decode(s + i, n - i, &code);
		size_t more = len ? char_columns(code) : 1;

		if (columns + more > max)
			break;
		columns += more;
		i += len ? len : 1;
	}
	return i;
}
