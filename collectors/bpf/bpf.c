/* Loads the bpf programs, tells them of targets, drains the ring.
 *
 * Every kernel object is held by a file descriptor of this process (links, maps, perf events), nothing is pinned: when we
 * die, however we die, the kernel takes all of it back.  Only this side inserts into shared maps (`procs`, `seen`), but for children
 * of targets, which the fork program adds. */
#include <errno.h>
#include <linux/perf_event.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "collectors/bpf/detail.h"
#include "collectors/bpf/usable.h"
#include "collectors/bpf/wire.h"
#include "collectors/collector.h"
#include "core/base/clock.h"
#include "core/event/event.h"
#include "core/event/event_names.h"
#include "core/target/target.h"

#include "collectors/bpf/gil.skel.h"

#define NATIVE_RING_BYTES (16U << 20)
#define TICK_NS (100 * NS_PER_MS) /* how often losses are read and the dials looked at */
#define STATS_EVERY_NS (10 * NS_PER_S) /* the programs' run time is measured (it costs 50 ns a run) … */
#define STATS_FOR_NS (200 * NS_PER_MS) /* … for so long, and stands for the rest */

struct bpf_collector {
	struct collector_options options;
	struct gil_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link **samplers;
	int n_cpus;
	pthread_mutex_t mutex; /* of add_target: dials, iterator */
	bool has_target;
	bool armed;
	struct detail detail;
	uint64_t counts[BPF_COUNT_N], lost_seen[EV_LOSS_N];
	uint64_t tick_ns, last_cpu_ns;
	uint64_t stats_since_ns, stats_due_ns, stats_run_ns0, stats_runs0; /* window being measured */
	int stats_fd;
	uint64_t measured_ns, measured_run_ns, measured_runs, first_armed_ns, stopped_ns;
	uint64_t blink_ns; /* 0 no; see blink() */
	bool dark;
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level > LIBBPF_WARN || !getenv("GILSCOPE_BPF_DEBUG"))
		return 0;
	return vfprintf(stderr, fmt, args);
}

/* --- the ring ------------------------------------------------------------------------------------------------- */

static int on_event(void *ctx, void *data, size_t bytes)
{
	struct bpf_collector *c = ctx;
	const struct ev_hdr *h = data;

	/* The ring is ours alone, but its layout is checked all the same: an event is never read past its end. */
	if (!event_size_ok(h, bytes))
		return 0;
	c->options.emit(c->options.ctx, h);
	if (h->kind == EV_STACK) {
		const struct ev_stack *s = data;
		__u8 one = 1;

		bpf_map_update_elem(bpf_map__fd(c->skel->maps.seen), &s->key, &one, BPF_ANY);
	}
	return 0;
}

/* --- samplers -------------------------------------------------------------------------------------------------- */

