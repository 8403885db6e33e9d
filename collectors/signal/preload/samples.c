/* Samples of threads on the CPU: a timer of each thread's own CPU time, a signal that nobody else uses, a handler that writes to that
 * thread's ring.  A blocked thread uses no CPU, so no signal ever comes to it but one that was on its way when it went to sleep.
 *
 * The signal is ours only while the program has no handler for it.  When it installs one we go before it does: timers are deleted, what
 * is on its way is thrown away (ignoring a signal does that), and the program finds what it left. */
#include <errno.h>
#include <ucontext.h>

#include "collectors/signal/preload/preload.h"
#include "collectors/signal/preload/sys.h"

#define CHECK_EVERY 64 /* samples of a process between two looks at who has the signal */

struct kernel_action { /* what rt_sigaction takes and gives */
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static void on_sample(int number, siginfo_t *info, void *context);

static void *handler_now(int number)
{
	struct kernel_action now = { 0 };

	return SYS(rt_sigaction, number, 0, &now, sizeof(now.mask)) ? (void *)-1 : now.handler;
}

/* From the top: programs count from SIGRTMIN.  SIGPROF last, it is what other profilers and setitimer use. */
static int free_signal(void)
{
	for (int n = SIGRTMAX - 2; n > SIGRTMIN; n--)
		if (handler_now(n) == (void *)SIG_DFL)
			return n;
	return handler_now(SIGPROF) == (void *)SIG_DFL ? SIGPROF : 0;
}

void samples_begin(void)
{
	struct sigaction ours = { .sa_sigaction = on_sample, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

	if (!lib.shared->sample_hz) {
		lib.shared->sampling = SAMPLING_NONE;
		return;
	}
	if (!lib.signal || handler_now(lib.signal) != (void *)on_sample) { /* a fork leaves it as it was */
		lib.signal = free_signal();
		if (lib.signal && real.sigaction(lib.signal, &ours, NULL))
			lib.signal = 0;
	}
	lib.shared->signal = (uint32_t)lib.signal;
	lib.shared->sampling = lib.signal ? SAMPLING_ON : SAMPLING_NO_SIGNAL;
}

/* Only what is still ours is given back; ignoring it first throws away what is pending on any thread. */
static void give_back(int number)
{
	struct sigaction ignored = { .sa_handler = SIG_IGN }, none = { .sa_handler = SIG_DFL };

	if (handler_now(number) != (void *)on_sample)
		return;
	real.sigaction(number, &ignored, NULL);
	real.sigaction(number, &none, NULL);
}

void samples_end(uint32_t why)
{
	int number = __atomic_exchange_n(&lib.signal, 0, __ATOMIC_ACQ_REL);

	if (why < SAMPLING_N)
		lib.shared->sampling = why;
	for (uint32_t i = 0; i < lib.high; i++)
		timer_end(&thread_recs[i]);
	if (number)
		give_back(number);
}

/* --- timers ----------------------------------------------------------------------------------------------------------- */

/* The clock of a thread's CPU time; kernel: MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED) of posix-timers.h. */
static long clock_of(uint32_t tid)
{
	return (long)(~(int32_t)tid * 8 + 6);
}

void timer_begin(struct thread_rec *t)
{
	struct sigevent to = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = lib.signal, .sigev_value.sival_ptr = &lib };
	uint32_t hz = lib.shared->sample_hz;
	struct itimerspec every = { 0 };
	int number;

	if (!to.sigev_signo || !hz)
		return;
	to._sigev_un._tid = (pid_t)t->tid;
	if (SYS(timer_create, clock_of(t->tid), &to, &number)) {
		if (lib.shared->sampling == SAMPLING_ON)
			lib.shared->sampling = SAMPLING_NO_TIMER;
		return;
	}
	every.it_interval.tv_sec = hz == 1;
	every.it_interval.tv_nsec = hz == 1 ? 0 : (long)(1000000000U / hz);
	every.it_value = every.it_interval;
	SYS(timer_settime, number, 0, &every, 0);
	__atomic_store_n(&t->timer, number, __ATOMIC_RELEASE);
	if (!armed() || !lib.signal) /* whoever ended it meanwhile may not have seen this one */
		timer_end(t);
}

void timer_end(struct thread_rec *t)
{
	int number = t->slot ? __atomic_exchange_n(&t->timer, TIMER_NONE, __ATOMIC_ACQ_REL) : TIMER_NONE;

	if (number != TIMER_NONE)
		SYS(timer_delete, number);
}

/* --- a sample ---------------------------------------------------------------------------------------------------------- */

static uint64_t place_of(const void *context)
{
	const ucontext_t *u = context;

#if defined(__x86_64__)
	return (uint64_t)u->uc_mcontext.gregs[REG_RIP];
#else
	return u->uc_mcontext.pc;
#endif
}

static void sample(struct thread_rec *t, uint64_t now, uint64_t ip)
{
	struct gil_rec *g = t->gil ? t->gil : lib.n_gils ? &lib.gils[0] : NULL;
	struct ev_sample e = { .h = { .kind = EV_SAMPLE, .size = sizeof(e), .pid = lib.pid, .tid = t->tid }, .t_ns = now, .ip = ip, .nr = -1 };
	uint64_t tstate = own_tstate(t);
	struct gil_words words;
	uint32_t gc = 0;

	if (tstate && g) {
		e.h.flags |= EV_F_PYTHON | take_seen(t, t->wants_gil);
		e.gil = g->addr;
		if (gil_read_words(g, lib.n_gils == 1, &words))
			look_at_gil(t, g, tstate, &words, &e.h.flags, &e.holder_ident);
		if (g->gc_collecting && self_read(&gc, g->gc_collecting, sizeof(gc)) && gc)
			e.h.flags |= EV_F_GC;
		if (t->wants_gil && (e.h.flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED)
			e.h.flags |= EV_F_WANTS_GIL;
		e.stack = stack_take(t, tstate, false);
		e.context = stack_context(t);
	}
	thread_put(t, &e.h, EV_LOSS_RING_SAMPLE);
}

static void on_sample(int number, siginfo_t *info, void *context)
{
	static uint32_t since_check;
	struct thread_rec *t = self_rec;
	uint64_t now;

	if (info->si_code != SI_TIMER || info->si_value.sival_ptr != &lib || !armed())
		return;
	if (UNLIKELY(!t))
		t = thread_adopt();
	if (!t || !t->slot)
		return;
	if (t->busy) {
		t->slot->busy++;
		return;
	}
	t->busy = 1;
	now = now_ns();
	if (lease_holds(now)) {
		config_follow();
		account_ran(t, now);
		sample(t, now, place_of(context));
		t->seen_ns = now;
		t->slot->seen_ns = now;
		if (__atomic_add_fetch(&since_check, 1, __ATOMIC_RELAXED) % CHECK_EVERY == 0 && handler_now(number) != (void *)on_sample)
			samples_end(SAMPLING_TAKEN);
	}
	t->busy = 0;
}

/* --- the program's own signals ------------------------------------------------------------------------------------------ */

/* It installs, ignores or resets our signal: we go first. */
static void make_way(int number)
{
	if (armed() && number && number == lib.signal)
		samples_end(SAMPLING_TAKEN);
}

EXPORT int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
	bool hidden = !new && armed() && number && number == lib.signal;
	int err;

	if (new)
		make_way(number);
	err = real.sigaction(number, new, old);
	if (!err && hidden && old)
		*old = (struct sigaction){ .sa_handler = SIG_DFL };
	return err;
}

EXPORT void (*signal(int number, void (*handler)(int)))(int)
{
	make_way(number);
	return real.signal(number, handler);
}
