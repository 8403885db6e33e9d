/* See frame_values.h. */
#include "core/interp/frame_values.h"

#include <errno.h>
#include <string.h>

#define FRAMES_MAX 512
#define TUPLE_ITEMS 8 /* after the size of a tuple */
#define BLOCKS_MAX 20 /* CO_MAXBLOCKS */
#define BLOCK_BYTES 12 /* PyTryBlock: type, handler, level */
#define HANDLERS_MAX 4096 /* bytes of a table that are looked at */
#define HELD_MAX 64

int frame_scan_begin(struct frame_scan *s, const struct layout *l, const struct walk_layout *walk, const struct mem *mem, uint64_t tstate)
{
	uint64_t p;
	int r;

	*s = (struct frame_scan){ .l = l, .walk = walk, .mem = mem };
	if (l->tstate_frame == NO_FIELD || l->frame_locals == NO_FIELD || l->frame_globals == NO_FIELD || l->code_local_names == NO_FIELD)
		return 0; /* not known of this version: no frames */
	r = mem_u64(mem, tstate + walk->tstate_frame, &p);

	if (r == 0 && walk->cframe_frame != WALK_NO_FIELD && p)
		r = mem_u64(mem, p + walk->cframe_frame, &p);
	if (r < 0)
		return r;
	s->frame = p;
	return 0;
}

static uint64_t u64_in(const uint8_t *bytes, unsigned at)
{
	uint64_t v;

	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

/* Up to 3.10: the innermost block's level is how many values are below it. */
static uint32_t held_by_blocks(const struct frame_scan *s, uint64_t frame)
{
	uint32_t n, level;

	if (mem_u32(s->mem, frame + s->l->frame_iblock, &n) != 0 || n == 0 || n > BLOCKS_MAX)
		return 0;
	if (mem_u32(s->mem, frame + s->l->frame_locals - (BLOCKS_MAX - (n - 1)) * BLOCK_BYTES + 8, &level) != 0)
		return 0;
	return level <= HELD_MAX ? level : 0;
}

struct handlers { const uint8_t *at, *end; };

/* Six bits a byte, bit 6: more follow, bit 7: first byte of an entry (Objects/exception_handling_notes.txt). */
static uint32_t varint(struct handlers *h)
{
	uint32_t v = 0;

	while (h->at < h->end) {
		uint8_t b = *h->at++;

		v = v << 6 | (b & 63);
		if (!(b & 64))
			break;
	}
	return v;
}

static uint32_t held_by_handlers(const struct frame_scan *s, const struct py_frame *f)
{
	uint8_t table[HANDLERS_MAX];
	struct handlers h = { table, table };
	uint64_t bytes, n;
	uint32_t at = (uint32_t)f->lasti / 2;

	if (f->lasti < 0 || mem_u64(s->mem, f->code + s->l->code_exceptiontable, &bytes) != 0 ||
	    mem_u64(s->mem, bytes + s->l->var_size, &n) != 0 || !n)
		return 0;
	n = n < sizeof(table) ? n : sizeof(table);
	if (mem_read(s->mem, bytes + s->l->bytes_data, table, n) != 0)
		return 0;
	for (h.end = table + n; h.at < h.end;) {
		uint32_t start = varint(&h), size = varint(&h), depth;

		varint(&h); /* target */
		depth = varint(&h) >> 1; /* bit 0: lasti is pushed */
		if (at >= start && at - start < size)
			return depth <= HELD_MAX ? depth : 0;
		if (start > at)
			break; /* they are sorted */
	}
	return 0;
}

static int fill(struct frame_scan *s, uint64_t frame, const uint8_t *bytes, struct py_frame *ret)
{
	const struct layout *l = s->l;
	uint64_t n = 0;
	int r;

	ret->locals = frame + l->frame_locals;
	r = mem_u64(s->mem, frame + l->frame_globals, &ret->globals);
	if (r == 0)
		r = mem_u64(s->mem, ret->code + l->code_local_names, &ret->local_names);
	if (r == 0)
		r = mem_u64(s->mem, ret->local_names + l->var_size, &n);
	if (r < 0)
		return r;
	ret->globals &= ~(uint64_t)3;
	ret->n_locals = n < FRAME_LOCALS_MAX ? (uint32_t)n : FRAME_LOCALS_MAX;
	if (s->walk->lasti_scale) {
		ret->lasti = (int32_t)(u64_in(bytes, s->walk->frame_instr) & UINT32_MAX);
		ret->stack = ret->n_held = 0;
		if (l->frame_valuestack == NO_FIELD || l->frame_iblock == NO_FIELD)
			return 0;
		r = mem_u64(s->mem, frame + l->frame_valuestack, &ret->stack);
		ret->n_held = r == 0 ? held_by_blocks(s, frame) : 0;
		return r;
	}
	ret->lasti = (int32_t)(u64_in(bytes, s->walk->frame_instr) - (ret->code + s->walk->code_bytecode));
	ret->stack = ret->locals + n * 8;
	ret->n_held = l->code_exceptiontable != NO_FIELD ? held_by_handlers(s, ret) : 0;
	return 0;
}

int frame_scan_next(struct frame_scan *s, struct py_frame *ret)
{
	uint8_t bytes[256];

	while (s->frame && s->n++ < FRAMES_MAX) {
		uint64_t frame = s->frame;
		int r = mem_read(s->mem, frame, bytes, s->walk->frame_span);

		if (r < 0)
			return r;
		s->frame = u64_in(bytes, s->walk->frame_prev);
		if (s->walk->frame_owner != WALK_NO_OWNER && bytes[s->walk->frame_owner] >= s->walk->owner_shim)
			continue;
		ret->code = u64_in(bytes, s->walk->frame_code) & ~(uint64_t)s->walk->code_tag_mask;
		return fill(s, frame, bytes, ret);
	}
	return FRAME_SCAN_END;
}

uint64_t frame_local_name(const struct frame_scan *s, const struct py_frame *f, unsigned i)
{
	uint64_t name;

	return i < f->n_locals && mem_u64(s->mem, f->local_names + s->l->var_size + TUPLE_ITEMS + (uint64_t)i * 8, &name) == 0 ? name : 0;
}
