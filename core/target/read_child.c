/* See read_child.h. */
#include "core/target/read_child.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/futex.h"
#include "core/target/disposable.h"

#define DATA_BYTES 65536
#define SLICE_NS (50 * NS_PER_MS) /* how often a child that does not answer is looked after */

struct slot { /* shared with the child */
	atomic_uint asked, answered; /* numbers of the last request and of the last answer */
	pid_t pid;
	uint64_t addr, len;
	int err;
	uint8_t data[DATA_BYTES];
};

struct reader {
	pid_t child; /* 0: none */
	unsigned asked;
	struct slot *slot;
};

static _Thread_local struct reader reader;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool disposable;
static struct read_watch *watch;

static int read_now(pid_t pid, uint64_t addr, void *ret, size_t len)
{
	struct iovec local = { ret, len }, remote = { (void *)(uintptr_t)addr, len }; /* NOLINT: not ours to follow */
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EFAULT;
}

static int read_watched(pid_t pid, uint64_t addr, void *ret, size_t len)
{
	int err;

	if (!watch)
		return read_now(pid, addr, ret, len);
	atomic_store_explicit(&watch->addr, addr, memory_order_relaxed);
	atomic_store_explicit(&watch->len, len, memory_order_relaxed);
	atomic_store_explicit(&watch->pid, pid, memory_order_relaxed);
	atomic_store_explicit(&watch->since_ns, clock_now_ns(), memory_order_release);
	err = read_now(pid, addr, ret, len);
	atomic_store_explicit(&watch->since_ns, 0, memory_order_release);
	return err;
}

void read_child_be_disposable(struct read_watch *w)
{
	disposable = true;
	watch = w;
}

bool read_child_is_disposable(void)
{
	return disposable;
}

bool read_watch_stuck(const struct read_watch *w)
{
	uint64_t since = atomic_load_explicit(&w->since_ns, memory_order_acquire);

	return since && clock_now_ns() >= since + READ_LIMIT_NS;
}

/* --- the child ------------------------------------------------------------------------------------------------------ */

static void serve(void *slot)
{
	struct slot *s = slot;
	unsigned done = 0, asked;

	for (;;) {
		while ((asked = atomic_load(&s->asked)) == done)
			futex_wait(&s->asked, done, 0);
		s->err = read_now(s->pid, s->addr, s->data, s->len);
		done = asked;
		atomic_store(&s->answered, done);
		futex_wake(&s->answered);
	}
}

/* --- its starter ---------------------------------------------------------------------------------------------------- */

static void give_up(struct reader *r)
{
	disposable_end(r->child);
	disposable_memory_free(r->slot, sizeof(*r->slot));
	*r = (struct reader){ 0 };
}

static void end_of_thread(void *r)
{
	give_up(r);
}

static void end_of_process(void)
{
	if (!disposable)
		give_up(&reader);
}

static void make_key(void)
{
	pthread_key_create(&at_thread_end, end_of_thread);
	atexit(end_of_process); /* the main thread's: its end is no end of a thread */
}

static int begin(struct reader *r)
{
	int err;

	pthread_once(&once, make_key);
	r->slot = disposable_memory(sizeof(*r->slot));
	if (!r->slot)
		return -ENOMEM;
	r->asked = 0;
	err = disposable_start(&r->child, "gilscope-read", serve, r->slot, -1);
	if (err) {
		disposable_memory_free(r->slot, sizeof(*r->slot));
		*r = (struct reader){ 0 };
		return err;
	}
	pthread_setspecific(at_thread_end, r);
	return 0;
}

static int ask(struct reader *r, pid_t pid, uint64_t addr, void *ret, size_t len)
{
	struct slot *s = r->slot;
	uint64_t until = clock_now_ns() + READ_LIMIT_NS, now;
	unsigned answered;

	s->pid = pid;
	s->addr = addr;
	s->len = len;
	atomic_store(&s->asked, ++r->asked);
	futex_wake(&s->asked);
	while ((answered = atomic_load(&s->answered)) != r->asked) {
		futex_wait(&s->answered, answered, SLICE_NS);
		now = clock_now_ns();
		if (atomic_load(&s->answered) == r->asked)
			break;
		if (!disposable_alive(r->child) || (now >= until && disposable_sleeps(r->child))) {
			give_up(r);
			return now >= until ? -ETIMEDOUT : -EAGAIN;
		}
	}
	if (!s->err)
		memcpy(ret, s->data, len);
	return s->err;
}

int read_child_read(pid_t pid, uint64_t addr, void *ret, size_t len)
{
	struct reader *r = &reader;
	int err = 0;

	if (disposable)
		return read_watched(pid, addr, ret, len);
	for (size_t at = 0; at < len && !err; at += DATA_BYTES) {
		if (!r->child)
			err = begin(r);
		if (!err)
			err = ask(r, pid, addr + at, (uint8_t *)ret + at, len - at < DATA_BYTES ? len - at : DATA_BYTES);
	}
	return err;
}
