/* The signal collector: a command is started with a library that records its own waits and samples its own threads
 * (collectors/signal/preload), or a running Python is asked to load it; here its rings are drained, in the order of time over all threads
 * and processes.  Needs no privilege: everything is asked for by the target itself, which is ours. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/signal/door.h"
#include "collectors/signal/inject.h"
#include "collectors/signal/place.h"
#include "core/base/clock.h"
#include "core/target/proc_task.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define TICK_NS (100 * NS_PER_MS) /* losses and levels are told so often */
#define DRAIN_MS 10 /* rings of busy threads are emptied so often … */
#define HURRY_MS 1 /* … and so often when one was rather full */
#define RECOVER_NS NS_PER_S
#define LEFT_OUT_PERIOD_NS NS_PER_MS /* about what preload/stacks.c comes to when it leaves stacks out */

struct signal_collector {
	struct collector_options options;
	struct signal_place *place;
	struct signal_door *door;
	struct signal_gathered gathered;
	vec(pid_t) roots;
	vec(struct pollfd) polled;
	bool some_ended, armed, hurry, come; /* come: the command has said hello */
	bool own_place; /* processes that run already are asked to let the library in */
	uint64_t tick_ns, left_out_ns, events, stacks;
	uint32_t level;
};

static void note(struct signal_collector *c, const char *fmt, pid_t pid, const char *what)
{
	char text[384];

	if (!c->options.note)
		return;
	snprintf(text, sizeof(text), fmt, (int)pid, what);
	c->options.note(c->options.ctx, text);
}

/* --- the order of time ----------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct signal_item *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Gives out what was complete at `until`: of that time everything has been drained.  The rest waits for the next round. */
static void give_out(struct signal_collector *c, uint64_t until)
{
	struct signal_gathered *g = &c->gathered, rest = { 0 };

	vec_sort(&g->items, by_time);
	for (size_t i = 0; i < g->items.n; i++) {
		const struct ev_hdr *e = (const struct ev_hdr *)(g->bytes.items + g->items.items[i].at);

		if (g->items.items[i].t_ns > until) {
			signal_gather(&rest, e);
			continue;
		}
		c->options.emit(c->options.ctx, e);
		c->events++;
		c->stacks += e->kind == EV_STACK;
	}
	vec_done(&g->items);
	vec_done(&g->bytes);
	*g = rest;
}

/* --- what is said of a process ------------------------------------------------------------------------------------------- */

enum told { TOLD_SAMPLING = 1 };

static void say_limits(struct signal_collector *c, struct signal_process *p)
{
	static const char *const why[SAMPLING_N] = {
		[SAMPLING_NO_SIGNAL] = "every signal that could be used has a handler of its own",
		[SAMPLING_TAKEN] = "the program took the signal for itself",
		[SAMPLING_NO_TIMER] = "the kernel gave no timer",
	};
	uint32_t sampling = p->shared->sampling;

	if (sampling < SAMPLING_N && why[sampling] && !(p->told & TOLD_SAMPLING)) {
		p->told |= TOLD_SAMPLING;
		note(c, "pid %d: no on-CPU samples from here on: %s", p->pid, why[sampling]);
	}
}

/* At its end: threads that were born faster than rings were made for them, or were more than there are rings. */
static void say_missed(struct signal_collector *c, struct signal_process *p)
{
	char times[32];

	if (!p->shared->no_slot)
		return;
	snprintf(times, sizeof(times), "%u", p->shared->no_slot);
	note(c, "pid %d: %s times a thread found no room to be recorded in: it was taken up later, or ended before", p->pid, times);
}

/* --- processes come and go ---------------------------------------------------------------------------------------------- */

static struct ev_hdr header(uint32_t kind, size_t size, pid_t pid)
{
	return (struct ev_hdr){ .kind = (__u16)kind, .size = (__u16)size, .pid = (__u32)pid, .tid = (__u32)pid };
}