static int open_sampler(int cpu, uint32_t hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = NS_PER_S / hz, /* a fixed period: frequency mode oversamples idle CPUs */
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int start_samplers(struct bpf_collector *c, struct fail *why)
{
	c->n_cpus = libbpf_num_possible_cpus();
	c->samplers = calloc((size_t)c->n_cpus, sizeof(*c->samplers));
	if (!c->samplers)
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not start sampling: out of memory");
	for (int cpu = 0; cpu < c->n_cpus; cpu++) {
		int fd = open_sampler(cpu, c->options.sample_hz);

		if (fd < 0 && (errno == ENODEV || errno == ENXIO))
			continue; /* offline */
		if (fd < 0) {
			fail_set(why, -errno, FAIL_MACHINE, "could not open the cpu-clock sampler: %s", strerror(errno));
			return fail_hint(why, "Record without samples: add -r 0.  Or allow them: sysctl kernel.perf_event_paranoid=2 "
					      "with CAP_PERFMON.");
		}
		c->samplers[cpu] = bpf_program__attach_perf_event(c->skel->progs.on_sample, fd);
		if (!c->samplers[cpu]) {
			int err = -errno;

			close(fd);
			return fail_set(why, err, FAIL_MACHINE, "could not attach the sampler: %s", strerror(-err));
		}
	}
	return 0;
}

static void stop_samplers(struct bpf_collector *c)
{
	for (int cpu = 0; c->samplers && cpu < c->n_cpus; cpu++)
		bpf_link__destroy(c->samplers[cpu]);
	free(c->samplers);
	c->samplers = NULL;
}

/* --- start ------------------------------------------------------------------------------------------------------ */

static int explain_load(int err, struct fail *why)
{
	struct btf *btf = err == -EPERM || err == -EACCES ? NULL : btf__load_vmlinux_btf();

	if (!btf && err != -EPERM && err != -EACCES) {
		fail_set(why, err, FAIL_MACHINE, "could not load the eBPF programs: this kernel has no BTF (/sys/kernel/btf/vmlinux)");
		return fail_hint(why, "It needs 5.15 or newer, built with CONFIG_DEBUG_INFO_BTF, as distributions' kernels are.");
	}
	btf__free(btf);
	fail_set(why, err, FAIL_MACHINE, "could not load the eBPF programs: %s", strerror(-err));
	if (err == -EPERM || err == -EACCES)
		return fail_hint(why, "Run as root (sudo gilscope …) or give the program the capabilities it needs: sudo setcap "
				      TARGET_SETCAP " \"$(command -v gilscope)\".  `gilscope doctor` names what is missing.");
	return fail_hint(why, "--collector remote samples without them; GILSCOPE_BPF_DEBUG=1 shows what the kernel said.");
}

static void bpf_free(void *self)
{
	struct bpf_collector *c = self;

	if (!c)
		return;
	stop_samplers(c);
	ring_buffer__free(c->ring);
	if (c->stats_fd >= 0)
		close(c->stats_fd);
	gil_bpf__destroy(c->skel);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

static void attach_switch(struct bpf_collector *c)
{
	c->skel->links.on_switch = bpf_program__attach(c->skel->progs.on_switch);
	c->skel->links.on_waking = bpf_program__attach(c->skel->progs.on_waking);
}

static void detach_switch(struct bpf_collector *c)
{
	bpf_link__destroy(c->skel->links.on_switch);
	bpf_link__destroy(c->skel->links.on_waking);
	c->skel->links.on_switch = c->skel->links.on_waking = NULL;
}

static int load(struct bpf_collector *c, struct fail *why)
{
	int err;

	c->skel = gil_bpf__open();
	if (!c->skel)
		return explain_load(-errno, why);
	c->skel->rodata->follow_children = c->options.follow_children;
	c->skel->rodata->own_pid_namespace = !target_in_initial_pid_namespace();
	c->skel->rodata->native = c->options.native;
	if (c->options.native)
		bpf_map__set_max_entries(c->skel->maps.native_ring, NATIVE_RING_BYTES);
	err = gil_bpf__load(c->skel);
	if (err)
		return explain_load(err, why);
	attach_switch(c);
	c->skel->links.on_fork = bpf_program__attach(c->skel->progs.on_fork);
	c->skel->links.on_exec = bpf_program__attach(c->skel->progs.on_exec);
	c->skel->links.on_exit = bpf_program__attach(c->skel->progs.on_exit);
	c->skel->links.on_rename = bpf_program__attach(c->skel->progs.on_rename);
	if (!c->skel->links.on_switch || !c->skel->links.on_waking || !c->skel->links.on_fork || !c->skel->links.on_exec ||
	    !c->skel->links.on_exit || !c->skel->links.on_rename)
		return explain_load(-errno, why);
	c->ring = ring_buffer__new(bpf_map__fd(c->skel->maps.ring), on_event, c, NULL);
	if (!c->ring)
		return explain_load(-errno, why);
	/* After the other one: what an event names is in here by the time that event is read. */
	if (c->options.native && ring_buffer__add(c->ring, bpf_map__fd(c->skel->maps.native_ring), on_event, c))
		return explain_load(-errno, why);
	return 0;
}

static int bpf_start(void **ret_self, const struct collector_options *options, struct fail *why)
{
	struct bpf_collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not start the bpf collector: out of memory");
	c->options = *options;
	c->stats_fd = -1;
	pthread_mutex_init(&c->mutex, NULL);
	libbpf_set_print(quiet);
	err = load(c, why);
	if (err) {
		bpf_free(c);
		return err;
	}
	*ret_self = c;
	return 0;
}

/* --- targets ----------------------------------------------------------------------------------------------------- */

static void fill_proc(struct bpf_proc *ret, const struct target *t)
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
	ret->several_interps = r->n_interps > 1;
	n = runtime_gils(r, gils);
	for (unsigned i = 0; i < n && i < BPF_MAX_GILS; i++)
		ret->gils[ret->n_gils++] = (struct bpf_gil){ .addr = gils[i]->gil, .gc_collecting = gils[i]->gc_collecting };
}

static int iterate(struct bpf_collector *c, enum bpf_iter_mode mode)
{
	struct bpf_link *link;
	char buf[64];
	int fd, err = 0;

	c->skel->bss->dials.iter_mode = mode;
	link = bpf_program__attach_iter(c->skel->progs.each_task, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = -errno;
	} else {
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
	}
	bpf_link__destroy(link);
	return err;
}

/* The programs know processes by their number in the initial pid namespace. */
static int kernel_pid(struct bpf_collector *c, const struct target *t, __u32 *ret, struct fail *why)
{
	struct bpf_dials *dials = &c->skel->bss->dials;
	int err;

	*ret = (__u32)target_pid(t);
	if (!c->skel->rodata->own_pid_namespace)
		return 0;
	dials->find_pid = *ret;
	dials->found_pid = 0;
	err = iterate(c, BPF_ITER_FIND);
	if (err)
		return fail_set(why, err, FAIL_MACHINE, "could not list the processes: %s", strerror(-err));
	if (!dials->found_pid)
		return fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it has ended", (int)target_pid(t));
	*ret = dials->found_pid;
	return 0;
}

/* Before arming it is inserted; from then on the programs insert children and delete what has ended, so it must be there. */
static int tell_programs(struct bpf_collector *c, __u32 pid, const struct bpf_proc *proc)
{
	struct bpf_dials *dials = &c->skel->bss->dials;

	if (!c->armed && (!c->has_target || dials->only_pid == pid)) {
		c->skel->bss->only_proc = *proc;
		dials->only_pid = pid;
	} else if (!c->armed) {
		dials->only_pid = 0; /* several now: all are found in the map */
	} else if (dials->only_pid == pid) {
		c->skel->bss->only_proc = *proc;
	}
	c->has_target = true;
	return bpf_map_update_elem(bpf_map__fd(c->skel->maps.procs), &pid, proc, c->armed ? BPF_EXIST : BPF_ANY) ? -errno : 0;
}

static int add_target(struct bpf_collector *c, struct target *t, struct fail *why)
{
	struct bpf_proc proc;
	__u32 pid;
	int err = kernel_pid(c, t, &pid, why);

	if (err)
		return err;
	fill_proc(&proc, t);
	err = tell_programs(c, pid, &proc);
	if (!err && c->armed && !target_same_program(t)) { /* the exec program may have come before this */
		memset(&proc, 0, sizeof(proc));
		err = tell_programs(c, pid, &proc);
	}
	if (err == -ENOENT)
		return fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it has ended", (int)target_pid(t));
	if (err == -E2BIG)
		return fail_set(why, err, FAIL_ATTACH, "could not attach to pid %d: more than %d processes at once",
				(int)target_pid(t), BPF_MAX_PROCS);
	if (err)
		return fail_set(why, err, FAIL_OTHER, "could not add pid %d: %s", (int)target_pid(t), strerror(-err));
	return 0;
}

static int bpf_add_target(void *self, struct target *t, struct fail *why)
{
	struct bpf_collector *c = self;
	int err;

	pthread_mutex_lock(&c->mutex);
	err = add_target(c, t, why);
	pthread_mutex_unlock(&c->mutex);
	return err;
}

/* --- the tick: losses, dials, own cost ------------------------------------------------------------------------- */

static void read_counters(struct bpf_collector *c, uint64_t now[BPF_COUNT_N])
{
	int n = libbpf_num_possible_cpus();
	struct bpf_counters *per_cpu = calloc((size_t)n, sizeof(*per_cpu));
	__u32 zero = 0;

	memset(now, 0, sizeof(uint64_t) * BPF_COUNT_N);
	if (per_cpu && !bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.counters), &zero, per_cpu))
		for (int cpu = 0; cpu < n; cpu++)
			for (unsigned k = 0; k < BPF_COUNT_N; k++)
				now[k] += per_cpu[cpu].n[k];
	free(per_cpu);
}

