/* The waits through which CPython and PyPy block, seen from inside: when each began and ended, who had the GIL meanwhile, where both
 * threads stood.  A GIL is known by the address range of its words; its mutex is held by whoever calls pthread_cond_*wait or
 * pthread_cond_signal on its conditions (ceval_gil.c), so what they note of it here is consistent.
 *
 * What the scheduler tells the programs in the kernel, take_gil and drop_gil tell here: every thread that takes a GIL signals its
 * switch_cond, every thread that lets it go signals its cond.  So EV_F_MOVED and EV_F_STAYED are facts, not conclusions.
 *
 * PyPy's waiters pass a queue, see note_queue.
 *
 * The way without contention is one comparison (conditions), one trylock (semaphores, mutexes). */
#include <errno.h>
#include <linux/futex.h>
#include <sys/resource.h>

#include "collectors/signal/preload/preload.h"
#include "core/interp/parked.h"
#include "collectors/signal/preload/sys.h"

#define RAN_MIN_NS 100000 /* shorter stretches between two waits are taken as on the CPU */
#define OFF_MIN_NS 30000
#define SLEPT_NS 2000 /* futex(2) that finds the word changed comes back sooner; a sleep and its wake-up take longer */
#define MUTEX_SHARED 128 /* glibc: PTHREAD_MUTEX_PSHARED_BIT */

/* --- what the GIL's words say -------------------------------------------------------------------------------------- */

struct gil_rec *gil_of(uint64_t addr)
{
	for (uint32_t i = 0; i < lib.n_gils; i++)
		if (addr - lib.gils[i].addr < lib.gil_size)
			return &lib.gils[i];
	return NULL;
}

/* alive: the caller was given an address inside it, so it can be read as it is. */
bool gil_read_words(const struct gil_rec *g, bool alive, struct gil_words *ret)
{
	uint64_t at = g->addr + lib.walk.gil_holder;
	uint64_t locked_at = g->addr + lib.walk.gil_locked;
	bool together = lib.walk.gil_words == WALK_GIL_TOGETHER;
	uint8_t locked = 1;

	ret->switch_number = EV_NO_NUMBER;
	if (!alive && !self_read(ret, at, together ? sizeof(*ret) : sizeof(ret->last_holder)))
		return false;
	if (alive)
		ret->last_holder = __atomic_load_n((const uint64_t *)(uintptr_t)at, __ATOMIC_RELAXED);
	if (lib.walk.gil_words == WALK_GIL_IDENT && alive)
		locked = __atomic_load_n((const uint8_t *)(uintptr_t)locked_at, __ATOMIC_RELAXED);
	else if (lib.walk.gil_words == WALK_GIL_IDENT && !self_read(&locked, locked_at, sizeof(locked)))
		return false;
	if (!together) {
		ret->locked = ret->last_holder && locked;
	} else if (alive) {
		ret->locked = __atomic_load_n((const int32_t *)(uintptr_t)(at + 8), __ATOMIC_RELAXED);
		ret->switch_number = __atomic_load_n((const uint64_t *)(uintptr_t)(at + 16), __ATOMIC_RELAXED);
	}
	return true;
}

/* The words on which a thread waits that was told to let go, or behind another waiter (PyPy). */
static bool is_forced(const struct gil_rec *g, uint64_t addr)
{
	return addr - g->addr - lib.walk.gil_forced < lib.walk.gil_forced_len;
}

uint32_t take_seen(const struct thread_rec *t, bool waits)
{
	if (!t->slept)
		return 0;
	if (lib.walk.gil_words == WALK_GIL_SEMAPHORE) /* which is had when the sleep on it is over */
		return EV_F_TAKE_SEEN | EV_F_MOVED;
	if (lib.walk.gil_words == WALK_GIL_IDENT && !t->took && !waits) /* that it took it shows when it comes to the queue again */
		return 0;
	return EV_F_TAKE_SEEN | (t->took ? EV_F_MOVED : EV_F_STAYED);
}

static uint64_t ident_of(uint64_t tstate)
{
	uint64_t ident = 0;

	self_read(&ident, tstate + lib.walk.tstate_thread_id, sizeof(ident));
	return ident;
}