static void tell_main_thread(struct signal_collector *c, pid_t pid, uint64_t t, uint32_t flags)
{
	struct ev_thread e = { .h = header(EV_THREAD, sizeof(e), pid), .t_ns = t };
	struct proc_stat stat = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	if (!proc_stat_read(-1, name, &stat))
		e.start_ns = stat.start_ns;
	e.h.flags = flags;
	memcpy(e.comm, stat.comm, sizeof(e.comm) - 1);
	signal_gather(&c->gathered, &e.h);
}

static void tell_fork(struct signal_collector *c, const struct signal_process *p)
{
	struct ev_fork e = { .h = header(EV_FORK, sizeof(e), (pid_t)p->parent), .t_ns = p->arrived_ns, .child_pid = (__u32)p->pid,
			     .child_tid = (__u32)p->pid };

	e.h.flags = EV_F_FOLLOWED;
	signal_gather(&c->gathered, &e.h);
}

static void tell_exec(struct signal_collector *c, const struct signal_process *p)
{
	struct ev_exec e = { .h = header(EV_EXEC, sizeof(e), p->pid), .t_ns = p->arrived_ns };
	struct proc_stat stat = { 0 };

	if (!proc_stat_read(p->proc, "stat", &stat))
		memcpy(e.comm, stat.comm, sizeof(e.comm) - 1);
	signal_gather(&c->gathered, &e.h);
}

static void last_drain(struct signal_collector *c, struct signal_process *p, uint64_t now)
{
	uint64_t left_out = 0;

	signal_process_drain(p, &c->gathered);
	signal_process_losses(p, c->tick_ns, now, &c->gathered, &left_out);
}

/* The exec of a process that has the library from its environment is told by the next program's hello; this one's is silent. */
static void let_go(struct signal_collector *c, size_t i, uint64_t now)
{
	struct signal_process *p = signal_door_processes(c->door)->items[i];

	last_drain(c, p, now);
	p->arrived_ns = now;
	tell_exec(c, p);
	note(c, "pid %d: %s", p->pid, "it runs another program now, into which nothing was put: it is not recorded any more");
	signal_door_remove(c->door, i);
}

static bool is_root(const struct signal_collector *c, pid_t pid)
{
	for (size_t i = 0; i < c->roots.n; i++)
		if (c->roots.items[i] == pid)
			return true;
	return false;
}

static void welcome(struct signal_collector *c, struct signal_process *p)
{
	signal_process_vec *all = signal_door_processes(c->door);
	bool known = is_root(c, p->pid);

	for (size_t i = 0; i + 1 < all->n; i++) {
		if (all->items[i]->pid != p->pid)
			continue;
		last_drain(c, all->items[i], p->arrived_ns); /* its former program */
		signal_door_remove(c->door, i);
		known = true;
		break;
	}
	c->come = true;
	if (!known) {
		tell_fork(c, p);
		tell_main_thread(c, p->pid, p->arrived_ns, 0);
	}
	if (!p->forked && !p->injected)
		tell_exec(c, p);
}

static void farewell(struct signal_collector *c, size_t i, uint64_t now)
{
	struct signal_process *p = signal_door_processes(c->door)->items[i];
	struct ev_exit e = { .h = header(EV_EXIT, sizeof(e), p->pid), .t_ns = now };
	siginfo_t info = { 0 };

	last_drain(c, p, now);
	say_missed(c, p);
	e.h.flags = EV_F_PROCESS;
	if (!waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == p->pid)
		e.code = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
	signal_gather(&c->gathered, &e.h);
	signal_door_remove(c->door, i);
}

/* --- the tick --------------------------------------------------------------------------------------------------------------- */

static void emit_level(struct signal_collector *c, uint32_t level, uint32_t reason, uint64_t t)
{
	struct ev_level e = { .h = { .kind = EV_LEVEL, .size = sizeof(e) }, .t_ns = t, .level = level, .reason = reason,
			      .stack_period_ns = level < 3 ? LEFT_OUT_PERIOD_NS : 0 };

	c->level = level;
	signal_gather(&c->gathered, &e.h);
}

