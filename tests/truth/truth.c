/* Truth tracer: records every call of take_gil that slept or lasted, by probes on an unstripped interpreter.
 *
 *   truth -p PID -o FILE [-d SECONDS] [-m MIN_US] [-n] [-1]
 *
 * FILE holds struct truth_call records one after another (no header: compare.py reads it).  When the probes are in
 * place it prints "ready" on stderr; at the end one JSON object with the totals per thread on stdout.
 * Independent of gilscope: it links none of its files. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/truth/sites.h"
#include "tests/truth/truth.h"
#include "tests/truth/truth.skel.h"

enum { MAX_LINKS = TRUTH_SITES * 3 + 1 };

struct options {
	pid_t pid;
	const char *output;
	double seconds, min_us;
	bool probes_only, take_only;
};

struct tracer {
	struct truth_bpf *bpf;
	struct bpf_link *links[MAX_LINKS];
	unsigned n_links;
	FILE *out;
	uint64_t records, slept, slept_ns, t_start;
	char elf[PATH_MAX];
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int attach_at(struct tracer *t, const struct options *o, struct bpf_program *program, bool at_return, size_t offset)
{
	struct bpf_link *link = bpf_program__attach_uprobe(program, at_return, o->pid, t->elf, offset);

	if (!link)
		return -errno;
	t->links[t->n_links++] = link;
	return 0;
}

static int attach_site(struct tracer *t, const struct options *o, const struct site *s)
{
	bool take = s->kind == TRUTH_TAKE;
	int err = attach_at(t, o, take ? t->bpf->progs.take_entry : t->bpf->progs.drop_entry, false, s->offset);

	if (!err)
		err = attach_at(t, o, take ? t->bpf->progs.take_return : t->bpf->progs.drop_return, true, s->offset);
	if (!err && !o->probes_only && s->held)
		err = attach_at(t, o, take ? t->bpf->progs.take_held : t->bpf->progs.drop_released, false, s->held);
	return err;
}

static __attribute__((noinline)) void probed(void)
{
	__asm__ volatile("");
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What a probe's trap takes until its program reads the clock: the median of many in this process, each right after a sleep,
 * as in take_gil, with the target running meanwhile. */
static int measure_probe(struct tracer *t)
{
	const struct timespec pause = { .tv_nsec = 300000 };
	uint64_t ns[501];
	size_t offset = sites_offset_here((void *)probed);
	struct bpf_link *link = offset ? bpf_program__attach_uprobe(t->bpf->progs.calibrate, false, 0, "/proc/self/exe", offset) : NULL;

	if (!link)
		return -errno;
	for (unsigned i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		uint64_t before;

		nanosleep(&pause, NULL);
		before = now_ns();
		probed();
		ns[i] = t->bpf->bss->calibrated - before;
	}
	bpf_link__destroy(link);
	qsort(ns, sizeof(ns) / sizeof(ns[0]), sizeof(ns[0]), by_size);
	t->bpf->bss->probe_ns = ns[sizeof(ns) / sizeof(ns[0]) / 2];
	return 0;
}

static int attach(struct tracer *t, const struct options *o)
{
	struct site sites[TRUTH_SITES];
	unsigned n = sites_find(o->pid, t->elf, sites);

	if (!n)
		return fprintf(stderr, "truth: no take_gil in the symbols of pid %d\n", o->pid), -ENOENT;
	t->bpf = truth_bpf__open();
	if (!t->bpf)
		return -errno;
	t->bpf->rodata->target_tgid = (__u32)o->pid;
	t->bpf->rodata->min_ns = (__u64)(o->min_us * 1000);
	for (unsigned i = 0; i < n; i++)
		t->bpf->rodata->held_ip[i] = sites[i].held_ip;
	bpf_program__set_autoload(t->bpf->progs.on_switch, !o->probes_only);
	if (truth_bpf__load(t->bpf))
		return fprintf(stderr, "truth: could not load: %s\n", strerror(errno)), -errno;
	if (!o->probes_only) {
		if (measure_probe(t))
			return fprintf(stderr, "truth: could not measure a probe: %s\n", strerror(errno)), -errno;
		t->links[t->n_links] = bpf_program__attach(t->bpf->progs.on_switch);
		if (!t->links[t->n_links++])
			return fprintf(stderr, "truth: could not attach to sched_switch: %s\n", strerror(errno)), -errno;
	}
	for (unsigned i = 0; i < n; i++) {
		if (sites[i].kind == TRUTH_DROP && (o->take_only || o->probes_only))
			continue;
		if (sites[i].kind == TRUTH_TAKE && !sites[i].held && !sites[i].at_return && !o->probes_only)
			return fprintf(stderr, "truth: no store to gil.locked found in take_gil of %s\n", t->elf), -ENOENT;
		if (attach_site(t, o, &sites[i]))
			return fprintf(stderr, "truth: could not attach to %s: %s\n", t->elf, strerror(errno)), -errno;
	}
	return 0;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct tracer *t = ctx;
	const struct truth_call *c = data;

	(void)size;
	t->records++;
	if (c->kind == TRUTH_TAKE && c->sleeps) {
		t->slept++;
		t->slept_ns += c->t_return - c->t_entry;
	}
	if (t->out)
		fwrite(c, sizeof(*c), 1, t->out);
	return 0;
}

