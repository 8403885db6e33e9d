/* The input as the memory of an interpreter, wherever a pointer leads: the frame walk, the runtime, threads, dicts, code
 * and strings of every version.  First byte: version; second: how memory changes between reads. */
#include <errno.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/interp/code.h"
#include "core/interp/frames.h"
#include "core/interp/layout.h"
#include "core/interp/linetable.h"
#include "core/interp/runtime.h"
#include "core/interp/task_list.h"
#include "core/interp/thread_names.h"
#include "core/interp/threads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* runtime_read pauses between attempts; a fuzzer has no time for that. */
int nanosleep(const struct timespec *wanted, struct timespec *rest)
{
	(void)wanted, (void)rest;
	return 0;
}

struct fuzz_mem {
	struct mem mem;
	const uint8_t *bytes;
	size_t n;
	unsigned reads, drift;
};

#define READS_MAX 2000
#define READS_OF_TASKS 300

static int fuzz_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	struct fuzz_mem *m = (struct fuzz_mem *)(uintptr_t)mem;

	if (++m->reads > READS_MAX)
		return -ESRCH;
	if (addr < 64)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = m->bytes[(addr + i + (m->drift ? m->reads / m->drift : 0)) % m->n];
	return 0;
}

static void note_name(void *ctx, uint64_t ident, const char *name)
{
	(void)ctx, (void)ident;
	if (strlen(name) > PYSTR_MAX)
		abort();
}

static void walk_code(const struct layout *l, const struct mem *mem, const struct ev_frame *frame)
{
	char function[PYSTR_SIZE], file[PYSTR_SIZE];
	struct code_key key;
	uint8_t *table;
	size_t n;

	if (code_read_key(l, mem, frame->code, &key) != 0)
		return;
	code_read_names(l, mem, &key, &function, &file);
	if (code_read_linetable(l, mem, &key, &table, &n) != 0)
		return;
	l->linetable->line(table, n, key.first_line, frame->lasti);
	free(table);
}

static void walk_all(const struct runtime *rt, const struct mem *mem, uint64_t tstate)
{
	struct ev_stack *stack = calloc(1, sizeof(*stack));

	if (!stack)
		return;
	frames_read(&rt->walk, mem, tstate, 0, stack);
	if (stack->n > EV_MAX_FRAMES)
		abort();
	for (unsigned i = 0; i < stack->n && i < 8; i++)
		walk_code(rt->layout, mem, &stack->frames[i]);
	thread_names_read(rt->layout, mem, rt->interps[0].interp, note_name, NULL);
	free(stack);
}

/* Offsets as of some build; what they lead to is the input. */
static void walk_tasks(struct runtime *rt, const struct mem *mem, bool rings)
{
	struct task_list list = { .r = rt, .mem = mem, .module_names = 256 };
	uint64_t tasks[8];
	struct task_seen seen;
	unsigned n = 0;
	bool more;

	rt->n_interps = 1;
	rt->task_table = 72;
	rt->walk.tasks.coro = 136;
	rt->walk.tasks.name = 144;
	rt->walk.tasks.coro_frame = 80;
	rt->walk.tasks.tstate_task = rings ? 400 : 0;
	if (rt->layout->version < 0x030b || mem_u64(mem, 64, &list.task_type) != 0) /* so that an object may be one */
		return;
	task_list_read(&list, tasks, 8, &n, &more);
	if (n > 8)
		abort();
	tasks[n < 8 ? n++ : 0] = 96;
	for (unsigned i = 0; i < n; i++)
		if (task_list_look(&list, tasks[i], &seen) == 0 && (seen.n > TASK_FRAMES_MAX || strlen(seen.awaits) >= TASK_TYPE_MAX))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_mem m = { { fuzz_read }, data + 2, size > 2 ? size - 2 : 0, 0, size > 2 ? data[1] : 0 };
	struct runtime rt = {0};
	struct fail why;
	uint32_t version;

	if (size < 66)
		return 0;
	version = 0x03000000u | (8u + data[0] % 6) << 16;
	rt.layout = layout_find(version);
	if (!rt.layout || runtime_walk_layout(rt.layout, &rt.walk) != 0)
		abort();
	rt.interps[0].interp = 128;
	walk_all(&rt, &m.mem, 64 + data[0]);
	m.reads = READS_MAX - READS_OF_TASKS;
	walk_tasks(&rt, &m.mem, data[1] & 1);
	memset(&rt.walk.tasks, 0, sizeof(rt.walk.tasks));
	m.reads = 0;
	if (runtime_read(&rt, &m.mem, &(struct runtime_origin){ .addr = 64, .version_hex = version }, &why) == 0)
		runtime_done(&rt);
	return 0;
}