static void tick(struct signal_collector *c, uint64_t now)
{
	signal_process_vec *all = signal_door_processes(c->door);
	uint64_t left_out = 0;

	for (size_t i = all->n; i--; ) {
		signal_process_losses(all->items[i], c->tick_ns, now, &c->gathered, &left_out);
		signal_states_look(all->items[i], now, &c->gathered);
		say_limits(c, all->items[i]);
		if (signal_process_replaced(all->items[i]) && !signal_process_ended(all->items[i]))
			let_go(c, i, now);
	}
	c->tick_ns = now;
	if (left_out)
		c->left_out_ns = now;
	if (left_out && c->level == 3)
		emit_level(c, 2, EV_LEVEL_STACK_RATE, now);
	else if (c->level < 3 && now - c->left_out_ns > RECOVER_NS)
		emit_level(c, 3, EV_LEVEL_RECOVERED, now);
}

static void drain_all(struct signal_collector *c)
{
	signal_process_vec *all = signal_door_processes(c->door);

	c->hurry = false;
	for (size_t i = 0; i < all->n; i++)
		c->hurry |= signal_process_drain(all->items[i], &c->gathered);
}

/* --- the collector ------------------------------------------------------------------------------------------------------------ */

static int signal_usable(const struct collector_request *request, struct fail *why)
{
	struct signal_place *p;
	int err;

	if (!request->start && !request->inject) {
		fail_set(why, -EINVAL, FAIL_USAGE, "could not use the signal collector: it records a command that it starts, not a running process");
		return fail_hint(why, "gilscope record --collector signal -- COMMAND.  Python 3.14 and newer can be asked to let it in: --inject.");
	}
	err = signal_place_new(&p, SHARED_LIBRARY, NULL, NULL, why);
	if (!err)
		signal_place_free(p);
	return err;
}

static int signal_prepare(void **ret, const uid_t *owner, const gid_t *group, struct fail *why)
{
	struct signal_place *p;
	int err = signal_place_new(&p, SHARED_LIBRARY, owner, group, why);

	if (err)
		return err;
	signal_place_enter(p);
	*ret = p;
	return 0;
}

static void signal_forked(void *prepared)
{
	signal_place_leave(prepared);
}

static void signal_unprepare(void *prepared)
{
	signal_place_free(prepared);
}

static int open_door(struct signal_collector *c, struct fail *why)
{
	const struct signal_door_options door = { .listener = c->place->listener, .owner = c->place->owner, .sample_hz = c->options.sample_hz,
						  .follow = c->options.follow_children };
	int err = signal_door_open(&c->door, &door);

	return err ? fail_set(why, err, FAIL_OTHER, "could not start the signal collector: %s", strerror(-err)) : 0;
}

static int signal_start(void **ret_self, const struct collector_options *options, struct fail *why)
{
	struct signal_collector *c = xcalloc(1, sizeof(*c));
	int err;

	c->options = *options;
	c->place = options->prepared;
	c->own_place = !c->place;
	c->level = 3;
	err = c->place ? open_door(c, why) : 0; /* else when it is known whose processes will come */
	if (err) {
		free(c);
		return err;
	}
	*ret_self = c;
	return 0;
}

static void fill_config(struct shared_config *ret, const struct target *t)
{
	const struct runtime *r = target_runtime(t);
	const struct interp_place *gils[RUNTIME_MAX_INTERPS];
	unsigned n;

	memset(ret, 0, sizeof(*ret));
	if (!r)
		return;
	ret->python = 1;
	ret->walk = r->walk;
	ret->tss_offset = target_tss_offset(t);
	n = runtime_gils(r, gils);
	for (unsigned i = 0; i < n && i < SHARED_MAX_GILS; i++)
		ret->gils[ret->n_gils++] = (struct shared_gil){ .addr = gils[i]->gil, .gc_collecting = gils[i]->gc_collecting };
}

