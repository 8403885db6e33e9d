/* See process_mem.h. */
#include "core/target/process_mem.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/clock.h"

#define USER_ADDRESS_END (1ull << 56)
#define PAGE_MASK 4095ull

static bool was_given_up(const struct process_mem *m, uint64_t start, uint64_t end)
{
	unsigned n = atomic_load_explicit(&m->n_given_up, memory_order_acquire);

	if (n == PROCESS_MEM_GIVEN_UP_MAX)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (start < m->given_up[i].end && end > m->given_up[i].start)
			return true;
	return false;
}

static int process_mem_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	struct process_mem *m = (struct process_mem *)mem;
	struct iovec local = { ret, len }, remote = { (void *)(uintptr_t)addr, len }; /* NOLINT: not ours to follow */
	uint_fast64_t since;
	ssize_t n;
	int err;

	if (len == 0)
		return 0;
	if (addr == 0 || addr >= USER_ADDRESS_END || len >= USER_ADDRESS_END)
		return -EFAULT;
	if (was_given_up(m, addr, addr + len))
		return -ETIMEDOUT;
	atomic_store_explicit(&m->start, addr & ~PAGE_MASK, memory_order_relaxed);
	atomic_store_explicit(&m->end, (addr + len + PAGE_MASK) & ~PAGE_MASK, memory_order_relaxed);
	since = clock_now_ns();
	atomic_store_explicit(&m->since_ns, since, memory_order_release);
	n = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
	err = errno;
	if (!atomic_compare_exchange_strong(&m->since_ns, &since, 0))
		for (;;)
			pause(); /* given up: another thread reads now, and what this one was about is over */
	if (n < 0)
		return -err;
	return (size_t)n == len ? 0 : -EFAULT;
}

void process_mem_init(struct process_mem *m, pid_t pid)
{
	*m = (struct process_mem){ .mem = { .read = process_mem_read }, .pid = pid };
}

bool process_mem_give_up(struct process_mem *m, uint64_t limit_ns, uint64_t *ret_addr)
{
	uint_fast64_t since = atomic_load_explicit(&m->since_ns, memory_order_acquire);
	uint64_t start = atomic_load(&m->start), end = atomic_load(&m->end);
	unsigned n = atomic_load(&m->n_given_up);

	if (!since || clock_now_ns() < since + limit_ns || !atomic_compare_exchange_strong(&m->since_ns, &since, 0))
		return false;
	if (n < PROCESS_MEM_GIVEN_UP_MAX) {
		m->given_up[n].start = start;
		m->given_up[n].end = end;
		atomic_store_explicit(&m->n_given_up, n + 1, memory_order_release);
	}
	*ret_addr = start;
	return true;
}
