/* The remote collector: a disposable child samples (sampler.c), we hand on what it writes into the shared ring, and look after it.  It
 * needs no more than to be allowed to ptrace the target; nothing is planted there and nothing stops it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/remote/shared.h"
#include "core/base/clock.h"
#include "core/target/disposable.h"
#include "core/target/read_child.h"
#include "core/target/target.h"
#include "core/util/file.h"
#include "core/util/xalloc.h"

#define STOP_WITHIN_NS (500 * NS_PER_MS)
#define SEEN_WITHIN_NS (10 * NS_PER_S)
#define SLICE_NS (5 * NS_PER_MS)
#define STUCK_NS (10 * NS_PER_S) /* at something else than memory: files of a target */
#define RESTARTS_MAX 1000
#define DEFAULT_HZ 1000
#define DEFAULT_LIMIT 0.05
#define STACKS_HZ_MAX 99 /* a stack costs as much as ten looks at a thread */

struct remote {
	struct collector_options options;
	struct remote_shared *shared;
	pid_t child;
	unsigned restarts, notes_told;
	uint64_t lost_told[EV_LOSS_N], told_ns;
	uint64_t events;
};

/* --- can it be used -------------------------------------------------------------------------------------------------- */

static int refuse_scope(const char *scope, struct fail *why)
{
	bool nobody = !strcmp(scope, "3");

	fail_set(why, -EPERM, FAIL_MACHINE, "could not read the memory of other processes: kernel.yama.ptrace_scope is %s, %s", scope,
		 nobody ? "nobody may until the next boot" : !strcmp(scope, "2") ? "only CAP_SYS_PTRACE may" : "only a process' own parent may");
	return fail_hint(why, nobody ? "Start the program with gilscope: gilscope record -- COMMAND." :
			 "sudo sysctl kernel.yama.ptrace_scope=0, or start the program with gilscope: gilscope record -- COMMAND.");
}

/* Permission is checked before the page is looked for: -EFAULT says yes. */
static bool may_read(pid_t pid)
{
	uint8_t byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)(uintptr_t)8, 1 }; /* NOLINT: nothing is ever mapped there */

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno != EPERM;
}

static int remote_usable(const struct collector_request *request, struct fail *why)
{
	char scope[16] = "0";

	file_read_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (!strcmp(scope, "3"))
		return refuse_scope(scope, why);
	for (unsigned i = 0; i < request->n_pids && !request->threads_only; i++)
		if (!may_read(request->pids[i]) && strcmp(scope, "0") != 0)
			return refuse_scope(scope, why);
	return 0;
}

/* --- the child ------------------------------------------------------------------------------------------------------- */

struct remote_slot *remote_slot_add(struct remote_shared *s, int pid, bool threads_only, bool at_start)
{
	unsigned i = atomic_load(&s->n_slots);
	struct remote_slot *slot;

	do {
		if (i >= REMOTE_PROCS_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&s->n_slots, &i, i + 1));
	slot = &s->slots[i];
	slot->pid = pid;
	slot->threads_only = threads_only;
	slot->at_start = at_start;
	atomic_store(&slot->ready, true);
	return slot;
}

static struct remote_slot *find_slot(struct remote_shared *s, int pid)
{
	unsigned n = atomic_load(&s->n_slots);

	for (unsigned i = 0; i < n && i < REMOTE_PROCS_MAX; i++)
		if (s->slots[i].pid == pid && atomic_load(&s->slots[i].ready) && !atomic_load(&s->slots[i].ended))
			return &s->slots[i];
	return NULL;
}

static int start_child(struct remote *r)
{
	atomic_store(&r->shared->watch.since_ns, 0);
	atomic_store(&r->shared->alive_ns, clock_now_ns());
	return disposable_start(&r->child, "gilscope-look", sampler_run, r->shared, -1);
}

static void note(struct remote *r, const char *text)
{
	if (r->options.note)
		r->options.note(r->options.ctx, text);
}

