/* The BPF frame walk, and the walk along musl's waiters, as host code: any layout, any memory.  Input: a struct walk_layout, then the memory at BASE. */
#include <linux/types.h>
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0x10000ULL

static const uint8_t *image;
static size_t image_bytes;
static unsigned reads;

static int image_read(void *ret, size_t len, uint64_t addr)
{
	reads++;
	if (addr < BASE || addr - BASE > image_bytes || len > image_bytes - (addr - BASE))
		return -1;
	memcpy(ret, image + (addr - BASE), len);
	return 0;
}

#include "core/event/event.h"
#define WALK_READ(dst, len, addr) image_read(dst, len, addr)
#define WALK_FN static
#include "core/interp/cond_list.h"
#include "core/interp/frame_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk_layout layout;
	struct walk_buf *buf;
	struct ev_stack *out;
	uint64_t key;

	if (size < sizeof(layout))
		return 0;
	memcpy(&layout, data, sizeof(layout));
	image = data + sizeof(layout);
	image_bytes = size - sizeof(layout);
	reads = 0;
	buf = malloc(sizeof(*buf)); /* on the heap, so that an overrun is seen */
	out = calloc(1, sizeof(*out));
	assert(buf && out);
	memset(buf, 0, sizeof(*buf));
	key = walk_frames(&layout, BASE, 1, buf, out);
	assert(out->n <= WALK_MAX_FRAMES);
	assert(!key == !out->n);
	assert(reads <= 2 + 4 * WALK_STEPS + TASK_LOOPS + 6 + 1); /* of a frame itself, its code, and two for a thread's own byte code */
	reads = 0;
	cond_find(BASE, BASE + 8, BASE + (layout.world & 0xfff));
	assert(reads <= 2 + COND_STEPS + 1);
	free(buf);
	free(out);
	return 0;
}