/* Returns how many were lost because the ring was full. */
static uint64_t emit_losses(struct bpf_collector *c, const uint64_t *count, uint64_t t0, uint64_t t1)
{
	uint64_t all = 0;

	for (unsigned cls = 0; cls < EV_LOSS_N; cls++) { /* those that the programs count */
		struct ev_loss e = { .h = { .kind = EV_LOSS, .size = sizeof(e) }, .t0_ns = t0, .t1_ns = t1,
				     .count = count[cls] - c->lost_seen[cls], .cls = cls };

		if (!e.count)
			continue;
		c->lost_seen[cls] = count[cls];
		if (cls != EV_LOSS_STORAGE && cls != EV_LOSS_RING_NATIVE) /* no sign of overload: the map was busy on that CPU; a ring of its own */
			all += e.count;
		c->options.emit(c->options.ctx, &e.h);
	}
	return all;
}

static void emit_level(struct bpf_collector *c, const struct detail_dials *d, uint64_t t)
{
	struct ev_level e = { .h = { .kind = EV_LEVEL, .size = sizeof(e) }, .t_ns = t, .min_off_ns = d->min_off_ns,
			      .stack_period_ns = d->stack_period_ns, .level = d->level, .reason = d->reason };

	c->options.emit(c->options.ctx, &e.h);
}

