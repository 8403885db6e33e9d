/* See proc_children.h. */
#include "collectors/remote/proc_children.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/remote/emit.h"
#include "collectors/remote/proc.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/target/proc_task.h"

#define POLL_NS (20 * NS_PER_MS) /* where births are not told; and a second time, for a number is given out before the child is on its parent's list */
#define PAUSE_NS (2 * NS_PER_MS) /* between two lists … */
#define SHARE 20 /* … which take no more than this part of the time */
#define CHILDREN_BYTES 65536

void births_init(struct births *b)
{
	*b = (struct births){ .fd = open("/proc/sys/kernel/ns_last_pid", O_RDONLY | O_CLOEXEC), .n = 1 };
}

uint64_t births_look(struct births *b, uint64_t now)
{
	char text[sizeof(b->last)] = "";

	if (b->fd >= 0 && pread(b->fd, text, sizeof(text) - 1, 0) > 0) {
		b->n += strcmp(text, b->last) != 0;
		memcpy(b->last, text, sizeof(text));
	} else if (now - b->at_ns >= POLL_NS) {
		b->at_ns = now;
		b->n++;
	}
	return b->n;
}

static bool is_known(const struct remote_shared *s, int pid)
{
	unsigned n = atomic_load(&s->n_slots);

	for (unsigned i = 0; i < n && i < REMOTE_PROCS_MAX; i++)
		if (s->slots[i].pid == pid && !atomic_load(&s->slots[i].ended))
			return true;
	return false;
}

static void tell_child(struct proc *p, const struct track *parent, int child, uint64_t now)
{
	struct ev_fork e = { .h = { .kind = EV_FORK, .size = sizeof(e), .pid = parent->pid, .tid = parent->tid }, .t_ns = now,
			     .child_pid = (uint32_t)child, .child_tid = (uint32_t)child };

	if (is_known(p->shared, child))
		return;
	if (remote_slot_add(p->shared, child, true, false))
		e.h.flags |= EV_F_FOLLOWED;
	emit(p->shared, &e.h);
}

static void list(struct proc *p, uint64_t now)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		const struct track *t = &p->shared->tracks[p->tracks[i]];
		char name[32], *text, *at, *end;
		size_t n;

		snprintf(name, sizeof(name), "%u/children", t->tid);
		if (proc_read(p->task_fd, name, CHILDREN_BYTES, &text, &n))
			continue;
		for (at = text;; at = end) {
			long pid = strtol(at, &end, 10);

			if (end == at || *end != ' ') /* the list may be cut */
				break;
			if (pid > 0)
				tell_child(p, t, (int)pid, now);
		}
		free(text);
	}
}

void proc_children_look(struct proc *p, uint64_t births, uint64_t now)
{
	uint64_t pause = p->children_cost_ns * SHARE > PAUSE_NS ? p->children_cost_ns * SHARE : PAUSE_NS;
	uint64_t cpu = proc_cpu_ns();
	bool born = births != p->births;

	if (now - p->children_ns < (born || pause > POLL_NS ? pause : POLL_NS) || (!born && !p->children_again))
		return;
	p->children_ns = now;
	p->children_again = born;
	p->births = births;
	list(p, now);
	p->children_cost_ns = proc_cpu_ns() - cpu;
}
