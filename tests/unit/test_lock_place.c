/* What waiters wait for, by the functions of the standard library they stand in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/timeline/lock_place.h"

#define LIB "/usr/lib/python3.11/"
#define MAX 6

struct stack {
	struct place_frame frames[MAX];
	enum lock_kind kind;
	unsigned where;
};

static const struct stack stacks[] = {
	{ { { "app", "app.py" } }, LOCK_FUTEX, 0 }, /* a Lock of its own leaves no frame */
	{ { { "Condition.wait", LIB "threading.py" }, { "app", "app.py" } }, LOCK_CONDITION, 1 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Condition.wait_for", LIB "threading.py" }, { "app", "app.py" } }, LOCK_CONDITION, 2 },
	{ { { "wait", "threading.py" }, { "wait", "threading.py" }, { "wait", "app.py" } }, LOCK_EVENT, 2 }, /* before 3.11 */
	{ { { "wait", LIB "threading.py" }, { "wait_for", LIB "threading.py" }, { "_wait", LIB "threading.py" }, { "wait", LIB "threading.py" },
	    { "app", "app.py" } }, LOCK_BARRIER, 4 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Semaphore.acquire", LIB "threading.py" }, { "app", "app.py" } }, LOCK_SEMAPHORE, 2 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Event.wait", LIB "threading.py" }, { "Thread.start", LIB "threading.py" }, { "app", "app.py" } },
	  LOCK_EVENT, 3 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Queue.get", LIB "queue.py" }, { "app", "app.py" } }, LOCK_QUEUE_GET, 2 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Queue.put", LIB "queue.py" }, { "app", "app.py" } }, LOCK_QUEUE_PUT, 2 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Queue.join", LIB "queue.py" }, { "app", "app.py" } }, LOCK_QUEUE_JOIN, 2 },
	{ { { "Condition.__enter__", LIB "threading.py" }, { "Queue.put", LIB "queue.py" }, { "app", "app.py" } }, LOCK_LOCK, 2 }, /* its mutex */
	{ { { "Queue.get", LIB "queue.py" }, { "app", "app.py" } }, LOCK_LOCK, 1 },
	{ { { "Thread._wait_for_tstate_lock", LIB "threading.py" }, { "Thread.join", LIB "threading.py" }, { "app", "app.py" } }, LOCK_JOIN, 2 },
	{ { { "Thread.join", LIB "threading.py" }, { "app", "app.py" } }, LOCK_JOIN, 1 }, /* 3.13 */
	{ { { "_shutdown", LIB "threading.py" } }, LOCK_JOIN, 1 },
	{ { { "Condition.wait", LIB "threading.py" }, { "Future.result", LIB "concurrent/futures/_base.py" }, { "app", "app.py" } }, LOCK_FUTURE, 2 },
	{ { { "_worker", LIB "concurrent/futures/thread.py" }, { "Thread.run", LIB "threading.py" }, { "Thread._bootstrap", LIB "threading.py" } },
	  LOCK_QUEUE_GET, 3 },
	{ { { "_ModuleLock.acquire", "<frozen importlib._bootstrap>" }, { "_find_and_load", "<frozen importlib._bootstrap>" }, { "app", "app.py" } },
	  LOCK_IMPORT, 2 },
	{ { { "SemLock.__enter__", LIB "multiprocessing/synchronize.py" }, { "app", "app.py" } }, LOCK_PROCESS, 1 },
	{ { { "SemLock.__enter__", LIB "multiprocessing/synchronize.py" }, { "SimpleQueue.get", LIB "multiprocessing/queues.py" },
	    { "worker", LIB "multiprocessing/pool.py" }, { "app", "app.py" } }, LOCK_QUEUE_GET, 3 },
	{ { { "acquire", "mythreading.py" } }, LOCK_FUTEX, 0 }, /* a name that only ends like ours */
	{ { { "?", "?" } }, LOCK_FUTEX, 0 },
	{ { { NULL, NULL } }, LOCK_FUTEX, 0 }, /* no frames at all */
};

static struct place_frame at(const void *ctx, unsigned i)
{
	return ((const struct stack *)ctx)->frames[i];
}

static void test_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		const struct stack *s = &stacks[i];
		struct lock_place p;
		unsigned n = 0;

		while (n < MAX && s->frames[n].function)
			n++;
		p = lock_place(n, at, s);
		if (p.kind != s->kind || p.where != s->where)
			fail_msg("stack %zu: %s at %u, not %s at %u", i, lock_kind_names[p.kind], p.where, lock_kind_names[s->kind], s->where);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_places) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
