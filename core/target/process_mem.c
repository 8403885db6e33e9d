/* See process_mem.h. */
#include "core/target/process_mem.h"

#include <errno.h>
#include <sys/uio.h>

#define USER_ADDRESS_END (1ull << 56)

static int process_mem_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	const struct process_mem *m = (const struct process_mem *)mem;
	struct iovec local = { ret, len }, remote = { (void *)(uintptr_t)addr, len }; /* NOLINT: not ours to follow */
	ssize_t n;

	if (len == 0)
		return 0;
	if (addr == 0 || addr >= USER_ADDRESS_END || len >= USER_ADDRESS_END)
		return -EFAULT;
	n = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

void process_mem_init(struct process_mem *m, pid_t pid)
{
	m->mem.read = process_mem_read;
	m->pid = pid;
}