/* It waits for memory that does not answer: another one goes on without that place. */
static void leave_behind(struct remote *r)
{
	struct remote_shared *s = r->shared;
	struct remote_slot *slot = find_slot(s, atomic_load(&s->watch.pid));
	uint64_t addr = atomic_load(&s->watch.addr);
	char text[160];

	disposable_end(r->child);
	r->child = 0;
	if (slot) {
		unsigned n = atomic_load(&slot->n_refused);

		if (n < PROCESS_MEM_GIVEN_UP_MAX) {
			slot->refused[n].addr = addr;
			slot->refused[n].len = atomic_load(&s->watch.len);
			atomic_store(&slot->n_refused, n + 1);
		}
		snprintf(text, sizeof(text), "pid %d: its memory at 0x%" PRIx64 " did not answer: what lies there is missing, and 0.25 s were not sampled",
			 slot->pid, addr);
		note(r, text);
	}
}

static int look_after_child(struct remote *r)
{
	uint64_t alive = atomic_load(&r->shared->alive_ns), now = clock_now_ns();

	if (read_watch_stuck(&r->shared->watch) && disposable_sleeps(r->child)) {
		leave_behind(r);
	} else if (!disposable_alive(r->child)) {
		disposable_end(r->child);
		r->child = 0;
		note(r, "the process that samples had ended; another one goes on");
	} else if (now > alive + STUCK_NS && disposable_sleeps(r->child)) {
		disposable_end(r->child);
		r->child = 0;
		note(r, "the process that samples did not answer for 10 s; another one goes on");
	}
	if (r->child)
		return 0;
	return r->restarts++ < RESTARTS_MAX ? start_child(r) : -EIO;
}

/* --- the collector ----------------------------------------------------------------------------------------------------- */

static void remote_free(void *self)
{
	struct remote *r = self;

	if (!r)
		return;
	disposable_end(r->child);
	disposable_memory_free(r->shared, sizeof(*r->shared));
	free(r);
}

static int remote_start(void **ret_self, const struct collector_options *options, struct fail *why)
{
	struct remote *r = xcalloc(1, sizeof(*r));

	r->options = *options;
	r->shared = disposable_memory(sizeof(*r->shared));
	if (!r->shared) {
		free(r);
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not start the remote collector: out of memory");
	}
	r->shared->config = (struct remote_config){ .period_ns = NS_PER_S / (options->look_hz ? options->look_hz : DEFAULT_HZ),
						    .cpu_limit = options->cpu_limit > 0 ? options->cpu_limit : DEFAULT_LIMIT,
						    .sample_hz = options->sample_hz < STACKS_HZ_MAX ? options->sample_hz : STACKS_HZ_MAX,
						    .follow = options->follow_children };
	*ret_self = r;
	return 0;
}

static int remote_add_target(void *self, struct target *target, struct fail *why)
{
	struct remote *r = self;
	struct remote_slot *slot = find_slot(r->shared, target_pid(target));
	bool python = target_runtime(target) != NULL;

	if (!target_alive(target))
		return fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it has ended", (int)target_pid(target));
	if (slot) {
		slot->threads_only &= !python;
		atomic_fetch_add(&slot->asked, 1);
		return 0;
	}
	if (!remote_slot_add(r->shared, target_pid(target), !python, !atomic_load(&r->shared->armed)))
		return fail_set(why, -E2BIG, FAIL_ATTACH, "could not attach to pid %d: more than %d processes in one recording",
				(int)target_pid(target), REMOTE_PROCS_MAX);
	return 0;
}

/* A command is let go after arming: its exec is only noticed by a child that knew it before, on a busy machine not for a second. */
static int wait_until_seen(struct remote *r)
{
	const struct timespec ts = { .tv_nsec = NS_PER_MS };
	uint64_t until = clock_now_ns() + SEEN_WITHIN_NS;
	int err = 0;

	for (unsigned i = 0; !err && i < atomic_load(&r->shared->n_slots) && clock_now_ns() < until;) {
		if (atomic_load(&r->shared->slots[i].seen)) {
			i++;
			continue;
		}
		nanosleep(&ts, NULL);
		err = look_after_child(r);
	}
	return err;
}

