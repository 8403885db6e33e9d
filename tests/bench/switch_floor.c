/* switch_floor PID SECONDS: mean cost of the programs of switch_floor.bpf.c while that process works, by the kernel's statistics.
 * Prints "empty NS\nleast NS\nswitches PER_S\n"; `least` counts switches of the process's threads only. */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/bench/switch_floor.skel.h"

struct runs {
	double ns, n;
};

static struct runs runs_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return (struct runs){ 0 };
	return (struct runs){ .ns = (double)info.run_time_ns, .n = (double)info.run_cnt };
}

int main(int argc, char **argv)
{
	unsigned seconds = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	struct switch_floor_bpf *skel;
	struct runs empty, least;
	double mine, others;

	if (!seconds) {
		fprintf(stderr, "usage: switch_floor PID SECONDS\n");
		return 2;
	}
	skel = switch_floor_bpf__open();
	if (!skel)
		return 1;
	skel->rodata->target_tgid = (__u32)strtoul(argv[1], NULL, 10);
	if (switch_floor_bpf__load(skel) || switch_floor_bpf__attach(skel) || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) {
		fprintf(stderr, "switch_floor: %s\n", strerror(errno));
		return 1;
	}
	skel->bss->switches = 0;
	empty = runs_of(skel->progs.empty);
	least = runs_of(skel->progs.least);
	sleep(seconds);
	mine = (double)skel->bss->switches;
	empty = (struct runs){ runs_of(skel->progs.empty).ns - empty.ns, runs_of(skel->progs.empty).n - empty.n };
	least = (struct runs){ runs_of(skel->progs.least).ns - least.ns, runs_of(skel->progs.least).n - least.n };
	switch_floor_bpf__destroy(skel);
	if (!empty.n || !mine)
		return 1;
	others = least.n > mine ? least.n - mine : 0; /* those returned at once, as `empty` does */
	printf("empty %.1f\nleast %.1f\nswitches %.0f\n", empty.ns / empty.n, (least.ns - others * empty.ns / empty.n) / mine,
	       mine / seconds);
	return 0;
}
