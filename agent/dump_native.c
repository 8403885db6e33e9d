/* See dump_native.h. */
#include "agent/dump_native.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interp/mem.h"
#include "core/symbols/unwind_child.h"
#include "core/target/proc_task.h"
#include "core/target/running_stack.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define CHUNK 1024
#define RUNNING_MAX 8 /* threads that run are waited for, each a little */

struct dump_native {
	struct target *target;
	struct unwind_child *child;
	struct ev_stack python; /* as it is now */
	struct frames_entries entries;
	struct ev_native copy;
	struct native_stack merged;
	unsigned running; /* looked at so far */
};

struct dump_native *dump_native_new(struct target *t)
{
	struct dump_native *n = xcalloc(1, sizeof(*n));

	n->target = t;
	n->child = unwind_child_new();
	if (n->child)
		return n;
	free(n);
	return NULL;
}

void dump_native_free(struct dump_native *n)
{
	if (!n)
		return;
	unwind_child_free(n->child);
	free(n);
}

static bool asleep_at(struct dump_native *n, const struct target_thread *thread, struct proc_syscall *ret)
{
	char path[64];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)target_pid(n->target), (int)thread->tid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && !proc_syscall_read(fd, "syscall", ret) && !ret->running && ret->sp && ret->pc;
	if (fd >= 0)
		close(fd);
	return ok;
}

static void copy_stack(struct dump_native *n, uint64_t sp, uint64_t end)
{
	struct ev_native *c = &n->copy;

	for (c->n_bytes = 0; c->n_bytes < EV_STACK_BYTES && !(sp < end && sp + c->n_bytes >= end); c->n_bytes += CHUNK)
		if (mem_read(target_mem(n->target), sp + c->n_bytes, c->bytes + c->n_bytes, CHUNK))
			break;
}

/* False: it stands elsewhere than when it was shown. */
static bool copy_python(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *shown)
{
	const struct walk_layout *walk = &target_runtime(n->target)->walk;
	struct ev_native *c = &n->copy;

	if (!thread->tstate)
		return true;
	frames_read_entries(walk, target_mem(n->target), thread->tstate, 0, &n->python, &n->entries);
	if (n->python.n != shown->n || memcmp(n->python.frames, shown->frames, shown->n * sizeof(shown->frames[0])) != 0)
		return false;
	c->n_frames = n->python.n;
	c->n_entries = n->entries.n;
	c->each = walk->frame_entry == WALK_NO_OWNER && walk->frame_owner == WALK_NO_OWNER;
	memcpy(c->entries, n->entries.at, sizeof(c->entries));
	memcpy(c->frames, n->python.frames, sizeof(c->frames));
	return true;
}

static bool copy_asleep(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *python)
{
	struct proc_syscall before, after;
	struct ev_native *c = &n->copy;

	if (!asleep_at(n, thread, &before) || before.nr != thread->nr)
		return false;
	c->h.flags = EV_F_INFERRED;
	c->regs[EV_REG_SP] = before.sp;
	c->regs[EV_REG_IP] = before.pc;
	copy_stack(n, before.sp, thread->ident);
	return copy_python(n, thread, python) && asleep_at(n, thread, &after) && after.sp == before.sp && after.pc == before.pc &&
	       after.nr == before.nr;
}

/* Its Python frames are the same before and after, so it is still in that call. */
static bool copy_running(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *python)
{
	if (thread->state != 'R' || n->running == RUNNING_MAX)
		return false;
	n->running++;
	return !running_stack_read(thread->tid, thread->ident, &n->copy) && copy_python(n, thread, python);
}

bool dump_native_read(struct dump_native *n, const struct target_thread *thread, const struct ev_stack *python,
		      const struct native_stack **ret, const struct unwound **ret_names)
{
	struct ev_native *c = &n->copy;

	if (python->h.flags & EV_F_TORN)
		return false;
	memset(c, 0, offsetof(struct ev_native, bytes));
	c->h = (struct ev_hdr){ .kind = EV_NATIVE, .pid = (uint32_t)target_pid(n->target), .tid = (uint32_t)thread->tid };
	if (!copy_asleep(n, thread, python) && !copy_running(n, thread, python))
		return false;
	c->h.size = (uint16_t)(offsetof(struct ev_native, bytes) + c->n_bytes);
	if (unwind_child_run(n->child, c, ret_names) || !native_stack_merge(c, *ret_names, &n->merged))
		return false;
	*ret = &n->merged;
	return true;
}
