#pragma once
/* Line tables of code objects: from the byte offset of an instruction to the line.  Four formats, chosen by the
 * layout row: co_lnotab with unsigned (2.7) or signed increments (3.6 to 3.9), co_linetable pairs (3.10), location table (3.11 on).
 * Owns: nothing.  Context: any, async-signal-safe.  Errors: none; what a table does not say is line 0.
 * Untrusted: the table; sums wrap in unsigned arithmetic and lines outside 1..2^30 become 0. */
#include <stddef.h>
#include <stdint.h>

struct linetable_ops {
	const char *name;
	/* lasti < 0 (not started) is first_line */
	uint32_t (*line)(const uint8_t *table, size_t n, uint32_t first_line, int32_t lasti);
};

extern const struct linetable_ops linetable_lnotab_unsigned, linetable_lnotab, linetable_lines, linetable_location;
