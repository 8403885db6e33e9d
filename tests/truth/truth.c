/* Truth tracer: records every call of take_gil that slept or lasted, by probes on an unstripped interpreter.
 *
 *   truth -p PID -o FILE [-d SECONDS] [-m MIN_US] [-n] [-1]
 *
 * FILE holds struct truth_call records one after another (no header: truthfile.py reads it).  When the probes are in
 * place it prints "ready" on stderr; at the end one JSON object with the totals per thread on stdout.
 * Independent of gilscope: it links none of its files. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
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

#include "tests/truth/truth.h"
#include "tests/truth/truth.skel.h"

enum { MAX_SITES = 8, MAX_LINKS = MAX_SITES * 2 + 1 };

struct options {
	pid_t pid;
	const char *output;
	double seconds, min_us;
	bool probes_only, take_only;
};

struct site { /* one copy of the function; the compiler makes several (.constprop.0, .isra.0) */
	enum truth_kind kind;
	size_t offset; /* in the file */
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

/* "take_gil", "take_gil.constprop.0", … but not "take_gil_foo". */
static int site_kind(const char *name)
{
	static const char *const wanted[TRUTH_KINDS] = { "take_gil", "drop_gil" };

	for (int kind = 0; kind < TRUTH_KINDS; kind++) {
		size_t len = strlen(wanted[kind]);

		if (!strncmp(name, wanted[kind], len) && (!name[len] || name[len] == '.') && !strstr(name, ".cold"))
			return kind;
	}
	return -1;
}

static size_t file_offset(Elf *elf, GElf_Addr addr)
{
	size_t n = 0;
	GElf_Phdr ph;

	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && addr >= ph.p_vaddr && addr < ph.p_vaddr + ph.p_filesz)
			return addr - ph.p_vaddr + ph.p_offset;
	return 0;
}

static unsigned sites_of_section(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, struct site *ret)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	unsigned n = 0;
	GElf_Sym sym;

	if (!data || !sh->sh_entsize)
		return 0;
	for (size_t i = 0; i < sh->sh_size / sh->sh_entsize && n < MAX_SITES; i++) {
		const char *name;
		int kind;

		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		kind = name ? site_kind(name) : -1;
		if (kind >= 0)
			ret[n++] = (struct site){ .kind = (enum truth_kind)kind, .offset = file_offset(elf, sym.st_value) };
	}
	return n;
}

static unsigned find_sites(const char *path, struct site *ret)
{
	unsigned n = 0;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);

	while (elf && !n && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_SYMTAB)
			n = sites_of_section(elf, scn, &sh, ret);
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return n;
}

/* The first mapped executable file that has the symbols: libpython, or the interpreter itself. */
static unsigned find_elf(struct tracer *t, pid_t pid, struct site *ret)
{
	char line[PATH_MAX + 128], path[64], perms[8], file[PATH_MAX], last[PATH_MAX] = "";
	unsigned n = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !n && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%*s %7s %*s %*s %*s %4095s", perms, file) != 2 || !strchr(perms, 'x') || file[0] != '/')
			continue;
		if (!strcmp(file, last))
			continue;
		memcpy(last, file, sizeof(last));
		snprintf(t->elf, sizeof(t->elf), "/proc/%d/root%.4000s", pid, file);
		n = find_sites(t->elf, ret);
	}
	if (maps)
		fclose(maps);
	return n;
}

static int attach_site(struct tracer *t, const struct options *o, const struct site *s)
{
	struct bpf_program *programs[2] = { t->bpf->progs.take_entry, t->bpf->progs.take_return };

	if (s->kind == TRUTH_DROP) {
		programs[0] = t->bpf->progs.drop_entry;
		programs[1] = t->bpf->progs.drop_return;
	}
	for (int i = 0; i < 2; i++) {
		struct bpf_link *link = bpf_program__attach_uprobe(programs[i], i == 1, o->pid, t->elf, s->offset);

		if (!link)
			return -errno;
		t->links[t->n_links++] = link;
	}
	return 0;
}

static int attach(struct tracer *t, const struct options *o)
{
	struct site sites[MAX_SITES];
	unsigned n = find_elf(t, o->pid, sites);

	if (!n)
		return fprintf(stderr, "truth: no take_gil in the symbols of pid %d\n", o->pid), -ENOENT;
	t->bpf = truth_bpf__open();
	if (!t->bpf)
		return -errno;
	t->bpf->rodata->target_tgid = (__u32)o->pid;
	t->bpf->rodata->min_ns = (__u64)(o->min_us * 1000);
	bpf_program__set_autoload(t->bpf->progs.on_switch, !o->probes_only);
	if (truth_bpf__load(t->bpf))
		return fprintf(stderr, "truth: could not load: %s\n", strerror(errno)), -errno;
	if (!o->probes_only) {
		t->links[t->n_links] = bpf_program__attach(t->bpf->progs.on_switch);
		if (!t->links[t->n_links++])
			return fprintf(stderr, "truth: could not attach to sched_switch: %s\n", strerror(errno)), -errno;
	}
	for (unsigned i = 0; i < n; i++) {
		if (sites[i].kind == TRUTH_DROP && (o->take_only || o->probes_only))
			continue;
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
	       ", \"lost\": %llu, \"slept\": %" PRIu64 ", \"slept_ns\": %" PRIu64 ", \"threads\": {",
	       o->pid, t->elf, t->t_start, t_end, t->records, (unsigned long long)t->bpf->bss->lost, t->slept, t->slept_ns);
	while (!bpf_map_get_next_key(map, first ? NULL : &key, &next)) {
		first = false;
		key = next;
		if (bpf_map_lookup_elem(map, &key, &sum))
			continue;
		printf("%s\"%u\": {\"calls\": %llu, \"ns\": %llu, \"slept\": %llu, \"slept_ns\": %llu}", comma, key,
		       sum.calls, sum.ns, sum.slept, sum.slept_ns);
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
	elf_version(EV_CURRENT);
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