/* --- a process that runs already ------------------------------------------------------------------------------------------- */

struct expected {
	struct signal_door *door;
	pid_t pid;
};

static bool is_inside(void *expected)
{
	const struct expected *e = expected;
	const struct signal_process *p = signal_door_find(e->door, e->pid);

	return p && __atomic_load_n(&p->shared->inside, __ATOMIC_ACQUIRE);
}

/* One for all of them, so they must be one user's. */
static int make_own_place(struct signal_collector *c, pid_t pid, struct fail *why)
{
	struct proc_status status;
	const gid_t group = (gid_t)-1;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	err = proc_status_read(-1, name, &status);
	if (err)
		return fail_set(why, err, FAIL_ATTACH, "could not attach to pid %d: it has ended", (int)pid);
	if (c->place)
		return c->place->owner == status.uid ? 0 : fail_set(why, -EINVAL, FAIL_USAGE,
			"could not put the library into pid %d: it belongs to another user than the process before", (int)pid);
	err = signal_place_new(&c->place, SHARED_INJECTED, status.uid == geteuid() ? NULL : &status.uid, &group, why);
	return err ? err : open_door(c, why);
}

static void say_injected(struct signal_collector *c, pid_t pid, uint64_t took_ns)
{
	const struct signal_process *p = signal_door_find(c->door, pid);
	char text[256];

	snprintf(text, sizeof(text), "its Python was asked to load gilscope's library (--inject), which took %" PRIu64 " ms; %u of its calls lead "
		 "through it now and until it ends%s", took_ns / NS_PER_MS, p->shared->calls_changed,
		 p->shared->calls_left ? ", others lead to another library and were left as they are" : "");
	note(c, "pid %d: %s", pid, text);
	note(c, "pid %d: %s", pid, "waits that begin from here on are recorded exactly, samples are taken on the CPU; waits begun before, modules "
	     "loaded and programs started later are not seen inside");
}

static int let_in(struct signal_collector *c, struct target *t, struct fail *why)
{
	struct expected e = { .pid = target_pid(t) };
	struct shared_config config;
	uint64_t begin = clock_now_ns();
	int err = signal_inject_possible(t, why);

	if (!err && is_root(c, e.pid))
		err = fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it replaced its program meanwhile", (int)e.pid);
	if (!err)
		err = make_own_place(c, e.pid, why);
	if (err)
		return err;
	e.door = c->door;
	vec_push(&c->roots, e.pid);
	signal_door_expect(c->door, e.pid);
	err = signal_inject(t, c->place, is_inside, &e, why);
	if (err)
		return err;
	fill_config(&config, t);
	signal_door_publish(c->door, e.pid, &config);
	say_injected(c, e.pid, clock_now_ns() - begin);
	return 0;
}

static int signal_add_target(void *self, struct target *t, struct fail *why)
{
	struct signal_collector *c = self;
	struct shared_config config;

	if (!c->armed && c->own_place)
		return let_in(c, t, why);
	if (!c->armed) { /* our command, before it is let go */
		vec_push(&c->roots, target_pid(t));
		signal_door_expect(c->door, target_pid(t));
		return 0;
	}
	fill_config(&config, t);
	if (!target_same_program(t)) /* what was read is of the former one */
		return 0;
	signal_door_publish(c->door, target_pid(t), &config);
	return 0;
}

static int signal_arm(void *self, struct fail *why)
{
	struct signal_collector *c = self;
	uint64_t now = clock_now_ns();

	(void)why;
	c->armed = true;
	c->tick_ns = now;
	emit_level(c, 3, EV_LEVEL_START, now);
	for (size_t i = 0; i < c->roots.n; i++)
		tell_main_thread(c, c->roots.items[i], now, EV_F_AT_START);
	give_out(c, now);
	return 0;
}