static void print_summary(const struct tracer *t, const struct options *o, uint64_t t_end)
{
	int map = bpf_map__fd(t->bpf->maps.totals);
	struct truth_totals sum;
	const char *comma = "";
	__u32 key = 0, next;
	bool first = true;

	printf("{\"pid\": %d, \"elf\": \"%s\", \"start_ns\": %" PRIu64 ", \"end_ns\": %" PRIu64 ", \"records\": %" PRIu64
	       ", \"probe_ns\": %llu, \"lost\": %llu, \"slept\": %" PRIu64 ", \"slept_ns\": %" PRIu64 ", \"threads\": {",
	       o->pid, t->elf, t->t_start, t_end, t->records, t->bpf->bss->probe_ns,
	       (unsigned long long)t->bpf->bss->lost, t->slept, t->slept_ns);
	while (!bpf_map_get_next_key(map, first ? NULL : &key, &next)) {
		first = false;
		key = next;
		if (bpf_map_lookup_elem(map, &key, &sum))
			continue;
		printf("%s\"%u\": {\"calls\": %llu, \"ns\": %llu, \"slept\": %llu, \"slept_ns\": %llu, \"held_ns\": %llu}", comma, key,
		       sum.calls, sum.ns, sum.slept, sum.slept_ns, sum.held_ns);
		comma = ", ";
	}
	printf("}}\n");
}

static int run(struct tracer *t, const struct options *o)
{
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(t->bpf->maps.records), on_record, t, NULL);
	struct timespec pause = { .tv_nsec = 20000000 };

	if (!ring)
		return -errno;
	t->t_start = now_ns();
	fprintf(stderr, "ready\n");
	while (!stop && (o->seconds <= 0 || (double)(now_ns() - t->t_start) < o->seconds * 1e9) && !kill(o->pid, 0)) {
		nanosleep(&pause, NULL);
		ring_buffer__consume(ring);
	}
	print_summary(t, o, now_ns());
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p': o->pid = (pid_t)strtol(arg, NULL, 10); return 0;
	case 'o': o->output = arg; return 0;
	case 'd': o->seconds = strtod(arg, NULL); return 0;
	case 'm': o->min_us = strtod(arg, NULL); return 0;
	case 'n': o->probes_only = true; return 0;
	case '1': o->take_only = true; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option table[] = {
		{ "pid", 'p', "PID", 0, "process to trace", 0 },
		{ "output", 'o', "FILE", 0, "records go here (default: nowhere)", 0 },
		{ "duration", 'd', "SECONDS", 0, "default: until a signal or the target's end", 0 },
		{ "min-us", 'm', "US", 0, "also record calls without a sleep from this length on (default 50)", 0 },
		{ "probes-only", 'n', NULL, 0, "only the two probes on take_gil, for measuring what they cost", 0 },
		{ "take-only", '1', NULL, 0, "do not probe drop_gil", 0 },
		{ 0 },
	};
	static const struct argp argp = { table, parse, NULL, "Truth tracer: calls of take_gil.", NULL, NULL, NULL };
	struct options o = { .min_us = 50 };
	struct tracer t = { 0 };
	int err;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o) || o.pid <= 0)
		return fprintf(stderr, "truth: -p PID is needed\n"), 2;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (o.output && !(t.out = fopen(o.output, "we")))
		return fprintf(stderr, "truth: could not write %s: %s\n", o.output, strerror(errno)), 3;
	err = attach(&t, &o);
	if (!err)
		err = run(&t, &o);
	for (unsigned i = 0; i < t.n_links; i++)
		bpf_link__destroy(t.links[i]);
	truth_bpf__destroy(t.bpf);
	if (t.out && fclose(t.out))
		err = -errno;
	return err ? 3 : 0;
}
