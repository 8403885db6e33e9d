/* See eh_frame.h.  The table: a version and three encodings, a byte each; where .eh_frame is; how many pairs follow; the pairs (where a
 * function begins, where its entry is), sorted.  An entry: its length, its CIE, where the function begins, how long it is. */
#include "core/symbols/eh_frame.h"

#include <string.h>

#define TABLE_HEAD 12
#define PAIR 8
#define ENTRY_START 8
#define ENTRY_LENGTH 12

static const uint8_t known_head[] = { 1, 0x1b /* pcrel sdata4 */, 0x03 /* udata4 */, 0x3b /* datarel sdata4 */ };

static bool read_bytes(const struct eh_frame *e, uint64_t addr, void *ret, size_t len)
{
	uint64_t at = addr - e->addr;

	if (at > e->n || e->n - at < len)
		return false;
	memcpy(ret, e->bytes + at, len);
	return true;
}

/* A signed word relative to `from`. */
static bool read_relative(const struct eh_frame *e, uint64_t addr, uint64_t from, uint64_t *ret)
{
	int32_t word;

	if (!read_bytes(e, addr, &word, sizeof(word)))
		return false;
	*ret = from + (uint64_t)(int64_t)word;
	return true;
}

/* The last pair that begins at pc or before. */
static bool find_pair(const struct eh_frame *e, uint64_t pc, uint64_t *ret)
{
	uint64_t first = e->table + TABLE_HEAD, start;
	uint32_t n, low = 0, high;

	if (!read_bytes(e, e->table + 8, &n, sizeof(n)) || n > e->n / PAIR)
		return false;
	for (high = n; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (!read_relative(e, first + (uint64_t)middle * PAIR, e->table, &start))
			return false;
		if (start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = first + (uint64_t)(low - 1) * PAIR;
	return low > 0;
}

bool eh_frame_function(const struct eh_frame *e, uint64_t pc, uint64_t *ret_start)
{
	uint8_t head[sizeof(known_head)];
	uint64_t pair, start, entry, own;
	uint32_t length;

	if (!e->bytes || !read_bytes(e, e->table, head, sizeof(head)) || memcmp(head, known_head, sizeof(head)) != 0 || !find_pair(e, pc, &pair))
		return false;
	if (!read_relative(e, pair, e->table, &start) || !read_relative(e, pair + 4, e->table, &entry) ||
	    !read_relative(e, entry + ENTRY_START, entry + ENTRY_START, &own) || own != start || /* its CIE has another encoding */
	    !read_bytes(e, entry + ENTRY_LENGTH, &length, sizeof(length)) || pc < start || pc - start >= length)
		return false;
	*ret_start = start;
	return true;
}