/* Somebody at the door, or a process that ends: its end has no other witness, so it is noticed at once. */
static void wait_for_news(struct signal_collector *c, int timeout_ms)
{
	signal_process_vec *all = signal_door_processes(c->door);

	vec_clear(&c->polled);
	vec_push(&c->polled, ((struct pollfd){ .fd = signal_door_wake_fd(c->door), .events = POLLIN }));
	for (size_t i = 0; i < all->n; i++)
		vec_push(&c->polled, ((struct pollfd){ .fd = all->items[i]->pidfd, .events = POLLIN }));
	c->some_ended = poll(c->polled.items, c->polled.n, timeout_ms) > (c->polled.items[0].revents ? 1 : 0);
}

static void see_off(struct signal_collector *c, uint64_t now)
{
	signal_process_vec *all = signal_door_processes(c->door);

	for (size_t i = c->some_ended ? all->n : 0; i--; )
		if (signal_process_ended(all->items[i]))
			farewell(c, i, now);
	c->some_ended = false;
}

static int signal_poll(void *self, int timeout_ms)
{
	struct signal_collector *c = self;
	int limit = c->hurry ? HURRY_MS : c->come ? DRAIN_MS : timeout_ms;
	struct signal_process *newcomer;
	uint64_t now;

	if (!c->armed) {
		give_out(c, UINT64_MAX);
		return 0;
	}
	wait_for_news(c, limit < timeout_ms ? limit : timeout_ms);
	while (signal_door_take(c->door, &newcomer))
		welcome(c, newcomer);
	now = clock_now_ns();
	drain_all(c);
	if (now - c->tick_ns >= TICK_NS)
		tick(c, now);
	see_off(c, now);
	give_out(c, now);
	return 0;
}

static int signal_stop(void *self)
{
	struct signal_collector *c = self;
	signal_process_vec *all = signal_door_processes(c->door);
	uint64_t now = clock_now_ns(), left_out = 0;

	if (!c->armed)
		return 0;
	for (size_t i = 0; i < all->n; i++)
		__atomic_store_n(&all->items[i]->shared->stop, 1, __ATOMIC_RELAXED);
	drain_all(c);
	for (size_t i = 0; i < all->n; i++) {
		signal_process_losses(all->items[i], c->tick_ns, now, &c->gathered, &left_out);
		say_limits(c, all->items[i]);
		say_missed(c, all->items[i]);
		signal_states_unfinished(all->items[i], now, &c->gathered);
		if (!c->own_place && !signal_process_ended(all->items[i]))
			vec_push(&c->place->left, fcntl(all->items[i]->pidfd, F_DUPFD_CLOEXEC, 0));
	}
	c->armed = false;
	if (!c->come && c->roots.n && !c->own_place)
		note(c, "pid %d: the command did not load the library (%s): nothing inside it was recorded; --collector bpf and remote need none",
		     c->roots.items[0], "a static or setuid program, or one that clears its environment");
	return 0;
}

static void signal_cost(void *self, struct collector_cost *ret)
{
	struct signal_collector *c = self;

	*ret = (struct collector_cost){ .events = c->events, .stacks_sent = c->stacks };
}

static void signal_free(void *self)
{
	struct signal_collector *c = self;

	if (!c)
		return;
	signal_door_close(c->door);
	if (c->own_place)
		signal_place_free(c->place);
	vec_done(&c->roots);
	vec_done(&c->polled);
	vec_done(&c->gathered.items);
	vec_done(&c->gathered.bytes);
	free(c);
}

const struct collector_ops collector_signal = {
	.name = "signal",
	.usable = signal_usable,
	.prepare = signal_prepare,
	.forked = signal_forked,
	.unprepare = signal_unprepare,
	.start = signal_start,
	.add_target = signal_add_target,
	.arm = signal_arm,
	.poll = signal_poll,
	.stop = signal_stop,
	.cost = signal_cost,
	.free = signal_free,
};