static void run_time(struct bpf_collector *c, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_program *prog;

	*ret_ns = *ret_runs = 0;
	bpf_object__for_each_program(prog, c->skel->obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			continue;
		*ret_ns += info.run_time_ns;
		*ret_runs += info.run_cnt;
	}
}

/* The kernel's run-time statistics are switched on for short windows only; their share stands for the whole. */
static void measure_cost(struct bpf_collector *c, uint64_t now)
{
	uint64_t ns, runs;

	if (c->stats_fd < 0) {
		if (now < c->stats_due_ns)
			return;
		c->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
		c->stats_due_ns = now + STATS_EVERY_NS;
		if (c->stats_fd < 0)
			return;
		run_time(c, &c->stats_run_ns0, &c->stats_runs0);
		c->stats_since_ns = now;
		return;
	}
	if (now - c->stats_since_ns < STATS_FOR_NS)
		return;
	run_time(c, &ns, &runs);
	c->measured_ns += now - c->stats_since_ns;
	c->measured_run_ns += ns - c->stats_run_ns0;
	c->measured_runs += runs - c->stats_runs0;
	close(c->stats_fd);
	c->stats_fd = -1;
}

static void tick(struct bpf_collector *c, uint64_t now)
{
	uint64_t count[BPF_COUNT_N], cpu = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct detail_dials dials;
	struct detail_load load = { .now_ns = now, .span_ns = now - c->tick_ns, .own_cpu_ns = cpu - c->last_cpu_ns };

	read_counters(c, count);
	load.lost = emit_losses(c, count, c->tick_ns, now);
	load.events = count[BPF_COUNT_EVENTS] - c->counts[BPF_COUNT_EVENTS];
	load.shorts = count[BPF_COUNT_SHORT] - c->counts[BPF_COUNT_SHORT];
	load.looks = count[BPF_COUNT_LOOKS] - c->counts[BPF_COUNT_LOOKS];
	load.frames = count[BPF_COUNT_FRAMES] - c->counts[BPF_COUNT_FRAMES];
	memcpy(c->counts, count, sizeof(c->counts));
	c->tick_ns = now;
	c->last_cpu_ns = cpu;
	if (detail_step(&c->detail, &load, &dials)) {
		c->skel->bss->dials.min_wait_ns = dials.min_wait_ns;
		c->skel->bss->dials.min_off_ns = dials.min_off_ns;
		c->skel->bss->dials.min_other_ns = dials.min_other_ns;
		c->skel->bss->dials.look_period_ns = dials.look_period_ns;
		c->skel->bss->dials.stack_period_ns = dials.stack_period_ns;
		emit_level(c, &dials, now);
	}
	measure_cost(c, now);
}

