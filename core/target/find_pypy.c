/* See find_pypy.h.  What the entry begins with (rpython/translator/c/src/threadlocal.h, thread.h, thread_gil.c), as compiled:
 *
 *     if (pypy_threadlocal.ready != 42)
 *             _RPython_ThreadLocals_Build();     a call; in it the head of the ring of threads
 *     lock cmpxchg ident, rpy_fastgil            the GIL's word
 *     jne                                        to a call of
 *             RPyGilAcquireSlowPath();           in it, in this order, &mutex_gil_stealer and &mutex_gil.mut
 */
#include "core/target/find_pypy.h"

#include <stdio.h>
#include <string.h>

#include "core/interp/layout.h"
#include "core/target/machine_code.h"

#define SLOW_PATH_BYTES 1024
#define NEAR 4096 /* static variables of one source file */
#define REFS_MAX 32
#define RING_NEXT 24 /* struct pypy_threadlocal_s: int ready; char *stack_end; prev, next; then fields in an order of its own */
#define RING_FIELDS 32
#define RING_FIELDS_END 128
#define TCB_SELF 16 /* glibc x86-64: a pthread id points at itself there */
#define VERSION_PREFIX "[PyPy " /* of sys.version */

struct code {
	uint64_t addr;
	size_t n;
	uint8_t bytes[SLOW_PATH_BYTES];
};

static bool read_code(const struct mem *mem, uint64_t addr, size_t n, struct code *ret)
{
	ret->addr = addr;
	ret->n = n;
	return addr && mem_read(mem, addr, ret->bytes, n) == 0;
}

static unsigned refs_in(const struct code *c, unsigned kinds, struct code_ref *ret)
{
	return machine_code_refs(c->bytes, c->n, c->addr, kinds, ret, REFS_MAX);
}

/* The ring's head is taken by address, and loaded from where it points to the next. */
static uint64_t ring_in(const struct mem *mem, uint64_t function)
{
	struct code_ref refs[REFS_MAX];
	struct code c;
	unsigned n = read_code(mem, function, MACHINE_CODE_BYTES, &c) ? refs_in(&c, CODE_REF_LOAD | CODE_REF_ADDRESS, refs) : 0;

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++)
			if (refs[i].kind == CODE_REF_LOAD && refs[k].kind == CODE_REF_ADDRESS && refs[i].value == refs[k].value + RING_NEXT)
				return refs[k].value;
	return 0;
}

/* The field of a thread's struct that holds a pthread id. */
static uint64_t find_ident(const struct mem *mem, uint64_t ring)
{
	uint64_t node, value, self;

	if (mem_u64(mem, ring + RING_NEXT, &node) != 0 || node == ring)
		return 0;
	for (uint64_t at = RING_FIELDS; at < RING_FIELDS_END; at += 8)
		if (mem_u64(mem, node + at, &value) == 0 && value && mem_u64(mem, value + TCB_SELF, &self) == 0 && self == value)
			return at;
	return 0;
}

static bool find_mutexes(const struct mem *mem, uint64_t slow_path, struct static_vars *v)
{
	struct code_ref refs[REFS_MAX];
	struct code c;
	unsigned n = read_code(mem, slow_path, SLOW_PATH_BYTES, &c) ? refs_in(&c, CODE_REF_ADDRESS, refs) : 0;

	for (unsigned i = 0; i < n && !v->gil_mutex; i++) {
		if (refs[i].value - v->gil_ident + NEAR > 2 * NEAR)
			continue;
		if (!v->gil_queue)
			v->gil_queue = refs[i].value;
		else if (refs[i].value != v->gil_queue)
			v->gil_mutex = refs[i].value;
	}
	return v->gil_mutex != 0;
}

/* The call that a jump leads to. */
static uint64_t call_at(const struct mem *mem, uint64_t addr)
{
	struct code_ref ref[REFS_MAX];
	struct code c;

	return read_code(mem, addr, 16, &c) && refs_in(&c, CODE_REF_CALL, ref) ? ref[0].value : 0;
}

static bool find_variables(const struct mem *mem, uint64_t entry, struct static_vars *v)
{
	struct code_ref refs[REFS_MAX];
	struct code c;
	unsigned n = read_code(mem, entry, MACHINE_CODE_BYTES, &c) ?
		     refs_in(&c, CODE_REF_CALL | CODE_REF_EXCHANGE | CODE_REF_UNEQUAL, refs) : 0;

	for (unsigned i = 0; i + 1 < n; i++) {
		if (refs[i].kind == CODE_REF_CALL && !v->thread_ring)
			v->thread_ring = ring_in(mem, refs[i].value);
		if (refs[i].kind != CODE_REF_EXCHANGE || refs[i].width != 8)
			continue;
		v->gil_ident = refs[i].value;
		return v->thread_ring && refs[i + 1].kind == CODE_REF_UNEQUAL && find_mutexes(mem, call_at(mem, refs[i + 1].value), v);
	}
	return false;
}

static uint32_t find_version(struct elf_file *elf)
{
	static const char *const sections[] = { ".data", ".rodata", ".data.rel.ro" };
	unsigned major = 0, minor = 0, micro = 0;
	char text[16];

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (elf_file_text_after(elf, sections[i], VERSION_PREFIX, text, sizeof(text)) &&
		    sscanf(text, "%3u.%3u.%3u", &major, &minor, &micro) == 3 && major < 256 && minor < 256 && micro < 256)
			return LAYOUT_PYPY_HEX(major, minor, micro);
	return LAYOUT_PYPY_HEX(0, 0, 0);
}

bool find_pypy(struct elf_file *elf, const struct mem *mem, uint64_t entry, struct static_vars *ret, uint32_t *ret_version)
{
	*ret = (struct static_vars){0};
	*ret_version = find_version(elf);
	if (!find_variables(mem, entry, ret))
		return false;
	ret->thread_ident = find_ident(mem, ret->thread_ring);
	return ret->thread_ident != 0;
}
