/* See running_stack.h.  The event is switched on for one sample, which the kernel writes into the mapped ring: header, abi, registers, size of the
 * copy, the copy, how much of it is filled (perf_event_open(2), PERF_RECORD_SAMPLE). */
#include "core/target/running_stack.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <asm/perf_regs.h>

#define PERIOD_NS 50000
#define RING_PAGES 8 /* a sample has 16.5 KiB */
#define PAGE 4096
#define SAMPLED_REGS (((1ULL << (PERF_REG_X86_IP + 1)) - 1) | (0xffULL << PERF_REG_X86_R8))

/* From the order in which they come, by their bits in the mask, to DWARF's. */
static const unsigned char dwarf_of[EV_REGS] = { 0, 3, 2, 1, 4, 5, 6, EV_REG_SP, EV_REG_IP, 8, 9, 10, 11, 12, 13, 14, 15 };

struct sample {
	struct perf_event_header h;
	uint64_t abi, regs[EV_REGS], size;
	uint8_t bytes[EV_STACK_BYTES];
	uint64_t filled;
};

static int open_clock(pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CPU_CLOCK, .size = sizeof(attr), .sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER, .sample_regs_user = SAMPLED_REGS,
		.sample_stack_user = EV_STACK_BYTES, .disabled = 1, .exclude_kernel = 1, .exclude_hv = 1, .wakeup_events = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The registers and the copy are the target's: only the sizes are the kernel's word. */
static int take(const struct sample *s, uint64_t end, struct ev_native *ret)
{
	uint64_t sp, n = s->filled;

	if (s->h.type != PERF_RECORD_SAMPLE || s->h.size != sizeof(*s) || s->abi != PERF_SAMPLE_REGS_ABI_64 || s->size != EV_STACK_BYTES || n > s->size)
		return -EAGAIN;
	for (unsigned i = 0; i < EV_REGS; i++)
		ret->regs[dwarf_of[i]] = s->regs[i];
	sp = ret->regs[EV_REG_SP];
	if (sp < end && end - sp < n)
		n = end - sp;
	memcpy(ret->bytes, s->bytes, n);
	ret->n_bytes = (uint32_t)n;
	return 0;
}

static int sample_once(int fd, uint64_t end, struct ev_native *ret)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct perf_event_mmap_page *page;
	size_t bytes = (1 + RING_PAGES) * PAGE;
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int err = -EAGAIN;

	if (map == MAP_FAILED)
		return -errno;
	page = map;
	if (ioctl(fd, PERF_EVENT_IOC_REFRESH, 1) < 0)
		err = -errno;
	else if (poll(&ready, 1, RUNNING_STACK_LIMIT_MS) > 0 && __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE) >= sizeof(struct sample))
		err = take((const struct sample *)((const char *)map + PAGE), end, ret);
	munmap(map, bytes);
	return err;
}

int running_stack_read(pid_t tid, uint64_t end, struct ev_native *ret)
{
	int fd = open_clock(tid), err;

	if (fd < 0)
		return fd;
	err = sample_once(fd, end, ret);
	close(fd);
	return err;
}
#else
int running_stack_read(pid_t tid, uint64_t end, struct ev_native *ret)
{
	(void)tid, (void)end, (void)ret;
	return -ENOTSUP;
}
#endif