void look_at_gil(struct thread_rec *t, struct gil_rec *g, uint64_t tstate, struct gil_words *w, uint32_t *flags, __u64 *holder_ident)
{
	struct thread_rec *taker = g->taker;

	*flags |= EV_F_GIL_SEEN;
	if (tstate && w->last_holder == tstate)
		*flags |= EV_F_SELF_LAST;
	if (w->locked != 1 || !w->last_holder)
		return;
	*flags |= EV_F_LOCKED;
	if (w->last_holder == tstate)
		*holder_ident = t->ident;
	else if (taker && taker != t && taker->slot)
		*holder_ident = taker->ident; /* also where a subinterpreter's thread state names another thread */
	else
		*holder_ident = ident_of(w->last_holder);
	if (*holder_ident == t->ident)
		*flags |= EV_F_SELF_HOLDS;
}

/* --- time off the CPU between events ------------------------------------------------------------------------------- */

struct usage { /* of this thread: CPU time to the microsecond, and how often it gave the CPU up by itself */
	uint64_t cpu_ns, switches;
};

static struct usage usage_now(void)
{
	struct rusage ru = { 0 };

	SYS(getrusage, RUSAGE_THREAD, &ru);
	return (struct usage){ .cpu_ns = ((uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000U +
					  (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec)) * 1000U,
			       .switches = (uint64_t)ru.ru_nvcsw };
}

static void count_from(struct thread_rec *t, uint64_t now, struct usage u)
{
	t->ran_ns = now;
	t->ran_cpu_ns = u.cpu_ns;
	t->ran_switches = u.switches;
	t->waited_ns = t->waits = 0;
	t->slot->seen_cpu_ns = u.cpu_ns;
}

/* Between two events of a thread it ran, or it was blocked in something we do not stand before, or had no CPU.  How long it ran is
 * known, so the rest is; where in between it lies is not. */
void account_ran(struct thread_rec *t, uint64_t now)
{
	uint64_t from = t->seen_ns, passed = now - t->ran_ns, busy;
	struct usage u;

	if (now - from < RAN_MIN_NS)
		return;
	u = usage_now();
	busy = u.cpu_ns - t->ran_cpu_ns + t->waited_ns;
	if (t->ran_ns && passed > busy && passed - busy >= OFF_MIN_NS) {
		uint64_t gave_up = u.switches - t->ran_switches;
		struct shared_ran r = { .h = { .kind = SHARED_RAN, .size = sizeof(r), .pid = lib.pid, .tid = t->tid, .flags = take_seen(t, false) }, .from_ns = from,
					.to_ns = now, .off_ns = passed - busy,
					.blocked = gave_up > t->waits ? (uint32_t)(gave_up - t->waits) : 0 };

		if (t->slept && r.blocked && !r.h.flags) /* elsewhere than on the GIL: it does not before it has had that */
			r.h.flags = EV_F_TAKE_SEEN | EV_F_MOVED;
		thread_put(t, &r.h, EV_LOSS_RING_OTHER);
	}
	count_from(t, now, u);
}

/* --- one wait ------------------------------------------------------------------------------------------------------- */

struct wait {
	struct thread_rec *t;
	struct gil_rec *gil; /* it waits for; NULL: another lock */
	uint32_t took_before, slept_before;
	uint64_t stack_before;
	struct ev_off e;
};

/* Own stack, and for a waiter the holder's.  Not for a bounce on the GIL's mutex: its owner is about to let go. */
static void take_stacks(struct wait *w, uint64_t tstate, const struct gil_words *words)
{
	struct thread_rec *t = w->t;
	uint64_t begin = w->e.t_out_ns;

	if (w->gil && !t->took && t->wait_stack) { /* the same take_gil goes on, in which no Python runs */
		w->e.own_stack = t->wait_stack;
		w->e.context = t->wait_context;
	}
	if ((w->e.h.flags & EV_F_GIL_MUTEX) || !tstate || !stack_due(t, begin))
		return;
	if (!w->e.own_stack) {
		w->e.own_stack = stack_take(t, tstate, false);
		w->e.context = stack_context(t);
	}
	if (w->gil && (w->e.h.flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED)
		w->e.holder_stack = stack_take(t, words->last_holder, true);
	stack_paid(t, now_ns() - begin);
}

static void begin_on_gil(struct wait *w, uint64_t tstate, struct gil_words *words)
{
	struct thread_rec *t = w->t;

	w->e.h.flags |= EV_F_GIL_WAIT;
	bool queues = lib.walk.gil_words == WALK_GIL_IDENT;

	if (is_forced(w->gil, w->e.arg0))
		w->e.h.flags |= queues ? EV_F_GIL_QUEUE : EV_F_FORCED_SWITCH;
	else if ((w->e.arg1 & FUTEX_CMD_MASK) == FUTEX_WAIT)
		w->e.h.flags |= EV_F_GIL_MUTEX;
	else if (queues)
		w->e.h.flags |= EV_F_GIL_POLL;
	gil_read_words(w->gil, true, words);
	look_at_gil(t, w->gil, tstate, words, &w->e.h.flags, &w->e.holder_ident);
	if (t->gil != w->gil)
		t->slept = 0;
	w->e.h.flags |= take_seen(t, true);
	t->slept = 1;
	t->gil = w->gil;
	__atomic_add_fetch(&w->gil->waiters, 1, __ATOMIC_RELAXED);
}

/* The lock is another one; whose GIL is it that the thread may have kept? */
static void begin_elsewhere(struct wait *w, uint64_t tstate, struct gil_words *words)
{
	struct thread_rec *t = w->t;
	struct gil_rec *g = t->gil ? t->gil : lib.n_gils ? &lib.gils[0] : NULL;
	uint64_t stack = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	if (w->e.arg0 - stack < PARKED_WITHIN && lib.gil_size)
		parked_look(t, tstate, &w->e);
	if (!g || !tstate)
		return;
	w->e.gil = g->addr;
	if (gil_read_words(g, lib.n_gils == 1, words))
		look_at_gil(t, g, tstate, words, &w->e.h.flags, &w->e.holder_ident);
}

static void publish(struct wait *w)
{
	struct shared_waiting *p = &w->t->slot->waiting;

	p->word = w->e.arg0;
	p->gil = w->e.gil;
	p->own_stack = w->e.own_stack;
	p->flags = w->e.h.flags;
	__atomic_store_n(&p->since_ns, w->e.t_out_ns, __ATOMIC_RELEASE);
}

static bool wait_begin(struct wait *w, const void *word, uint32_t operation)
{
	struct gil_words words = { 0 };
	struct thread_rec *t;
	uint64_t now, tstate;

	if (!armed() || !(t = thread_self()) || t->busy)
		return false;
	now = now_ns();
	t->busy = 1;
	if (UNLIKELY(!lease_holds(now))) {
		t->busy = 0;
		return false;
	}
	config_follow();
	account_ran(t, now);
	memset(&w->e, 0, sizeof(w->e));
	w->t = t;
	w->took_before = t->took;
	w->slept_before = t->slept;
	w->stack_before = t->wait_stack;
	tstate = own_tstate(t);
	w->e.h = (struct ev_hdr){ .kind = EV_OFF, .size = sizeof(w->e), .pid = lib.pid, .tid = t->tid,
				  .flags = EV_F_BLOCKED | EV_F_FUTEX_WAIT | (tstate ? EV_F_PYTHON : 0) };
	w->e.t_out_ns = now;
	w->e.arg0 = (uint64_t)(uintptr_t)word;
	w->e.arg1 = operation;
	w->e.nr = SYS_futex;
	w->gil = gil_of(w->e.arg0);
	if (w->gil) {
		w->e.gil = w->gil->addr;
		begin_on_gil(w, tstate, &words);
	} else {
		begin_elsewhere(w, tstate, &words);
	}
	w->e.switch_number = words.switch_number;
	if ((w->e.h.flags & EV_F_GIL_SEEN) || !lib.n_gils) /* it is off, or there is none yet */
		take_stacks(w, tstate, &words);
	if (w->gil) {
		t->wait_stack = w->e.own_stack;
		t->wait_context = w->e.context;
		t->took = 0;
		t->wants_gil = 1;
	}
	w->e.t_out_ns = now_ns(); /* reading took a while */
	publish(w);
	t->busy = 0;
	return true;
}

/* Back from a sleep on the GIL, with its mutex: who has let go, or taken it, meanwhile? */
static void end_on_gil(struct wait *w, uint64_t tstate)
{
	struct gil_rec *g = w->gil;
	struct gil_words words;
	bool forced = w->e.h.flags & (EV_F_FORCED_SWITCH | EV_F_GIL_QUEUE);

	__atomic_sub_fetch(&g->waiters, 1, __ATOMIC_RELAXED);
	w->t->wants_gil = 0;
	gil_read_words(g, true, &words);
	w->e.in_number = words.switch_number;
	if (tstate && words.last_holder != tstate)
		w->e.h.flags |= EV_F_IN_SEEN;
	if (forced && g->taken_ns > w->e.t_out_ns && g->taker && g->taker != w->t) {
		w->e.t_wake_ns = g->taken_ns;
		w->e.waker_tid = g->taker->tid;
	} else if (!forced && g->released_ns > w->e.t_out_ns) {
		w->e.t_wake_ns = g->released_ns;
		w->e.waker_tid = g->released_by;
	}
	if (w->e.waker_tid == w->t->tid)
		w->e.waker_tid = 0, w->e.t_wake_ns = 0;
	if (w->e.waker_tid)
		w->e.waker_pid = lib.pid;
}

/* It comes to the GIL's words once more in the same take_gil, in which it has slept. */
static bool goes_on(const struct wait *w)
{
	return w->gil && w->slept_before && !w->took_before;
}

/* It never slept: there was no wait, and what is known of the last one holds. */
static void unsay(struct wait *w)
{
	struct thread_rec *t = w->t;

	if (!w->gil)
		return;
	t->took |= w->took_before;
	t->slept = w->slept_before;
	t->wait_stack = w->stack_before;
}

static void wait_end(struct wait *w)
{
	struct thread_rec *t = w->t;
	uint64_t now = now_ns(), ns = now - w->e.t_out_ns;

	if (UNLIKELY(!armed() || !t->slot)) /* in a forked child, or told to stop */
		return;
	t->busy = 1;
	w->e.t_in_ns = now;
	if (w->gil)
		end_on_gil(w, own_tstate(t));
	__atomic_store_n(&t->slot->waiting.since_ns, 0, __ATOMIC_RELAXED);
	if (ns < SLEPT_NS && !goes_on(w)) {
		unsay(w);
		t->busy = 0;
		return;
	}
	thread_put(t, &w->e.h, EV_LOSS_RING_OFF);
	t->since_stack_ns += ns;
	t->waited_ns += ns;
	t->waits++;
	if (ns >= RAN_MIN_NS) /* next to which the question costs nothing */
		count_from(t, now, usage_now());
	t->seen_ns = now;
	t->slot->seen_ns = now;
	t->busy = 0;
}

/* --- conditions -------------------------------------------------------------------------------------------------------- */

EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	struct wait w;
	int err;

	if (!wait_begin(&w, cond, FUTEX_WAIT_BITSET_PRIVATE))
		return real.cond_wait(cond, mutex);
	err = real.cond_wait(cond, mutex);
	wait_end(&w);
	return err;
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	struct wait w;
	int err;

	if (!wait_begin(&w, cond, FUTEX_WAIT_BITSET_PRIVATE))
		return real.cond_timedwait(cond, mutex, until);
	err = real.cond_timedwait(cond, mutex, until);
	wait_end(&w);
	return err;
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
	struct wait w;
	int err;

	if (!real.cond_clockwait)
		return ENOSYS; /* a libc without it: nobody can have asked for it by this name */
	if (!wait_begin(&w, cond, FUTEX_WAIT_BITSET_PRIVATE))
		return real.cond_clockwait(cond, mutex, clock, until);
	err = real.cond_clockwait(cond, mutex, clock, until);
	wait_end(&w);
	return err;
}

/* take_gil signals switch_cond, drop_gil cond, each with the mutex that guards it. */
static __attribute__((noinline)) void note_signal_slow(struct gil_rec *g, uint64_t addr)
{
	struct thread_rec *t;

	if (!g || !armed() || !(t = thread_self()))
		return;
	if (is_forced(g, addr)) {
		t->slept = t->slept && t->gil == g;
		t->took = 1;
		t->gil = g;
		g->taker = t;
		if (g->waiters)
			g->taken_ns = now_ns();
	} else if (g->waiters) {
		g->released_ns = now_ns();
		g->released_by = t->tid;
	}
}

static __attribute__((noinline)) int signal_noted(pthread_cond_t *cond)
{
	uint64_t addr = (uint64_t)(uintptr_t)cond;

	note_signal_slow(gil_of(addr), addr);
	return real.cond_signal(cond);
}

/* A free GIL is taken and let go a million times a second: with nobody waiting it must cost next to nothing, not even a stack frame. */
EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
	uint64_t addr = (uint64_t)(uintptr_t)cond;
	struct gil_rec *g = &lib.gils[0];
	struct thread_rec *t;

