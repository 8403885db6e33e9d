/* See process_mem.h. */
#include "core/target/process_mem.h"

#include <errno.h>

#include "core/target/read_child.h"

#define USER_ADDRESS_END (1ull << 56)
#define PAGE_MASK 4095ull

static bool was_given_up(const struct process_mem *m, uint64_t start, uint64_t end)
{
	if (m->n_given_up == PROCESS_MEM_GIVEN_UP_MAX || (m->strict && m->n_given_up))
		return true;
	for (unsigned i = 0; i < m->n_given_up; i++)
		if (start < m->given_up[i].end && end > m->given_up[i].start)
			return true;
	return false;
}

void process_mem_refuse(struct process_mem *m, uint64_t addr, uint64_t len)
{
	if (m->n_given_up == PROCESS_MEM_GIVEN_UP_MAX)
		return;
	m->given_up[m->n_given_up].start = addr & ~PAGE_MASK;
	m->given_up[m->n_given_up].end = (addr + len + PAGE_MASK) & ~PAGE_MASK;
	m->n_given_up++;
}

static int process_mem_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	struct process_mem *m = (struct process_mem *)mem;
	int err;

	if (len == 0)
		return 0;
	if (addr == 0 || addr >= USER_ADDRESS_END || len >= USER_ADDRESS_END)
		return -EFAULT;
	if (was_given_up(m, addr, addr + len))
		return -ETIMEDOUT;
	err = read_child_read(m->pid, addr, ret, len);
	if (err == -ETIMEDOUT)
		process_mem_refuse(m, addr, len);
	return err;
}

void process_mem_init(struct process_mem *m, pid_t pid)
{
	*m = (struct process_mem){ .mem = { .read = process_mem_read }, .pid = pid };
}
