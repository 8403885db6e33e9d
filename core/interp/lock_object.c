/* See lock_object.h. */
#include "core/interp/lock_object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 32

/* What follows the object's head. */
struct lock_shape {
	const char *type;
	uint32_t bytes; /* of the object without its head: tells which shape it is */
	bool pointer; /* to a semaphore; else the word itself */
	bool recursive;
	uint32_t owner; /* 0 none */
};

static const struct lock_shape shapes[] = {
	{ "_thread.lock", 24, true, false, 0 }, /* lock_lock, in_weakreflist, locked */
	{ "_thread.lock", 8, false, false, 0 }, /* PyMutex */
	{ "_thread.RLock", 32, true, true, 8 }, /* rlock_lock, rlock_owner, rlock_count, in_weakreflist */
	{ "_thread.RLock", 24, false, true, 8 }, /* _PyRecursiveMutex: mutex, thread, level */
};

static uint32_t head_bytes(const struct layout *l)
{
	return l->object_type + 8; /* ob_type is the last member of PyObject */
}

static bool plausible(uint64_t addr)
{
	return addr >= 0x1000 && addr < UINT64_C(1) << 47 && addr % 8 == 0;
}

static int read_type(const struct layout *l, const struct mem *mem, uint64_t object, uint64_t *ret_type, char *ret_name)
{
	uint64_t name;
	int r;

	if (!plausible(object))
		return LOCK_OBJECT_NOT_ONE;
	r = mem_u64(mem, object + l->object_type, ret_type);
	if (r == 0 && !plausible(*ret_type))
		return LOCK_OBJECT_NOT_ONE;
	if (r == 0)
		r = mem_u64(mem, *ret_type + l->type_name, &name);
	if (r == 0)
		r = mem_read(mem, name, ret_name, NAME_BYTES);
	if (r == 0 && !memchr(ret_name, 0, NAME_BYTES))
		ret_name[NAME_BYTES - 1] = 0;
	return r;
}

int object_type_name(const struct layout *l, const struct mem *mem, uint64_t object, char *ret, unsigned size)
{
	char name[NAME_BYTES];
	uint64_t type;
	int r = read_type(l, mem, object, &type, name);

	if (r)
		return r < 0 ? r : -EINVAL;
	if (!size)
		return 0;
	snprintf(ret, size, "%s", name);
	return 0;
}

static int read_shape(const struct mem *mem, const struct lock_shape *s, uint64_t body, struct lock_object *ret)
{
	uint64_t word = body, owner = 0;
	int r = s->pointer ? mem_u64(mem, body, &word) : 0;

	if (r == 0 && s->owner)
		r = mem_u64(mem, body + s->owner, &owner);
	if (r < 0)
		return r;
	ret->word = word;
	ret->owner = owner;
	ret->recursive = s->recursive;
	return 0;
}

int lock_object_read(const struct layout *l, const struct mem *mem, uint64_t addr, struct lock_object *ret)
{
	char name[NAME_BYTES];
	uint64_t type, size;
	int r = read_type(l, mem, addr, &type, name);

	if (r)
		return r;
	if (strncmp(name, "_thread.", 8) != 0)
		return LOCK_OBJECT_NOT_ONE;
	r = mem_u64(mem, type + l->type_basicsize, &size);
	for (size_t i = 0; r == 0 && i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(shapes[i].type, name) && shapes[i].bytes + head_bytes(l) == size) {
			ret->object = addr;
			return read_shape(mem, &shapes[i], addr + head_bytes(l), ret);
		}
	return r < 0 ? r : LOCK_OBJECT_NOT_ONE;
}

int lock_object_parked(const struct layout *l, const struct mem *mem, uint64_t word, struct lock_object *ret)
{
	int r = lock_object_read(l, mem, word - head_bytes(l), ret);

	return r == 0 && ret->word != word ? LOCK_OBJECT_NOT_ONE : r;
}

int lock_object_of_value(const struct layout *l, const struct mem *mem, uint64_t value, struct lock_object *ret)
{
	char name[NAME_BYTES];
	uint64_t type, self;
	int r;

	value &= ~(uint64_t)3; /* tags of references on the stack (3.14) */
	r = read_type(l, mem, value, &type, name);
	if (r)
		return r;
	if (strcmp(name, "builtin_function_or_method") != 0)
		return lock_object_read(l, mem, value, ret);
	r = mem_u64(mem, value + head_bytes(l) + 8, &self); /* m_ml, m_self */
	return r == 0 ? lock_object_read(l, mem, self, ret) : r;
}