	if (LIKELY(addr - lib.watched < lib.watched_len)) {
		if (UNLIKELY(lib.n_gils > 1 || g->waiters))
			return signal_noted(cond);
		if (addr - lib.forced < lib.forced_len) {
			t = self_rec;
			if (UNLIKELY(!t || t->gil != g))
				return signal_noted(cond);
			t->took = 1;
			g->taker = t;
		}
	}
	return real.cond_signal(cond);
}

/* --- mutexes and semaphores ---------------------------------------------------------------------------------------- */

static __attribute__((noinline)) int mutex_lock_contended(pthread_mutex_t *mutex)
{
	struct wait w;
	int err;

	if (!wait_begin(&w, mutex, lib.glibc && mutex->__data.__kind & MUTEX_SHARED ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE))
		return real.mutex_lock(mutex);
	if (!w.gil && lib.glibc)
		w.e.lock_owner = (uint32_t)mutex->__data.__owner;
	err = real.mutex_lock(mutex);
	wait_end(&w);
	return err;
}

/* Whoever wants PyPy's GIL and finds it taken passes here first (RPyGilAcquireSlowPath, thread_gil.c) and does not come back before it has it:
 * a thread that comes again has had it. */
static __attribute__((noinline)) void note_queue(void)
{
	struct thread_rec *t = armed() ? thread_self() : NULL;

	if (t)
		t->took = 1;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int err;

	if (UNLIKELY((uint64_t)(uintptr_t)mutex == lib.gil_queue))
		note_queue();
	err = pthread_mutex_trylock(mutex);

	return LIKELY(err != EBUSY) ? err : mutex_lock_contended(mutex);
}

