/* A copy of a C stack as it comes out of the ring, and what the unwinding process answers: both checked and merged, whatever they say.
 * Input: a byte that chooses how much of it is the event, the event, the answer. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/event/event_names.h"
#include "core/symbols/native_stack.h"

static union {
	struct ev_hdr h;
	struct ev_native native;
	uint8_t bytes[UINT16_MAX + 1];
} event;
static struct unwound unwound;
static struct native_stack merged;

static size_t take(void *to, size_t max, const uint8_t *from, size_t n)
{
	n = n < max ? n : max;
	memset(to, 0, max);
	if (n)
		memcpy(to, from, n);
	return n;
}

static void check_text(uint32_t at)
{
	const char *text = unwound_text(&unwound, at);

	assert(text && *text && strlen(text) < sizeof(unwound.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;

	if (!size)
		return 0;
	n = (size - 1) * data[0] / 255;
	take(&event, sizeof(event), data + 1, n);
	take(&unwound, sizeof(unwound), data + 1 + n, size - 1 - n);
	event.h.kind = EV_NATIVE;
	if (data[0] & 1) { /* so that the check lets it pass now and then */
		event.native.n_bytes %= EV_STACK_BYTES + 1;
		event.native.n_frames %= EV_MAX_FRAMES + 1;
		event.native.n_entries %= EV_MAX_ENTRIES + 1;
		event.h.size = (__u16)(offsetof(struct ev_native, bytes) + event.native.n_bytes);
	}
	if (!event_size_ok(&event.h, sizeof(event)))
		return 0;
	assert(event.native.n_bytes <= EV_STACK_BYTES);
	if (!native_stack_merge(&event.native, &unwound, &merged))
		return 0;
	assert(merged.stack.n <= EV_MAX_FRAMES && merged.stack.key && (!merged.stack.n || merged.stack.inner < merged.stack.n));
	assert(event_size_ok(&merged.stack.h, sizeof(merged.stack)));
	for (unsigned i = 0; i < merged.stack.n; i++) {
		assert((merged.native[i] != NULL) == (merged.stack.frames[i].lasti == EV_NATIVE_FRAME));
		if (!merged.native[i])
			continue;
		check_text(merged.native[i]->function);
		check_text(merged.native[i]->file);
	}
	return 0;
}
