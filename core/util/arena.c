/* See arena.h.  Blocks are linked newest first; a request larger than a block gets its own. */
#include "core/util/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "core/util/xalloc.h"

struct arena_block {
	struct arena_block *older;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

enum { BLOCK_SIZE = 16 * 1024 };

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = a->last;
	size_t rounded = (size + align - 1) / align * align;

	if (size > SIZE_MAX / 2)
		rounded = SIZE_MAX / 2; /* malloc refuses that much */
	if (!block || block->size - block->used < rounded) {
		size_t want = rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE;

		block = xcalloc(1, sizeof(*block) + want);
		block->size = want;
		block->older = a->last;
		a->last = block;
	}
	block->used += rounded;
	a->bytes += rounded;
	return block->bytes + block->used - rounded;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	return arena_alloc(a, __builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

void arena_done(struct arena *a)
{
	if (!a)
		return;
	while (a->last) {
		struct arena_block *block = a->last;

		a->last = block->older;
		free(block);
	}
	a->bytes = 0;
}