/* Behind the 8 bytes of its count glibc's struct new_sem has 0 when it is for one process, 128 for several; musl (sem_init.c) the other way round. */
static uint32_t sem_operation(const sem_t *sem)
{
	return !((const uint32_t *)sem)[2] != lib.glibc ? FUTEX_WAIT_BITSET : FUTEX_WAIT_BITSET_PRIVATE;
}

/* Had without waiting?  errno as it was, whatever the answer. */
static bool sem_is_free(sem_t *sem)
{
	int saved = errno;

	if (!sem_trywait(sem))
		return true;
	errno = saved;
	return false;
}

EXPORT int sem_wait(sem_t *sem)
{
	struct wait w;
	int err;

	if (sem_is_free(sem))
		return 0;
	if (!wait_begin(&w, sem, FUTEX_CLOCK_REALTIME | sem_operation(sem)))
		return real.sem_wait(sem);
	err = real.sem_wait(sem);
	wait_end(&w);
	return err;
}

EXPORT int sem_timedwait(sem_t *sem, const struct timespec *until)
{
	struct wait w;
	int err;

	if (sem_is_free(sem))
		return 0;
	if (!wait_begin(&w, sem, FUTEX_CLOCK_REALTIME | sem_operation(sem)))
		return real.sem_timedwait(sem, until);
	err = real.sem_timedwait(sem, until);
	wait_end(&w);
	return err;
}

EXPORT int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until)
{
	struct wait w;
	int err;

	if (!real.sem_clockwait) {
		errno = ENOSYS;
		return -1;
	}
	if (sem_is_free(sem))
		return 0;
	if (!wait_begin(&w, sem, sem_operation(sem)))
		return real.sem_clockwait(sem, clock, until);
	err = real.sem_clockwait(sem, clock, until);
	wait_end(&w);
	return err;
}
