/* See lock_place.h.  Lib/threading.py, queue.py, concurrent/futures and multiprocessing of CPython 2.7 to 3.15: their waits end in a few
 * functions, and who calls those says what for.  A row applies to a frame when all frames below it were the library's; the last row
 * that names a kind wins.  Functions are compared without their class, which versions before 3.11 do not tell. */
#include "core/timeline/lock_place.h"

#include <string.h>

#define KEEP LOCK_KIND_N /* the frame is the library's, what is waited for is as before */

struct row {
	const char *file, *function; /* end of the path; NULL: any function of it */
	enum lock_kind kind;
	enum lock_kind after; /* only when the frames below meant this; LOCK_GIL: any, LOCK_FUTEX: it is the leaf */
};

static const struct row rows[] = {
	{ "<frozen importlib._bootstrap>", NULL, LOCK_IMPORT, LOCK_GIL },
	{ "importlib/_bootstrap.py", NULL, LOCK_IMPORT, LOCK_GIL },

	{ "threading.py", "wait", LOCK_CONDITION, LOCK_FUTEX }, /* Condition.wait, on a lock of this wait's own */
	{ "threading.py", "wait", LOCK_EVENT, LOCK_CONDITION }, /* Event.wait; also Barrier.wait, through _wait */
	{ "threading.py", "_wait", LOCK_BARRIER, LOCK_GIL },
	{ "threading.py", "acquire", LOCK_SEMAPHORE, LOCK_CONDITION }, /* Semaphore.acquire */
	{ "threading.py", "acquire", LOCK_RLOCK, LOCK_FUTEX }, /* RLock written in Python (2.7) */
	{ "threading.py", "_wait_for_tstate_lock", LOCK_JOIN, LOCK_FUTEX },
	{ "threading.py", "join", LOCK_JOIN, LOCK_GIL }, /* itself since 3.13; through a condition in 2.7 */
	{ "threading.py", "_shutdown", LOCK_JOIN, LOCK_GIL },
	{ "threading.py", "__enter__", LOCK_LOCK, LOCK_FUTEX }, /* Condition.__enter__ */
	{ "threading.py", "_acquire_restore", LOCK_LOCK, LOCK_FUTEX },
	{ "threading.py", NULL, LOCK_LOCK, LOCK_FUTEX },
	{ "threading.py", NULL, KEEP, LOCK_GIL },

	{ "queue.py", "get", LOCK_QUEUE_GET, LOCK_CONDITION },
	{ "queue.py", "put", LOCK_QUEUE_PUT, LOCK_CONDITION },
	{ "queue.py", "join", LOCK_QUEUE_JOIN, LOCK_CONDITION },
	{ "queue.py", "get", LOCK_QUEUE_GET, LOCK_SEMAPHORE }, /* SimpleQueue written in Python */
	{ "queue.py", NULL, LOCK_LOCK, LOCK_FUTEX },
	{ "queue.py", NULL, KEEP, LOCK_GIL },
	{ "Queue.py", "get", LOCK_QUEUE_GET, LOCK_CONDITION }, /* 2.7 */
	{ "Queue.py", "put", LOCK_QUEUE_PUT, LOCK_CONDITION },
	{ "Queue.py", NULL, KEEP, LOCK_GIL },

	{ "concurrent/futures/thread.py", "_worker", LOCK_QUEUE_GET, LOCK_FUTEX }, /* SimpleQueue.get, in C */
	{ "concurrent/futures/_base.py", "result", LOCK_FUTURE, LOCK_CONDITION },
	{ "concurrent/futures/_base.py", "exception", LOCK_FUTURE, LOCK_CONDITION },
	{ "concurrent/futures/_base.py", "wait", LOCK_FUTURE, LOCK_EVENT },
	{ "concurrent/futures/_base.py", "as_completed", LOCK_FUTURE, LOCK_EVENT },
	{ "concurrent/futures/_base.py", NULL, KEEP, LOCK_GIL },
	{ "concurrent/futures/thread.py", NULL, KEEP, LOCK_GIL },

	{ "multiprocessing/synchronize.py", "wait", LOCK_CONDITION, LOCK_FUTEX },
	{ "multiprocessing/synchronize.py", "wait", LOCK_EVENT, LOCK_CONDITION },
	{ "multiprocessing/synchronize.py", NULL, LOCK_PROCESS, LOCK_FUTEX },
	{ "multiprocessing/synchronize.py", NULL, KEEP, LOCK_GIL },
	{ "multiprocessing/queues.py", "get", LOCK_QUEUE_GET, LOCK_GIL }, /* behind the reader that has its turn */
	{ "multiprocessing/queues.py", "put", LOCK_QUEUE_PUT, LOCK_FUTEX }, /* the semaphore of its size */
	{ "multiprocessing/queues.py", NULL, KEEP, LOCK_GIL },
	{ "multiprocessing/pool.py", "wait", LOCK_FUTURE, LOCK_EVENT },
	{ "multiprocessing/pool.py", NULL, KEEP, LOCK_GIL },
};

static bool file_is(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && !strcmp(path + n - m, end) && (n == m || path[n - m - 1] == '/');
}

static bool function_is(const char *function, const char *name)
{
	const char *dot = strrchr(function, '.');

	return !strcmp(dot ? dot + 1 : function, name);
}

static bool applies(const struct row *r, const struct place_frame *f, enum lock_kind before)
{
	return (r->after == LOCK_GIL ? before != LOCK_FUTEX || r->kind != KEEP : r->after == before) && file_is(f->file, r->file) &&
	       (!r->function || function_is(f->function, r->function));
}

struct lock_place lock_place(unsigned n, struct place_frame (*at)(const void *ctx, unsigned i), const void *ctx)
{
	struct lock_place p = { .kind = LOCK_FUTEX };

	for (; p.where < n; p.where++) {
		struct place_frame f = at(ctx, p.where);
		const struct row *r = rows, *end = rows + sizeof(rows) / sizeof(rows[0]);

		while (r < end && !applies(r, &f, p.kind))
			r++;
		if (r == end)
			break;
		if (r->kind != KEEP)
			p.kind = r->kind;
	}
	return p;
}
