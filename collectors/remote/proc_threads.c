/* See proc_threads.h. */
#include "collectors/remote/proc_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/remote/emit.h"
#include "collectors/remote/proc.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/target/proc_task.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define LIST_PAUSE_NS (5 * NS_PER_MS) /* between two lists … */
#define LIST_SHARE 50 /* … and no more than this part of the time */
#define LIST_EVERY_NS NS_PER_S /* thread states come and go without threads */
#define CALL_BYTES 256
#define CHILDREN_BYTES 4096

/* --- the list --------------------------------------------------------------------------------------------------------- */

static uint32_t *index_of(struct proc *p, uint32_t tid)
{
	for (uint32_t i = 0; i < p->n_tracks; i++)
		if (p->shared->tracks[p->tracks[i]].tid == tid)
			return &p->tracks[i];
	return NULL;
}

static void add_index(struct proc *p, uint32_t index)
{
	if (p->n_tracks == p->cap_tracks) {
		p->cap_tracks = p->cap_tracks ? p->cap_tracks * 2 : 16;
		p->tracks = xrealloc_array(p->tracks, p->cap_tracks, sizeof(*p->tracks));
		p->calls = xrealloc_array(p->calls, p->cap_tracks, sizeof(*p->calls));
	}
	p->tracks[p->n_tracks] = index;
	p->calls[p->n_tracks++] = -1;
}

static struct track *free_track(struct remote_shared *s, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < s->n_tracks; i++)
		if (!s->tracks[i].tid) {
			*ret_index = i;
			return &s->tracks[i];
		}
	if (s->n_tracks == REMOTE_THREADS_MAX)
		return NULL;
	*ret_index = s->n_tracks;
	return &s->tracks[s->n_tracks++];
}

static void announce(struct proc *p, struct track *t, const struct target_thread *thread, uint64_t now)
{
	struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .pid = t->pid, .tid = t->tid,
				      .flags = (t->at_start ? EV_F_AT_START : 0) | (t->tstate ? EV_F_PYTHON : 0) | (t->announced ? EV_F_RENAMED : 0) },
			       .t_ns = now, .start_ns = t->start_ns, .ident = t->ident };

	memcpy(e.comm, thread->comm, strnlen(thread->comm, sizeof(e.comm)));
	emit(p->shared, &e.h);
	t->announced = true;
}

static uint64_t gil_of_interp_at(const struct proc *p, uint64_t interp)
{
	const struct runtime *r = target_runtime(p->target);

	for (unsigned i = 0; r && i < r->n_interps; i++)
		if (r->interps[i].interp == interp)
			return r->interps[i].gil;
	return 0;
}

static void add_thread(struct proc *p, const struct target_thread *thread, uint64_t now)
{
	uint32_t index, *known = index_of(p, (uint32_t)thread->tid);
	struct track *t = known ? &p->shared->tracks[*known] : free_track(p->shared, &index);
	bool news;

	if (!t)
		return;
	if (!known) {
		*t = (struct track){ .pid = (uint32_t)p->shared->slots[p->slot].pid, .tid = (uint32_t)thread->tid, .start_ns = thread->start_ns,
				     .slot = p->slot, .at_start = !p->looked_ns && p->shared->slots[p->slot].at_start };
		add_index(p, index);
	}
	news = !t->announced || (thread->ident && thread->ident != t->ident);
	if (thread->tstate) {
		t->tstate = thread->tstate;
		t->interp = thread->interp;
		t->gil = gil_of_interp_at(p, thread->interp);
	}
	if (thread->ident)
		t->ident = thread->ident;
	if (news)
		announce(p, t, thread, now);
}

bool proc_threads_list(struct proc *p, uint64_t now)
{
	struct target_thread *threads = NULL;
	uint64_t pause = p->list_cost_ns * LIST_SHARE > LIST_PAUSE_NS ? p->list_cost_ns * LIST_SHARE : LIST_PAUSE_NS;
	struct stat st;
	unsigned n = 0;

	if (!fstat(p->task_fd, &st) && st.st_nlink != p->links) {
		p->links = (unsigned)st.st_nlink;
		p->list_wanted = true;
	}
	if (p->listed_ns && now - p->listed_ns < (p->list_wanted ? pause : LIST_EVERY_NS > pause ? LIST_EVERY_NS : pause))
		return false;
	p->listed_ns = now;
	p->list_wanted = false;
	if (target_runtime(p->target))
		target_refresh(p->target);
	if (target_threads(p->target, false, &threads, &n))
		return true;
	for (unsigned i = 0; i < n; i++)
		add_thread(p, &threads[i], now);
	free(threads);
	p->list_cost_ns = clock_now_ns() - now;
	return true;
}

