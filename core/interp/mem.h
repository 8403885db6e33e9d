#pragma once
/* Where interpreter structures are read from: a live process, a recorded image, our own memory.
 * Owns: nothing.  Context: as the implementation says.  Errors: read returns 0 or negative errno
 * (-EFAULT unreadable, -ESRCH gone, -ETIMEDOUT blocked); ret is undefined then.  Every address is untrusted. */
#include <stddef.h>
#include <stdint.h>

struct mem {
	int (*read)(const struct mem *m, uint64_t addr, void *ret, size_t len);
};

static inline int mem_read(const struct mem *m, uint64_t addr, void *ret, size_t len)
{
	return m->read(m, addr, ret, len);
}

static inline int mem_u64(const struct mem *m, uint64_t addr, uint64_t *ret)
{
	return m->read(m, addr, ret, sizeof(*ret));
}

static inline int mem_u32(const struct mem *m, uint64_t addr, uint32_t *ret)
{
	return m->read(m, addr, ret, sizeof(*ret));
}