static int remote_arm(void *self, struct fail *why)
{
	struct remote *r = self;
	int err;

	atomic_store(&r->shared->others_cpu_ns, clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) + disposable_cpu_ns());
	err = start_child(r);
	atomic_store(&r->shared->armed, true);
	r->told_ns = clock_now_ns();
	if (!err)
		err = wait_until_seen(r);
	return err ? fail_set(why, err, FAIL_OTHER, "could not start a process: %s", strerror(-err)) : 0;
}

static void hand_on(void *ctx, const struct ev_hdr *event)
{
	struct remote *r = ctx;

	r->events++;
	r->options.emit(r->options.ctx, event);
}

static void tell_losses(struct remote *r, uint64_t now)
{
	for (unsigned cls = 0; cls < EV_LOSS_N; cls++) {
		uint64_t lost = atomic_load(&r->shared->lost[cls]);
		struct ev_loss e = { .h = { .kind = EV_LOSS, .size = sizeof(e) }, .t0_ns = r->told_ns, .t1_ns = now,
				     .count = lost - r->lost_told[cls], .cls = cls };

		r->lost_told[cls] = lost;
		if (e.count)
			r->options.emit(r->options.ctx, &e.h);
	}
	r->told_ns = now;
}

static void tell_notes(struct remote *r)
{
	for (; r->notes_told < atomic_load(&r->shared->n_notes); r->notes_told++)
		note(r, r->shared->notes[r->notes_told]);
}

static int remote_poll(void *self, int timeout_ms)
{
	struct remote *r = self;
	uint64_t until = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS, now;
	int err = 0;

	while (r->child && (now = clock_now_ns()) < until && atomic_load(&r->shared->ring.head) - atomic_load(&r->shared->ring.tail) < RING_BYTES / 2) {
		struct timespec ts = { 0, (long)(until - now < 2 * SLICE_NS ? until - now : 2 * SLICE_NS) };

		nanosleep(&ts, NULL);
	}
	if (r->child && !atomic_load(&r->shared->stop))
		err = look_after_child(r);
	now = clock_now_ns();
	ring_drain(&r->shared->ring, hand_on, r);
	tell_losses(r, now);
	tell_notes(r);
	atomic_store(&r->shared->others_cpu_ns, clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) + disposable_cpu_ns());
	return err;
}

static uint64_t remote_settled(void *self)
{
	return atomic_load(&((struct remote *)self)->shared->settled_ns);
}

static int remote_stop(void *self)
{
	struct remote *r = self;
	uint64_t until = clock_now_ns() + STOP_WITHIN_NS;

	atomic_store(&r->shared->stop, true);
	while (r->child && disposable_alive(r->child) && clock_now_ns() < until && !read_watch_stuck(&r->shared->watch)) {
		struct timespec ts = { 0, NS_PER_MS };

		nanosleep(&ts, NULL);
	}
	disposable_end(r->child);
	r->child = 0;
	return 0;
}

static void remote_cost(void *self, struct collector_cost *ret)
{
	struct remote *r = self;

	*ret = (struct collector_cost){ .events = r->events, .stacks_sent = atomic_load(&r->shared->stacks),
					.cpu_ns = r->child ? atomic_load(&r->shared->cpu_ns) : 0 };
}

const struct collector_ops collector_remote = {
	.name = "remote",
	.estimates = true,
	.usable = remote_usable,
	.start = remote_start,
	.add_target = remote_add_target,
	.arm = remote_arm,
	.poll = remote_poll,
	.settled_ns = remote_settled,
	.stop = remote_stop,
	.cost = remote_cost,
	.free = remote_free,
};
