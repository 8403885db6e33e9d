/* See native_stack.h.  Which native frame is a call of the evaluation loop: the one on whose part of the C stack lies what that call keeps
 * there (3.11 and newer), else the next one with the name of that function. */
#include "core/symbols/native_stack.h"

#include <stddef.h>
#include <string.h>

struct merging {
	const struct ev_native *copy;
	const struct unwound *u;
	struct native_stack *out;
	unsigned n_native; /* of u */
	unsigned entry, python; /* the next ones to be placed */
};

static void put(struct merging *m, const struct ev_frame *frame, const struct unwound_frame *native)
{
	struct ev_stack *s = &m->out->stack;

	if (s->n == EV_MAX_FRAMES) {
		s->h.flags |= EV_F_TRUNCATED;
		return;
	}
	m->out->native[s->n] = native;
	s->frames[s->n++] = *frame;
}

static void put_native(struct merging *m, const struct unwound_frame *f)
{
	put(m, &(struct ev_frame){ .code = f->pc, .lasti = EV_NATIVE_FRAME, .check = f->check }, f);
}

static unsigned n_entries(const struct merging *m)
{
	return m->copy->each ? m->copy->n_frames : m->copy->n_entries;
}

/* Index behind the outermost Python frame of an entry. */
static unsigned entry_end(const struct merging *m, unsigned entry)
{
	unsigned end = m->copy->each ? entry + 1 : m->copy->entries[entry].frames;

	return end < m->copy->n_frames ? end : m->copy->n_frames;
}

static void put_python(struct merging *m, unsigned end)
{
	for (; m->python < end; m->python++) {
		struct ev_frame frame = m->copy->frames[m->python];

		if (frame.lasti == EV_NATIVE_FRAME) /* says the target */
			frame.lasti = -1;
		put(m, &frame, NULL);
	}
}

static bool holds(const struct merging *m, unsigned i, uint64_t addr)
{
	return addr >= m->u->frames[i].sp && i + 1 < m->n_native && addr < m->u->frames[i + 1].sp;
}

/* Where the next entry stands, from native frame `from` on; n_native: nowhere. */
static unsigned find_entry(const struct merging *m, unsigned from)
{
	uint64_t addr = m->copy->each ? 0 : m->copy->entries[m->entry].addr;
	unsigned i;

	for (i = from; addr && i < m->n_native; i++)
		if (holds(m, i, addr))
			return i;
	for (i = from; i < m->n_native; i++)
		if (m->u->frames[i].kind == NATIVE_EVAL)
			return i;
	return m->n_native;
}

static bool shown(const struct merging *m, const struct unwound_frame *f)
{
	if (f->kind == NATIVE_EVAL)
		return false;
	return f->kind == NATIVE_OTHER || (!m->python && m->copy->n_frames);
}

/* The frame that the stack is named by: the innermost below the Python line that is neither the interpreter's nor the C library's. */
static void name_stack(struct merging *m)
{
	struct native_stack *out = m->out;
	unsigned below = 0;

	while (below < out->stack.n && out->native[below])
		below++;
	out->stack.inner = below < out->stack.n ? below : 0;
	for (unsigned i = 0; i < below && !(m->copy->h.flags & EV_F_GIL_WAIT); i++)
		if (out->native[i]->kind == NATIVE_OTHER) {
			out->stack.inner = i;
			return;
		}
}

static uint64_t mix(uint64_t key, uint64_t x)
{
	key = (key ^ x) * 0x9e3779b97f4a7c15ULL;
	return key ^ key >> 29;
}

static uint64_t key_of(const struct ev_stack *s)
{
	uint64_t key = mix(s->h.pid, 0x6e6174697665ULL + s->inner);

	for (unsigned i = 0; i < s->n; i++)
		key = mix(mix(key, s->frames[i].code), (uint64_t)(uint32_t)s->frames[i].lasti << 32 | s->frames[i].check);
	return key ? key : 1;
}

/* Without Python: all of a native thread's frames. */
static void put_all(struct merging *m)
{
	for (unsigned i = 0; i < m->n_native; i++)
		put_native(m, &m->u->frames[i]);
}

static void put_merged(struct merging *m)
{
	unsigned i = 0, at = n_entries(m) ? find_entry(m, 0) : m->n_native;

	for (; i < m->n_native; i++) {
		if (i != at) {
			if (shown(m, &m->u->frames[i]))
				put_native(m, &m->u->frames[i]);
			continue;
		}
		put_python(m, entry_end(m, m->entry));
		m->entry++;
		at = m->entry < n_entries(m) ? find_entry(m, i + 1) : m->n_native;
	}
	m->out->partial = m->entry < n_entries(m);
	put_python(m, m->copy->n_frames);
}

bool native_stack_merge(const struct ev_native *copy, const struct unwound *u, struct native_stack *ret)
{
	struct merging m = { .copy = copy, .u = u, .out = ret, .n_native = u->n < UNWOUND_MAX ? u->n : UNWOUND_MAX };
	struct ev_stack *s = &ret->stack;

	memset(ret, 0, offsetof(struct native_stack, stack.frames));
	ret->partial = false;
	s->h = (struct ev_hdr){ .kind = EV_STACK, .flags = EV_F_NATIVE | (copy->h.flags & EV_F_TORN), .pid = copy->h.pid, .tid = copy->h.tid };
	if (copy->n_frames > EV_MAX_FRAMES || copy->n_entries > EV_MAX_ENTRIES)
		return false;
	if (copy->n_frames)
		put_merged(&m);
	else
		put_all(&m);
	if (copy->n_frames == EV_MAX_FRAMES)
		s->h.flags |= EV_F_TRUNCATED;
	name_stack(&m);
	s->h.size = (__u16)(offsetof(struct ev_stack, frames) + s->n * sizeof(struct ev_frame));
	s->key = key_of(s);
	return m.n_native != 0;
}

const char *unwound_text(const struct unwound *u, uint32_t at)
{
	if (at >= sizeof(u->text) || !memchr(u->text + at, 0, sizeof(u->text) - at))
		return "?";
	return u->text[at] ? u->text + at : "?";
}
