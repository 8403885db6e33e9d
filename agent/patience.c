/* See patience.h. */
#include "agent/patience.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/util/fail.h"
#include "core/util/xalloc.h"

#define SLICE_NS (50 * NS_PER_MS)

struct job {
	int (*work)(void *ctx);
	void *ctx;
	int result;
};

static void *do_job(void *job)
{
	struct job *j = job;

	j->result = j->work(j->ctx);
	return NULL;
}

int patience_do(int (*work)(void *ctx), void *ctx, uint64_t limit_ns, const volatile sig_atomic_t *stop, int *ret)
{
	struct job *j = xcalloc(1, sizeof(*j));
	uint64_t until = clock_now_ns() + limit_ns;
	pthread_t thread;

	*j = (struct job){ .work = work, .ctx = ctx };
	if (pthread_create(&thread, NULL, do_job, j)) {
		free(j);
		return -EAGAIN;
	}
	for (;;) {
		uint64_t slice = clock_now_ns() + SLICE_NS;
		struct timespec ts = { (time_t)(slice / NS_PER_S), (long)(slice % NS_PER_S) };

		if (!pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &ts))
			break;
		if ((stop && *stop) || clock_now_ns() >= until) {
			pthread_detach(thread);
			return stop && *stop ? -EINTR : -ETIMEDOUT; /* the job is the thread's */
		}
	}
	*ret = j->result;
	free(j);
	return 0;
}

int patience_refuse(int err, const char *doing, int pid, struct fail *why)
{
	if (err == -EINTR)
		return fail_set(why, err, FAIL_ATTACH, "could not %s pid %d: stopped by signal before it answered", doing, pid);
	if (err != -ETIMEDOUT)
		return fail_set(why, err, FAIL_OTHER, "could not %s pid %d: %s", doing, pid, strerror(-err));
	fail_set(why, err, FAIL_ATTACH, "could not %s pid %d: its memory did not answer within %d s", doing, pid,
		 (int)(PATIENCE_ATTACH_NS / NS_PER_S));
	return fail_hint(why, "Reading a page of it waits for a userfaultfd, a FUSE file system or a slow disk. With --no-python its "
			 "thread states can be recorded all the same.");
}
