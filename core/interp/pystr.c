/* See pystr.h.  State bits (CPython 3.3 to 3.15): kind 2-4, compact 5, ascii 6; six more in free-threaded
 * builds from 3.14 on. */
#include "core/interp/pystr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STR_HEAD_BYTES 128
#define CHARS_AT_ONCE 1024 /* more cannot be shown */
#define LONG_SHIFT 30
#define KIND_BITS 3
#define FLAG_COMPACT 1
#define FLAG_ASCII 2

struct str_place {
	uint64_t data;
	uint64_t length; /* characters */
	unsigned kind; /* bytes a character */
	bool cut;
};

static uint64_t u64_at(const uint8_t *bytes, uint32_t at)
{
	uint64_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static int place_legacy(const struct layout *l, const uint8_t *head, struct str_place *ret)
{
	if (l->unicode_wstr == NO_FIELD || l->unicode_wstr_length == NO_FIELD)
		return PYSTR_NOT_ONE;
	ret->data = u64_at(head, l->unicode_wstr);
	ret->length = u64_at(head, l->unicode_wstr_length);
	ret->kind = 4;
	return ret->data ? 0 : PYSTR_NOT_ONE;
}

static int str_place(const struct layout *l, const struct mem *mem, uint64_t addr, struct str_place *ret)
{
	uint8_t head[STR_HEAD_BYTES];
	size_t n = (size_t)l->unicode_data + 8;
	uint32_t state, flags;
	int r;

	if (n > sizeof(head) || l->unicode_ascii_size > n)
		return -EPROTO;
	/* a short ascii string at the end of a page may have nothing behind it */
	memset(head, 0, sizeof(head));
	r = mem_read(mem, addr, head, n);
	if (r == -EFAULT)
		r = mem_read(mem, addr, head, l->unicode_ascii_size);
	if (r < 0)
		return r;
	memcpy(&state, head + l->unicode_state, sizeof(state));
	flags = state >> (l->unicode_kind_shift + KIND_BITS);
	*ret = (struct str_place){ .length = u64_at(head, l->unicode_length), .kind = (state >> l->unicode_kind_shift) & 7 };
	if (ret->kind == 0)
		r = place_legacy(l, head, ret);
	else if (!(flags & FLAG_COMPACT))
		ret->data = u64_at(head, l->unicode_data);
	else
		ret->data = addr + (flags & FLAG_ASCII ? l->unicode_ascii_size : l->unicode_compact_size);
	if (r != 0)
		return r;
	if (ret->kind != 1 && ret->kind != 2 && ret->kind != 4)
		return PYSTR_NOT_ONE;
	if (ret->length > INT64_MAX / 8)
		return PYSTR_NOT_ONE;
	ret->cut = ret->length > CHARS_AT_ONCE;
	if (ret->cut)
		ret->length = CHARS_AT_ONCE;
	return 0;
}

/* One character as UTF-8 or as an escape; at most 6 bytes.  0: not a character. */
static size_t put_char(char *out, uint32_t c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == 0)
		return (size_t)snprintf(out, 8, "\\x00");
	if (c >= 0xd800 && c < 0xe000) {
		const char escape[] = { '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15] };

		memcpy(out, escape, sizeof(escape));
		return sizeof(escape);
	}
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

static uint32_t char_at(const uint8_t *data, unsigned kind, size_t i)
{
	uint16_t two;
	uint32_t four;

	switch (kind) {
	case 1:
		return data[i];
	case 2:
		memcpy(&two, data + i * 2, 2);
		return two;
	default:
		memcpy(&four, data + i * 4, 4);
		return four;
	}
}

static int put_chars(const struct str_place *place, const uint8_t *data, char *ret, size_t size)
{
	static const char more[] = "…";
	size_t limit = (size > PYSTR_SIZE ? PYSTR_SIZE : size) - 1;
	size_t n = 0, mark = 0; /* mark: end of the last character before which the marker still fits */
	bool cut = place->cut;

	for (size_t i = 0; i < place->length; i++) {
		char c[8];
		size_t len = put_char(c, char_at(data, place->kind, i));

		if (len == 0)
			return PYSTR_NOT_ONE;
		if (n + len > limit) {
			cut = true;
			break;
		}
		memcpy(ret + n, c, len);
		n += len;
		if (n + sizeof(more) - 1 <= limit)
			mark = n;
	}
	if (cut) {
		memcpy(ret + mark, more, sizeof(more) - 1);
		n = mark + sizeof(more) - 1;
	}
	ret[n] = '\0';
	return 0;
}

/* One character of at most n bytes of UTF-8; what is none of it is a lone surrogate, as in Python's surrogateescape. */
static size_t take_char(const uint8_t *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
	uint32_t c = len == 1 ? p[0] : len ? p[0] & (0xffu >> (len + 1)) : 0;

	for (unsigned i = 1; i < len; i++) {
		if (i >= n || (p[i] & 0xc0) != 0x80)
			len = 0;
		else
			c = c << 6 | (p[i] & 63);
	}
	if (len == 0 || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		*ret = 0xdc00 + p[0];
		return 1;
	}
	*ret = c;
	return len;
}

static int read_byte_str(const struct layout *l, const struct mem *mem, uint64_t addr, char *ret, size_t size)
{
	uint8_t bytes[CHARS_AT_ONCE];
	uint32_t chars[CHARS_AT_ONCE];
	struct str_place place = { .kind = 4 };
	uint64_t n;
	int r = mem_u64(mem, addr + l->var_size, &n);

	if (r < 0)
		return r;
	if (n > INT64_MAX)
		return PYSTR_NOT_ONE;
	place.cut = n > sizeof(bytes);
	if (place.cut)
		n = sizeof(bytes);
	r = n ? mem_read(mem, addr + l->bytes_data, bytes, n) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < n;)
		i += take_char(bytes + i, n - i, &chars[place.length++]);
	return put_chars(&place, (const uint8_t *)chars, ret, size);
}

int pystr_read(const struct layout *l, const struct mem *mem, uint64_t addr, char *ret, size_t size)
{
	uint8_t data[CHARS_AT_ONCE * 4];
	struct str_place place;
	int r;

	ret[0] = '\0';
	if (addr && l->int_value != NO_FIELD)
		return read_byte_str(l, mem, addr, ret, size);
	r = addr ? str_place(l, mem, addr, &place) : PYSTR_NOT_ONE;
	if (r != 0)
		return r;
	if (place.length) {
		r = mem_read(mem, place.data, data, place.length * place.kind);
		if (r < 0)
			return r;
	}
	r = put_chars(&place, data, ret, size);
	if (r != 0)
		ret[0] = '\0';
	return r;
}

int pylong_read(const struct layout *l, const struct mem *mem, uint64_t addr, uint64_t *ret)
{
	uint32_t digits[3] = {0};
	uint64_t size, value;
	int r;

	if (addr && l->int_value != NO_FIELD)
		return mem_u64(mem, addr + l->int_value, ret);
	r = addr ? mem_u64(mem, addr + l->long_size, &size) : PYSTR_NOT_ONE;

	if (r != 0)
		return r;
	if (l->long_tagged) {
		if ((size & 3) == 2) /* negative */
			return PYSTR_NOT_ONE;
		size >>= 3;
	}
	if (size > 3)
		return PYSTR_NOT_ONE;
	r = size ? mem_read(mem, addr + l->long_digits, digits, size * 4) : 0;
	if (r < 0)
		return r;
	if (digits[2] > 15)
		return PYSTR_NOT_ONE;
	value = digits[0] | (uint64_t)digits[1] << LONG_SHIFT | (uint64_t)digits[2] << (2 * LONG_SHIFT);
	*ret = value;
	return 0;
}
