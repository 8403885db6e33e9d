/* See linetable.h.  Formats: Objects/lnotab_notes.txt (3.8, 3.10) and Objects/locations.md (3.11) of CPython. */
#include "core/interp/linetable.h"

#include <stdbool.h>

#define LINE_MAX_PLAUSIBLE (1u << 30)
#define NO_LINE_DELTA (-128)

static uint32_t plausible(uint32_t line)
{
	return line >= 1 && line <= LINE_MAX_PLAUSIBLE ? line : 0;
}

/* Pairs of (bytes forward, lines forward); a pair applies from the address it reaches. */
static uint32_t pairs_line(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti, bool is_signed)
{
	uint32_t line = first_line;
	uint64_t at = 0;

	if (lasti < 0)
		return plausible(first_line);
	for (size_t i = 0; i + 1 < n; i += 2) {
		at += table[i];
		if (at > (uint64_t)lasti)
			break;
		line += is_signed ? (uint32_t)(int32_t)(int8_t)table[i + 1] : table[i + 1];
	}
	return plausible(line);
}

static uint32_t lnotab_line(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti)
{
	return pairs_line(table, n, first_line, lasti, true);
}

static uint32_t lnotab_unsigned_line(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti)
{
	return pairs_line(table, n, first_line, lasti, false);
}

/* Pairs of (bytes covered, lines forward signed or none). */
static uint32_t lines_line(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti)
{
	uint32_t line = first_line;
	uint64_t end = 0;

	if (lasti < 0)
		return plausible(first_line);
	for (size_t i = 0; i + 1 < n; i += 2) {
		int8_t delta = (int8_t)table[i + 1];

		end += table[i];
		if (delta != NO_LINE_DELTA)
			line += (uint32_t)(int32_t)delta;
		if ((uint64_t)lasti < end)
			return delta == NO_LINE_DELTA ? 0 : plausible(line);
	}
	return 0;
}

struct cursor {
	const uint8_t *p, *end;
};

/* Six bits a byte, bit 6: more follows. */
static uint32_t varint(struct cursor *c)
{
	uint32_t value = 0;
	unsigned shift = 0;

	while (c->p < c->end) {
		uint8_t byte = *c->p++;

		if (shift < 32)
			value |= (uint32_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
		shift += 6;
	}
	return value;
}

static uint32_t signed_varint(struct cursor *c)
{
	uint32_t value = varint(c);

	return value & 1 ? 0u - (value >> 1) : value >> 1;
}

enum { ENTRY_ONE_LINE_FIRST = 10, ENTRY_ONE_LINE_LAST = 12, ENTRY_NO_COLUMNS = 13, ENTRY_LONG = 14, ENTRY_NONE = 15 };

static uint32_t location_line(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti)
{
	struct cursor c = { table, table + n };
	uint32_t line = first_line;
	uint64_t end = 0;

	if (lasti < 0)
		return plausible(first_line);
	while (c.p < c.end) {
		uint8_t head = *c.p++;
		unsigned code = (head >> 3) & 15;

		if (!(head & 0x80)) /* out of step: not a location table */
			return 0;
		end += ((head & 7u) + 1) * 2;
		if (code == ENTRY_NO_COLUMNS || code == ENTRY_LONG)
			line += signed_varint(&c);
		else if (code >= ENTRY_ONE_LINE_FIRST && code <= ENTRY_ONE_LINE_LAST)
			line += code - ENTRY_ONE_LINE_FIRST;
		if ((uint64_t)lasti < end)
			return code == ENTRY_NONE ? 0 : plausible(line);
		while (c.p < c.end && !(*c.p & 0x80)) /* columns */
			c.p++;
	}
	return 0;
}

const struct linetable_ops linetable_lnotab_unsigned = { "lnotab, unsigned", lnotab_unsigned_line };
const struct linetable_ops linetable_lnotab = { "lnotab, signed", lnotab_line };
const struct linetable_ops linetable_lines = { "linetable of pairs", lines_line };
const struct linetable_ops linetable_location = { "location table", location_line };
