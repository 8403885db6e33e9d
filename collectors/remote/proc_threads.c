/* See proc_threads.h. */
#include "collectors/remote/proc_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
#define FILE_BYTES 256
#define FILES_MAX 65000 /* kept open … */
#define FILES_LEFT 64 /* … and this many of the limit are left for all else */

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
		p->files = xrealloc_array(p->files, p->cap_tracks, sizeof(*p->files));
		p->seen = xrealloc_array(p->seen, p->cap_tracks, sizeof(*p->seen));
	}
	p->tracks[p->n_tracks] = index;
	p->files[p->n_tracks++] = (struct proc_files){ -1, -1 };
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
	uint64_t cpu = proc_cpu_ns(), pause = p->list_cost_ns * LIST_SHARE > LIST_PAUSE_NS ? p->list_cost_ns * LIST_SHARE : LIST_PAUSE_NS;
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
	p->list_cost_ns = proc_cpu_ns() - cpu;
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

static int files_max(void)
{
	static int max;
	struct rlimit files;

	if (!max)
		max = getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur > FILES_MAX ? FILES_MAX : (int)files.rlim_cur;
	return max;
}

/* The file stays open as long as there are descriptors: opening costs ten times what reading does.  Length or -errno. */
static ssize_t read_file(const struct proc *p, uint32_t i, const char *name, int *fd, char ret[FILE_BYTES])
{
	char path[32];
	ssize_t n;

	if (*fd < 0) {
		snprintf(path, sizeof(path), "%u/%s", p->shared->tracks[p->tracks[i]].tid, name);
		*fd = openat(p->task_fd, path, O_RDONLY | O_CLOEXEC);
	}
	if (*fd < 0)
		return -errno;
	n = pread(*fd, ret, FILE_BYTES - 1, 0);
	if (n < 0)
		n = -errno;
	else
		ret[n] = '\0';
	if (*fd >= files_max() - FILES_LEFT) {
		close(*fd);
		*fd = -1;
	}
	return n;
}

enum thread_call proc_threads_call(struct proc *p, uint32_t i, struct proc_syscall *ret)
{
	char text[FILE_BYTES];
	ssize_t n = read_file(p, i, "syscall", &p->files[i].syscall, text);

	*ret = (struct proc_syscall){ .nr = -1 };
	if (n <= 0)
		return n == 0 || n == -ESRCH || n == -ENOENT ? THREAD_GONE : THREAD_THERE;
	if (proc_syscall_parse(text, ret))
		*ret = (struct proc_syscall){ .nr = -1 };
	return THREAD_THERE;
}

bool proc_threads_queued(struct proc *p, uint32_t i, struct proc_schedstat *ret)
{
	const struct track *t = &p->shared->tracks[p->tracks[i]];
	char text[FILE_BYTES];
	ssize_t n = read_file(p, i, "schedstat", &p->files[i].schedstat, text);

	if (n > 0 && !proc_schedstat_parse(text, ret) && ret->arrivals)
		return true;
	if (t->tid == t->pid && n != 0 && n != -ESRCH && !p->queue_noted) { /* another thread may never have run yet */
		p->queue_noted = true;
		emit_note(p->shared, "pid %u: the kernel does not tell how long threads wait for a CPU (schedstat): one that is ready to run counts as running",
			  t->pid);
	}
	return false;
}

static void close_files(struct proc_files *f)
{
	if (f->syscall >= 0)
		close(f->syscall);
	if (f->schedstat >= 0)
		close(f->schedstat);
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
	close_files(&p->files[i]);
	p->n_tracks--;
	p->tracks[i] = p->tracks[p->n_tracks];
	p->files[i] = p->files[p->n_tracks];
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
		close_files(&p->files[i]);
	free(p->tracks);
	free(p->files);
	free(p->seen);
}

void proc_threads_forget_python(struct proc *p)
{
	for (uint32_t i = 0; i < p->n_tracks; i++) {
		struct track *t = &p->shared->tracks[p->tracks[i]];

		t->tstate = t->interp = t->gil = t->ident = 0;
		t->inside = (struct inside){ .clock = 0 };
	}
}
