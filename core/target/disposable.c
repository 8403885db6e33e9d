/* See disposable.h. */
#include "core/target/disposable.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/futex.h"
#include "core/target/proc_task.h"

#define LEFT_BEHIND_MAX 64
#define OLD_KERNEL_FILES 4096
#define SLICE_NS (20 * NS_PER_MS)
#define PROGRESS_SLICES 10 /* how often it is looked whether a child gets on … */
#define LIMIT_FACTOR 6 /* … which gives it so many times its limit */
#define END_TRIES 20
#define END_PAUSE_US 500

static struct {
	pthread_mutex_t mutex;
	pid_t pids[LEFT_BEHIND_MAX];
	unsigned n;
} left_behind = { .mutex = PTHREAD_MUTEX_INITIALIZER }; /* killed, not gone yet */

void *disposable_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void disposable_memory_free(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

/* From 5.9 on the kernel does it at once. */
static void close_between(unsigned from, unsigned to)
{
	if (from > to || !syscall(SYS_close_range, from, to, 0))
		return;
	for (unsigned fd = from; fd <= to && fd < OLD_KERNEL_FILES; fd++)
		close((int)fd);
}

/* Whoever reads our output must not wait for a child that was left behind; nor may it keep programs in the kernel. */
static void close_all_but(int keep_fd)
{
	if (keep_fd < 0) {
		close_between(0, ~0U);
		return;
	}
	if (keep_fd > 0)
		close_between(0, (unsigned)keep_fd - 1);
	close_between((unsigned)keep_fd + 1, ~0U);
}

static atomic_uint_fast64_t cpu_ns; /* of those that are gone */

uint64_t disposable_cpu_ns(void)
{
	return atomic_load(&cpu_ns);
}

/* True when it is gone. */
static bool take_leave(pid_t child)
{
	struct rusage use = { 0 };
	pid_t got = wait4(child, NULL, WNOHANG, &use);

	if (got > 0)
		atomic_fetch_add(&cpu_ns, (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * NS_PER_S +
						  (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * NS_PER_US);
	return got != 0;
}

static void reap(void)
{
	unsigned kept = 0;

	pthread_mutex_lock(&left_behind.mutex);
	for (unsigned i = 0; i < left_behind.n; i++)
		if (!take_leave(left_behind.pids[i]))
			left_behind.pids[kept++] = left_behind.pids[i];
	left_behind.n = kept;
	pthread_mutex_unlock(&left_behind.mutex);
}

int disposable_start(pid_t *ret, const char *name, void (*work)(void *ctx), void *ctx, int keep_fd)
{
	pid_t parent = getpid(), child;
	sigset_t all, before;

	reap();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* the child never runs a handler of ours */
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		prctl(PR_SET_NAME, name);
		close_all_but(keep_fd);
		work(ctx);
		_exit(0);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return -EAGAIN;
	*ret = child;
	return 0;
}

bool disposable_alive(pid_t child)
{
	siginfo_t info = { 0 };

	return child > 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static int stat_of(pid_t child, struct proc_stat *ret)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	return proc_stat_read(AT_FDCWD, path, ret);
}

bool disposable_sleeps(pid_t child)
{
	struct proc_stat stat;

	return stat_of(child, &stat) < 0 || stat.state != 'R';
}

static uint64_t progress_of(pid_t child)
{
	struct proc_stat stat;

	return stat_of(child, &stat) < 0 ? 0 : stat.progress;
}

void disposable_end(pid_t child)
{
	if (child <= 0)
		return;
	kill(child, SIGKILL);
	for (int i = 0; i < END_TRIES; i++) { /* pid 1 of a container may not reap what we leave */
		if (take_leave(child))
			return;
		usleep(END_PAUSE_US);
	}
	pthread_mutex_lock(&left_behind.mutex);
	if (left_behind.n < LEFT_BEHIND_MAX)
		left_behind.pids[left_behind.n++] = child;
	pthread_mutex_unlock(&left_behind.mutex);
	reap();
}

struct job {
	void (*work)(void *ctx);
	void *ctx;
	atomic_uint done;
};

static void do_job(void *job)
{
	struct job *j = job;

	j->work(j->ctx);
	atomic_store(&j->done, 1);
	futex_wake(&j->done);
}

int disposable_do(const char *name, void (*work)(void *ctx), void *ctx, int keep_fd, uint64_t limit_ns, bool (*stuck)(void *ctx))
{
	uint64_t begin = clock_now_ns(), moved = begin, progress = 0;
	struct job *j = disposable_memory(sizeof(*j));
	pid_t child = 0;
	int err;

	if (!j)
		return -ENOMEM;
	j->work = work;
	j->ctx = ctx;
	err = disposable_start(&child, name, do_job, j, keep_fd);
	for (unsigned slices = 0; !err && !atomic_load(&j->done); slices++) {
		uint64_t now, before = progress;

		futex_wait(&j->done, 0, SLICE_NS);
		now = clock_now_ns();
		if (slices % PROGRESS_SLICES == PROGRESS_SLICES - 1 && (progress = progress_of(child)) != before)
			moved = now;
		if (slices && (now >= moved + limit_ns || now >= begin + LIMIT_FACTOR * limit_ns || (stuck && stuck(ctx))) && disposable_sleeps(child))
			err = -ETIMEDOUT;
		else if (slices && !disposable_alive(child) && !atomic_load(&j->done))
			err = -EIO;
	}
	disposable_end(child);
	disposable_memory_free(j, sizeof(*j));
	return err;
}
