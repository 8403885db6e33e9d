/* The sampling child: looks at every process in turn, as often as the pace allows, until it is told to stop.  It may be left behind at
 * any moment, so what must survive it lies in shared memory. */
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collectors/remote/pace.h"
#include "collectors/remote/proc.h"
#include "collectors/remote/proc_children.h"
#include "collectors/remote/shared.h"
#include "core/base/clock.h"
#include "core/util/xalloc.h"

#define IDLE_NS (5 * NS_PER_MS) /* without a process */
#define TURN_NS (NS_PER_MS / 10)
#define SLEEP_MAX_NS (100 * NS_PER_MS) /* the end must be noticed */

struct sampler {
	struct remote_shared *shared;
	struct proc *procs[REMOTE_PROCS_MAX];
	unsigned n; /* slots seen */
	struct births births;
};

static void take_slots(struct sampler *s)
{
	unsigned n = atomic_load(&s->shared->n_slots);

	for (; s->n < n && s->n < REMOTE_PROCS_MAX; s->n++) {
		struct remote_slot *slot = &s->shared->slots[s->n];

		if (!atomic_load(&slot->ready))
			break;
		if (!atomic_load(&slot->ended))
			s->procs[s->n] = proc_new(s->shared, s->n);
		atomic_store(&slot->seen, true);
	}
}

/* Returns how many are left. */
static unsigned look_at_all(struct sampler *s)
{
	uint64_t settled = clock_now_ns(), births = s->shared->config.follow ? births_look(&s->births, settled) : 0;
	unsigned left = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct proc *p = s->procs[i];

		if (!p)
			continue;
		if (proc_look(p, births) == PROC_ENDED) {
			proc_finish(p, false);
			atomic_store(&s->shared->slots[i].ended, true);
			proc_free(p);
			s->procs[i] = NULL;
			continue;
		}
		settled = p->looked_ns < settled ? p->looked_ns : settled;
		left++;
	}
	atomic_store(&s->shared->settled_ns, settled);
	return left;
}

static void sleep_until(const struct remote_shared *shared, uint64_t due_ns)
{
	uint64_t now;

	while ((now = clock_now_ns()) < due_ns && !atomic_load(&shared->stop)) {
		uint64_t until = due_ns - now > SLEEP_MAX_NS ? now + SLEEP_MAX_NS : due_ns;
		struct timespec ts = { (time_t)(until / NS_PER_S), (long)(until % NS_PER_S) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
}

/* The bound is on all of gilscope: what the writer and the resolver use is not ours to spend. */
static struct pace_cost cost_now(const struct remote_shared *shared)
{
	uint64_t own = proc_cpu_ns();

	return (struct pace_cost){ .own_ns = own, .all_ns = own + atomic_load(&shared->others_cpu_ns) };
}

/* Looks are fair only when they come at any moment, not when the target leaves a CPU free.  Who asks for short turns gets one sooner
 * (Linux 6.12, kernel/sched/syscalls.c __setparam_fair; before that it means nothing). */
static void ask_for_short_turns(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { .size = sizeof(a), .nice = getpriority(PRIO_PROCESS, 0), .runtime = TURN_NS };

	if (sched_getscheduler(0) == SCHED_OTHER)
		syscall(SYS_sched_setattr, 0, &a, 0);
}

static void prepare(void)
{
	struct rlimit files;

	prctl(PR_SET_TIMERSLACK, 1UL);
	ask_for_short_turns();
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

void sampler_run(void *shared)
{
	struct sampler *s = xcalloc(1, sizeof(*s));
	struct pace_cost cost;
	struct pace pace;

	s->shared = shared;
	read_child_be_disposable(&s->shared->watch);
	prepare();
	births_init(&s->births);
	take_slots(s);
	cost = cost_now(s->shared);
	pace_init(&pace, s->shared->config.period_ns, s->shared->config.cpu_limit, clock_now_ns(), &cost);
	while (!atomic_load(&s->shared->stop)) {
		unsigned left;
		uint64_t due;

		take_slots(s);
		left = look_at_all(s);
		atomic_store(&s->shared->cpu_ns, proc_cpu_ns());
		atomic_store(&s->shared->alive_ns, clock_now_ns());
		cost = cost_now(s->shared);
		due = pace_next(&pace, clock_now_ns(), &cost);
		sleep_until(s->shared, left ? due : due + IDLE_NS);
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->procs[i])
			proc_finish(s->procs[i], true);
	atomic_store(&s->shared->cpu_ns, proc_cpu_ns());
	atomic_store(&s->shared->settled_ns, UINT64_MAX);
}