static int bpf_arm(void *self, struct fail *why)
{
	struct bpf_collector *c = self;
	uint64_t now = clock_now_ns();
	struct detail_dials dials = { .level = 3, .reason = EV_LEVEL_START };

	c->armed = true;
	c->first_armed_ns = c->tick_ns = now;
	c->last_cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	c->stats_due_ns = now + NS_PER_S / 2;
	c->skel->bss->dials.start_ns = now;
	c->skel->bss->dials.no_stacks = getenv("GILSCOPE_BENCH_NO_STACKS") != NULL; /* tests/bench/costs.py: what a switch costs without */
	if (getenv("GILSCOPE_BENCH_BLINK_MS"))
		c->blink_ns = strtoull(getenv("GILSCOPE_BENCH_BLINK_MS"), NULL, 10) * NS_PER_MS;
	__atomic_store_n(&c->skel->bss->dials.armed, 1, __ATOMIC_RELEASE);
	emit_level(c, &dials, now);
	int err = iterate(c, BPF_ITER_START);
	if (err)
		return fail_set(why, err, FAIL_MACHINE, "could not list the threads: %s", strerror(-err));
	/* The samplers last: arming them interrupts every CPU, which would be recorded as the target's. */
	return c->options.sample_hz ? start_samplers(c, why) : 0;
}

/* For tests/bench/overhead.py: the programs that cost something and the samplers are attached in every other blink_ns of
 * CLOCK_MONOTONIC only, so that bare and observed lie fractions of a second apart.  Returns how long to poll at most. */
static int blink(struct bpf_collector *c, int timeout_ms)
{
	uint64_t now = clock_now_ns();
	bool dark = !(now / c->blink_ns & 1);
	int left_ms = (int)((c->blink_ns - now % c->blink_ns) / NS_PER_MS) + 1;

	if (!c->armed || dark == c->dark)
		return left_ms < timeout_ms ? left_ms : timeout_ms;
	c->dark = dark;
	if (dark) {
		c->skel->bss->dials.armed = 0;
		stop_samplers(c);
		detach_switch(c);
		return 0; /* what is in the ring is work of the time before */
	}
	c->tick_ns = now;
	c->last_cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	c->skel->bss->dials.armed = 1;
	attach_switch(c);
	start_samplers(c, &(struct fail){ 0 });
	return 0;
}

static int bpf_poll(void *self, int timeout_ms)
{
	struct bpf_collector *c = self;
	int err;

	if (c->blink_ns)
		timeout_ms = blink(c, timeout_ms);
	err = ring_buffer__poll(c->ring, timeout_ms);
	if (err < 0 && err != -EINTR)
		return err;
	err = ring_buffer__consume(c->ring); /* events are sent without a wake-up: take what is there */
	if (err < 0)
		return err;
	uint64_t now = clock_now_ns();
	if (c->armed && !c->dark && now - c->tick_ns >= TICK_NS)
		tick(c, now);
	return 0;
}

static int bpf_stop(void *self)
{
	struct bpf_collector *c = self;
	uint64_t count[BPF_COUNT_N];
	int err;

	if (!c->armed)
		return 0;
	stop_samplers(c);
	pthread_mutex_lock(&c->mutex);
	err = iterate(c, BPF_ITER_STOP);
	c->skel->bss->dials.armed = 0;
	c->armed = false;
	pthread_mutex_unlock(&c->mutex);
	c->stopped_ns = clock_now_ns();
	read_counters(c, count);
	emit_losses(c, count, c->tick_ns, c->stopped_ns);
	memcpy(c->counts, count, sizeof(c->counts));
	if (c->stats_fd >= 0)
		c->stats_since_ns = 0, measure_cost(c, c->stopped_ns);
	return err;
}

static void bpf_cost(void *self, struct collector_cost *ret)
{
	struct bpf_collector *c = self;
	uint64_t end = c->stopped_ns ? c->stopped_ns : clock_now_ns();

	memset(ret, 0, sizeof(*ret));
	ret->events = c->counts[BPF_COUNT_EVENTS];
	ret->stacks_sent = c->counts[BPF_COUNT_STACKS];
	ret->native_skipped = c->counts[BPF_COUNT_NATIVE_SKIPPED];
	if (c->measured_ns && c->first_armed_ns) {
		double scale = (double)(end - c->first_armed_ns) / (double)c->measured_ns;

		ret->bpf_run_ns = (uint64_t)((double)c->measured_run_ns * scale);
		ret->bpf_runs = (uint64_t)((double)c->measured_runs * scale);
	}
}

const struct collector_ops collector_bpf = {
	.name = "bpf",
	.copies_stacks = true,
	.usable = bpf_usable,
	.start = bpf_start,
	.add_target = bpf_add_target,
	.arm = bpf_arm,
	.poll = bpf_poll,
	.stop = bpf_stop,
	.cost = bpf_cost,
	.free = bpf_free,
};
