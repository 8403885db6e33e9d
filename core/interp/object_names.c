/* See object_names.h.  The chain of names grows at its front: the lock is attribute `guard` of an object, which is the global `store`. */
#include "core/interp/object_names.h"

#include <stdio.h>
#include <string.h>

#include "core/interp/instance.h"
#include "core/interp/lock_object.h"
#include "core/interp/pydict.h"
#include "core/interp/pystr.h"

enum { FRAMES_MAX = 24, LOCALS_MAX = 32, GLOBALS_MAX = 2000, ATTRIBUTES_MAX = 200, DEPTH_MAX = 3, NAME_READS = 20000 };

struct search {
	struct mem mem; /* counts what goes through it */
	const struct mem *target;
	unsigned reads;
	const struct layout *l;
	uint64_t object; /* named so far: `path` is what it leads to */
	char path[OBJECT_NAME_SIZE]; /* ".guard" */
	char type[64]; /* of `object`, when there is a path */
	char local[96]; /* how a frame calls the object itself */
	unsigned depth;
};

static int counted_read(const struct mem *m, uint64_t addr, void *ret, size_t len)
{
	struct search *s = (struct search *)m; /* mem is its first member */

	if (++s->reads > NAME_READS)
		return -1;
	return mem_read(s->target, addr, ret, len);
}

static bool key_text(struct search *s, uint64_t key, char *ret, size_t size)
{
	return pystr_read(s->l, &s->mem, key, ret, size) == 0;
}

/* The key under which a dict, or the attributes of an instance, have the object. */
static bool find_in(struct search *s, struct dict_walk *w, unsigned max, char *ret, size_t size)
{
	uint64_t key, value;

	for (unsigned i = 0; i < max && dict_walk_next(w, &key, &value) == 0; i++)
		if (value == s->object)
			return key_text(s, key, ret, size);
	return false;
}

static bool has_attribute(struct search *s, uint64_t owner, char *ret, size_t size)
{
	struct dict_walk w;
	uint64_t type;

	if (owner < 0x1000 || owner % 8 || mem_u64(&s->mem, owner + s->l->object_type, &type) != 0)
		return false;
	return s->l->instance->attributes(&w, s->l, &s->mem, owner, type) == 0 && find_in(s, &w, ATTRIBUTES_MAX, ret, size);
}

/* From here on it is that object that wants a name. */
static bool climb(struct search *s, uint64_t owner, const char *attribute)
{
	char path[OBJECT_NAME_SIZE];

	if (s->depth == DEPTH_MAX || snprintf(path, sizeof(path), ".%s%s", attribute, s->path) >= (int)sizeof(path))
		return false;
	memcpy(s->path, path, sizeof(path));
	s->object = owner;
	s->depth++;
	if (object_type_name(s->l, &s->mem, owner, s->type, sizeof(s->type)) != 0)
		s->type[0] = 0;
	return true;
}

static void search_locals(struct search *s, struct frame_scan *scan, const struct py_frame *f)
{
	uint64_t values[LOCALS_MAX];
	unsigned n = f->n_locals < LOCALS_MAX ? f->n_locals : LOCALS_MAX;
	char attribute[96];

	if (!n || mem_read(&s->mem, f->locals, values, n * 8) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		values[i] &= ~(uint64_t)3;
		if (values[i] == s->object && !s->local[0] && !s->depth)
			key_text(s, frame_local_name(scan, f, i), s->local, sizeof(s->local));
	}
	for (unsigned i = 0; i < n; i++)
		if (values[i] && values[i] != s->object && has_attribute(s, values[i], attribute, sizeof(attribute)) &&
		    climb(s, values[i], attribute))
			return;
}

static bool module_global(struct search *s, const struct py_frame *f, char *ret)
{
	char module[128] = "?", global[96];
	struct dict_walk w;
	uint64_t name;

	if (dict_walk_begin(&w, s->l, &s->mem, f->globals) != 0 || !find_in(s, &w, GLOBALS_MAX, global, sizeof(global)))
		return false;
	if (dict_find(s->l, &s->mem, f->globals, "__name__", &name) == 0)
		key_text(s, name, module, sizeof(module));
	return snprintf(ret, OBJECT_NAME_SIZE, "%s.%s%s", module, global, s->path) < OBJECT_NAME_SIZE;
}

/* An attribute of a global that no local leads to: `with ACCOUNT.guard`. */
static bool global_attribute(struct search *s, const struct py_frame *f)
{
	char attribute[96];
	struct dict_walk w;
	uint64_t key, value;

	if (dict_walk_begin(&w, s->l, &s->mem, f->globals) != 0)
		return false;
	for (unsigned i = 0; i < GLOBALS_MAX && dict_walk_next(&w, &key, &value) == 0; i++)
		if (has_attribute(s, value, attribute, sizeof(attribute)))
			return climb(s, value, attribute);
	return false;
}

static bool search_frame(struct search *s, struct frame_scan *scan, const struct py_frame *f, char *ret)
{
	for (unsigned before = s->depth;; before = s->depth) {
		if (module_global(s, f, ret))
			return true;
		search_locals(s, scan, f);
		if (s->depth == before)
			break;
	}
	return !s->depth && global_attribute(s, f) && module_global(s, f, ret);
}

bool object_name_find(const struct layout *l, const struct walk_layout *walk, const struct mem *mem, uint64_t tstate, uint64_t object,
		      char ret[OBJECT_NAME_SIZE])
{
	struct search s = { .mem = { counted_read }, .target = mem, .l = l, .object = object };
	struct frame_scan scan;
	struct py_frame f;

	if (frame_scan_begin(&scan, l, walk, mem, tstate) != 0)
		return false;
	for (unsigned i = 0; i < FRAMES_MAX && s.reads < NAME_READS && frame_scan_next(&scan, &f) == 0; i++)
		if (search_frame(&s, &scan, &f, ret))
			return true;
	if (s.depth && s.type[0])
		return snprintf(ret, OBJECT_NAME_SIZE, "%s%s", s.type, s.path) < OBJECT_NAME_SIZE;
	return s.local[0] && snprintf(ret, OBJECT_NAME_SIZE, "local %s", s.local) < OBJECT_NAME_SIZE;
}