void proc_threads_recall(struct proc *p)
{
	for (uint32_t i = 0; i < p->shared->n_tracks; i++)
		if (p->shared->tracks[i].tid && p->shared->tracks[i].slot == p->slot)
			add_index(p, i);
}

uint32_t proc_threads_by_state(const struct proc *p, uint64_t tstate)
{
	for (uint32_t i = 0; i < p->n_tracks; i++)
		if (p->shared->tracks[p->tracks[i]].tstate == tstate)
			return p->tracks[i];
	return UINT32_MAX;
}

/* --- one thread --------------------------------------------------------------------------------------------------------- */

static int open_call(const struct proc *p, uint32_t i)
{
	char name[32];

	snprintf(name, sizeof(name), "%u/syscall", p->shared->tracks[p->tracks[i]].tid);
	return openat(p->task_fd, name, O_RDONLY | O_CLOEXEC);
}

/* The files stay open as long as there are descriptors: opening costs ten times what reading does. */
enum thread_call proc_threads_call(struct proc *p, uint32_t i, struct proc_syscall *ret)
{
	char text[CALL_BYTES];
	int fd = p->calls[i] >= 0 ? p->calls[i] : open_call(p, i);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	int err = errno;

	if (fd >= 0 && p->calls[i] < 0) {
		if (fd < 65000)
			p->calls[i] = fd;
		else
			close(fd);
	}
	*ret = (struct proc_syscall){ .nr = -1 };
	if (n <= 0)
		return n == 0 || err == ESRCH || err == ENOENT ? THREAD_GONE : THREAD_THERE;
	text[n] = '\0';
	if (proc_syscall_parse(text, ret))
		*ret = (struct proc_syscall){ .nr = -1 };
	return THREAD_THERE;
}

static void end_track(struct proc *p, struct track *t, uint64_t now, bool unfinished)
{
	struct ev_exit gone = { .h = { .kind = EV_EXIT, .size = sizeof(gone), .pid = t->pid, .tid = t->tid }, .t_ns = now };
	struct ev_off e;

	if (track_end(t, now, unfinished, &e))
		emit(p->shared, &e.h);
	if (!unfinished)
		emit(p->shared, &gone.h);
	t->tid = 0;
}

void proc_threads_drop(struct proc *p, uint32_t i, uint64_t now)
{
	struct track *t = &p->shared->tracks[p->tracks[i]];

	for (unsigned k = 0; k < p->n_gils; k++)
		if (p->gils[k].holder == p->tracks[i])
			p->gils[k].holder = UINT32_MAX;
	end_track(p, t, t->looked_ns ? track_between(t->looked_ns, now) : now, false);
	if (p->calls[i] >= 0)
		close(p->calls[i]);
	p->n_tracks--;
	p->tracks[i] = p->tracks[p->n_tracks];
	p->calls[i] = p->calls[p->n_tracks];
}

void proc_threads_end(struct proc *p, uint64_t now, bool unfinished)
{
	uint32_t pid = (uint32_t)p->shared->slots[p->slot].pid;
	struct ev_exit e = { .h = { .kind = EV_EXIT, .size = sizeof(e), .flags = EV_F_PROCESS, .pid = pid, .tid = pid }, .t_ns = now };

	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];

		if (t->tid == pid && !unfinished) { /* the last event of the process is its main thread's */
			struct ev_off off;

			if (track_end(t, now, false, &off))
				emit(p->shared, &off.h);
			t->tid = 0;
			continue;
		}
		end_track(p, t, now, unfinished);
	}
	p->n_tracks = 0;
	if (!unfinished)
		emit(p->shared, &e.h);
}

void proc_threads_done(struct proc *p)
{
	for (uint32_t i = 0; i < p->n_tracks; i++)
		if (p->calls[i] >= 0)
			close(p->calls[i]);
	free(p->tracks);
	free(p->calls);
}

void proc_threads_forget_python(struct proc *p)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];

		t->tstate = t->interp = t->gil = t->ident = 0;
	}
}

/* --- child processes ------------------------------------------------------------------------------------------------------ */

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

void proc_threads_children(struct proc *p, uint64_t now)
{
	p->forked_ns = now;
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		const struct track *t = &p->shared->tracks[p->tracks[i]];
		char name[32], *text, *at, *end;
		size_t n;

		snprintf(name, sizeof(name), "%u/children", t->tid);
		if (proc_read(p->task_fd, name, CHILDREN_BYTES, &text, &n))
			continue;
		for (at = text;; at = end) {
			long pid = strtol(at, &end, 10);

			if (end == at)
				break;
			if (pid > 0)
				tell_child(p, t, (int)pid, now);
		}
		free(text);
	}
}
