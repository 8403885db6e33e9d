/* Threads come and go.  Each takes a slot of the shared memory when it begins (pthread_create is interposed) or, made in another way,
 * at its first wait; those of a process that ran before us are found in /proc.  A pthread key tells us of its end, whichever way it ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "collectors/signal/preload/preload.h"
#include "collectors/signal/preload/sys.h"

#define FULL_FOR_NS 5000000 /* gilscope makes room about as often */
#define STARTS 256 /* threads between pthread_create and their first instruction */

struct thread_rec thread_recs[SHARED_SLOTS];
__thread struct thread_rec *self_rec;
static __thread bool gone __attribute__((tls_model("initial-exec"))); /* its end has been told */

void thread_put(struct thread_rec *t, const struct ev_hdr *e, enum ev_loss_class cls)
{
	if (!ring_put(&t->slot->ring, t->ring, SHARED_RING_BYTES, e))
		t->slot->lost[cls]++;
}

static struct thread_rec *take_slot(void)
{
	struct shared *s = lib.shared;
	uint32_t ready = __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < ready && i < SHARED_SLOTS; i++) {
		uint32_t expect = SLOT_FREE;

		if (s->slot[i].state != SLOT_FREE || !__atomic_compare_exchange_n(&s->slot[i].state, &expect, SLOT_LIVE, false,
										   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		if (i >= lib.high)
			lib.high = i + 1;
		return &thread_recs[i];
	}
	return NULL;
}

/* Of another thread (foreseen) gilscope finds out the name and the birth. */
static void tell_begin(struct thread_rec *t, uint32_t flags)
{
	struct timespec birth = { 0 };
	struct ev_thread e = { .h = { .kind = EV_THREAD, .size = sizeof(e), .flags = flags, .pid = lib.pid, .tid = t->tid },
			       .t_ns = t->seen_ns, .ident = t->ident };

	SYS(clock_gettime, CLOCK_BOOTTIME, &birth);
	e.start_ns = (uint64_t)birth.tv_sec * 1000000000U + (uint64_t)birth.tv_nsec;
	if (t->ident)
		SYS(prctl, PR_GET_NAME, e.comm, 0, 0, 0);
	thread_put(t, &e.h, EV_LOSS_RING_OTHER);
}

static void prepare(struct thread_rec *t, uint32_t tid, uint64_t ident)
{
	uint32_t index = (uint32_t)(t - thread_recs);
	struct shared_slot *slot = &lib.shared->slot[index];

	memset(t, 0, offsetof(struct thread_rec, blocks));
	memset(t->words, 0, sizeof(t->words));
	t->busy = 1;
	t->timer = TIMER_NONE;
	t->slot = slot;
	t->ring = shared_ring_data(lib.shared, index);
	t->tid = tid;
	t->ident = ident;
	t->seen_ns = t->credit_at_ns = now_ns();
	memset(slot->lost, 0, sizeof(slot->lost));
	memset(&slot->waiting, 0, sizeof(slot->waiting));
	slot->stacks_left_out = slot->busy = slot->seen_cpu_ns = 0;
	slot->seen_ns = t->seen_ns;
	slot->ident = t->ident;
	__atomic_store_n(&slot->tid, t->tid, __ATOMIC_RELEASE);
}

static void begin(struct thread_rec *t)
{
	prepare(t, (uint32_t)SYS(gettid, 0), (uint64_t)pthread_self());
	tell_begin(t, 0);
	self_rec = t;
	t->busy = 0;
	timer_begin(t);
}

/* The last thing we do on this thread; other keys' destructors that wait go unrecorded. */
static void thread_ended(void *rec)
{
	struct thread_rec *t = rec;
	struct ev_exit e = { .h = { .kind = EV_EXIT, .size = sizeof(e), .pid = lib.pid } };

	gone = true;
	self_rec = NULL;
	if (!armed() || !t->slot || t->tid != (uint32_t)SYS(gettid, 0))
		return;
	t->busy = 1;
	timer_end(t);
	account_ran(t, now_ns());
	e.h.tid = t->tid;
	e.t_ns = now_ns();
	thread_put(t, &e.h, EV_LOSS_RING_OTHER);
	__atomic_store_n(&t->slot->waiting.since_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t->slot->state, SLOT_ENDED, __ATOMIC_RELEASE);
	t->slot = NULL;
}

struct thread_rec *thread_self_slow(void)
{
	struct thread_rec *t;
	uint64_t now = now_ns();

	if (!armed() || gone || now < lib.full_until_ns)
		return NULL;
	if (!lib.has_key) /* once, in the constructor: one thread */
		lib.has_key = !pthread_key_create(&lib.key, thread_ended);
	if (!lib.has_key)
		return NULL;
	t = thread_adopt();
	if (t)
		return t;
	t = take_slot();
	if (!t) {
		lib.full_until_ns = now + FULL_FOR_NS;
		__atomic_add_fetch(&lib.shared->no_slot, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	begin(t);
	pthread_setspecific(lib.key, t);
	return t;
}

/* --- in a process that ran before us ------------------------------------------------------------------------------------ */

#define KEYS_WITHIN 32 /* glibc: values of the first keys lie in struct pthread, setting one allocates nothing */

/* Its first wait, or its first sample: from here on the thread writes to its ring itself. */
struct thread_rec *thread_adopt(void)
{
	uint32_t left = __atomic_load_n(&lib.foreseen, __ATOMIC_ACQUIRE), tid;

	if (LIKELY(!left) || lib.key >= KEYS_WITHIN)
		return NULL;
	tid = (uint32_t)SYS(gettid, 0);
	for (uint32_t i = 0; i < lib.high; i++) {
		struct thread_rec *t = &thread_recs[i];

		if (t->tid != tid || !t->slot || !__atomic_exchange_n(&t->foreseen, 0, __ATOMIC_ACQ_REL))
			continue;
		__atomic_sub_fetch(&lib.foreseen, 1, __ATOMIC_RELAXED);
		t->busy = 1;
		t->ident = (uint64_t)pthread_self();
		t->slot->ident = t->ident;
		tell_begin(t, EV_F_RENAMED);
		self_rec = t;
		t->busy = 0;
		pthread_setspecific(lib.key, t);
		return t;
	}
	return NULL;
}

static void foresee(uint32_t tid)
{
	struct thread_rec *t = take_slot();

	if (!t) {
		__atomic_add_fetch(&lib.shared->no_slot, 1, __ATOMIC_RELAXED);
		return;
	}
	prepare(t, tid, 0);
	tell_begin(t, 0);
	t->busy = 0;
	timer_begin(t);
	__atomic_add_fetch(&lib.foreseen, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&t->foreseen, 1, __ATOMIC_RELEASE);
}

static uint32_t number(const char *text)
{
	uint32_t n = 0;

	while (*text >= '0' && *text <= '9')
		n = n * 10 + (uint32_t)(*text++ - '0');
	return *text ? 0 : n;
}

struct entry { /* what getdents64 gives */
	uint64_t inode, next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

void threads_foresee(void)
{
	char entries[2048] __attribute__((aligned(8)));
	long dir = SYS(openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
	uint32_t own = (uint32_t)SYS(gettid, 0);

	if (dir < 0)
		return;
	while ((n = SYS(getdents64, dir, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n; ) {
			const struct entry *e = (const struct entry *)(entries + at);
			uint32_t tid = number(e->name);

			if (tid && tid != own)
				foresee(tid);
			at += e->bytes;
		}
	SYS(close, dir);
}

void threads_forget(void)
{
	for (uint32_t i = 0; i < lib.high; i++)
		thread_recs[i].slot = NULL;
	lib.high = lib.foreseen = 0;
	self_rec = NULL;
}

/* --- from the first instruction on ---------------------------------------------------------------------------------- */

struct start { /* of a thread that has not run yet; no memory is allocated for it */
	uint32_t taken;
	void *(*routine)(void *);
	void *arg;
};
static struct start starts[STARTS];

static void *run(void *start)
{
	struct start s = *(struct start *)start;

	__atomic_store_n(&((struct start *)start)->taken, 0, __ATOMIC_RELEASE);
	thread_self();
	return s.routine(s.arg);
}

EXPORT int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*routine)(void *), void *arg)
{
	struct start *s = NULL;
	int err;

	for (uint32_t i = 0; armed() && i < STARTS && !s; i++)
		if (!__atomic_exchange_n(&starts[i].taken, 1, __ATOMIC_ACQUIRE))
			s = &starts[i];
	if (!s)
		return real.thread_create(ret, attr, routine, arg);
	s->routine = routine;
	s->arg = arg;
	err = real.thread_create(ret, attr, run, s);
	if (err)
		__atomic_store_n(&s->taken, 0, __ATOMIC_RELEASE);
	return err;
}
