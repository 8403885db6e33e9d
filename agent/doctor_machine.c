/* Checks of the kernel and its settings.  Facts about versions: knowledge of kernel 5.8 to 6.18; the BPF check does
 * what the collector does (load a tp_btf/sched_switch program that uses bpf_probe_read_kernel, attach it), so it is
 * the one that decides; the others say why it failed. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "core/util/file.h"
#include "core/util/human.h"

static void probe_kernel(struct doctor *d, const struct check *c, struct finding *f)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	(void)d, (void)c;
	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		finding_set(f, FINDING_WARN, "version not readable");
		return;
	}
	finding_set(f, major > 5 || (major == 5 && minor >= 15) ? FINDING_OK : FINDING_FAIL, "%.64s", u.release);
}

static void probe_cpu(struct doctor *d, const struct check *c, struct finding *f)
{
	struct utsname u;

	(void)d, (void)c;
	if (uname(&u))
		finding_set(f, FINDING_WARN, "not readable");
	else
		finding_set(f, strcmp(u.machine, "x86_64") ? FINDING_FAIL : FINDING_OK, "%.64s", u.machine);
}

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level, (void)fmt, (void)args;
	return 0;
}

static void probe_btf(struct doctor *d, const struct check *c, struct finding *f)
{
	(void)d, (void)c;
	libbpf_print_fn_t print = libbpf_set_print(silent);
	struct btf *btf = btf__load_vmlinux_btf(); /* as libbpf will when the programs are loaded: from any of its places */

	libbpf_set_print(print);
	finding_set(f, btf ? FINDING_OK : FINDING_FAIL, btf ? "found and read" : "none that can be read (/sys/kernel/btf/vmlinux)");
	btf__free(btf);
}

static void probe_lockdown(struct doctor *d, const struct check *c, struct finding *f)
{
	char text[128];

	(void)d, (void)c;
	if (file_read_line("/sys/kernel/security/lockdown", text, sizeof(text)) < 0)
		finding_set(f, FINDING_OK, "not shown here (securityfs absent); the BPF check below decides");
	else
		finding_set(f, strstr(text, "[confidentiality]") ? FINDING_FAIL : FINDING_OK, "%s", text);
}

static void probe_memlock(struct doctor *d, const struct check *c, struct finding *f)
{
	char bytes[HUMAN_LEN];
	struct rlimit limit;

	(void)d, (void)c;
	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		finding_set(f, FINDING_WARN, "not readable");
	else if (limit.rlim_cur == RLIM_INFINITY)
		finding_set(f, FINDING_OK, "unlimited");
	else /* BPF memory is charged to the cgroup since 5.11, older kernels already failed above */
		finding_set(f, FINDING_OK, "%s (not used for BPF since 5.11)", human_bytes(bytes, limit.rlim_cur));
}

static int open_cpu_clock(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = 99, .freq = 1, .disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

static void probe_perf(struct doctor *d, const struct check *c, struct finding *f)
{
	char paranoid[16] = "?";
	int fd = open_cpu_clock();

	(void)c;
	file_read_line("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid));
	if (fd >= 0) {
		close(fd);
		finding_set(f, FINDING_OK, "cpu-clock event opened (perf_event_paranoid %s)", paranoid);
		return;
	}
	finding_set(f, FINDING_FAIL, "cpu-clock event: %s (perf_event_paranoid %s)", strerror(errno), paranoid);
	if (!doctor_has_cap(d, CAP_PERFMON)) /* with it, only Debian's level 3 and above or a filter can refuse */
		finding_paste_rights(f, d);
}

static void probe_unprivileged_bpf(struct doctor *d, const struct check *c, struct finding *f)
{
	char value[16];

	(void)c;
	if (file_read_line("/proc/sys/kernel/unprivileged_bpf_disabled", value, sizeof(value)) < 0)
		finding_set(f, FINDING_OK, "no such setting here");
	else
		finding_set(f, FINDING_OK, "%s (%s)", value,
			    doctor_has_cap(d, CAP_BPF) ? "no matter: CAP_BPF is there" : "CAP_BPF is needed either way");
}

/* r0 = 0, after a read of kernel memory that lockdown=confidentiality forbids. */
static const struct bpf_insn tiny_program[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10},
	{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0},
	{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Last line of the verifier's log with words in it: the reason. */
static void last_words(char *log)
{
	char *end = log + strlen(log), *line;

	while (end > log && (end[-1] == '\n' || !strncmp(end - 1, " ", 1)))
		*--end = '\0';
	line = strrchr(log, '\n');
	if (line)
		memmove(log, line + 1, strlen(line + 1) + 1);
}

static void probe_bpf(struct doctor *d, const struct check *c, struct finding *f)
{
	char log[2048] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = BPF_TRACE_RAW_TP, .log_buf = log,
		    .log_size = sizeof(log), .log_level = 1);
	libbpf_print_fn_t print = libbpf_set_print(silent);
	int id = libbpf_find_vmlinux_btf_id("sched_switch", BPF_TRACE_RAW_TP), program, link;

	(void)c;
	libbpf_set_print(print);
	if (id < 0) {
		finding_set(f, FINDING_FAIL, "no tracepoint sched_switch in the kernel's BTF");
		return;
	}
	load.attach_btf_id = (__u32)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "gilscope_probe", "Dual BSD/GPL", tiny_program,
				sizeof(tiny_program) / sizeof(tiny_program[0]), &load);
	if (program < 0) {
		int err = errno;

		last_words(log);
		if (err == EPERM) {
			finding_set(f, FINDING_FAIL, "load: %s", strerror(err));
			finding_paste_rights(f, d);
		} else {
			finding_set(f, FINDING_FAIL, "load: %s; %.120s", strerror(err), log);
		}
		return;
	}
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		finding_set(f, FINDING_FAIL, "loaded, but attach to sched_switch: %s", strerror(errno));
	else
		finding_set(f, FINDING_OK, "a program was loaded, attached to sched_switch and removed");
	if (link >= 0)
		close(link);
	close(program);
}

const struct check machine_checks[] = {
	{"kernel", probe_kernel, "Stacks in a switch program need Linux 5.15 or newer.", NULL, 0},
	{"processor", probe_cpu, "Registers of waiting threads are read as on x86-64; others follow later.", NULL, 0},
	{"BTF", probe_btf,
	 "Without type information (CONFIG_DEBUG_INFO_BTF) the programs cannot find kernel fields.",
	 "sudo apt-get install linux-image-amd64   # a distribution kernel has it; then reboot", 0},
	{"lockdown", probe_lockdown, "lockdown=confidentiality forbids BPF to read kernel memory.",
	 "sudo sed -i 's/lockdown=confidentiality//' /etc/default/grub && sudo update-grub   # and reboot", 0},
	{"perf events", probe_perf,
	 "On-CPU samples come from a cpu-clock event; record -r 0 works without it, from waits alone.",
	 "sudo sysctl kernel.perf_event_paranoid=2", 0},
	{"unprivileged BPF", probe_unprivileged_bpf, "The setting decides only for programs without CAP_BPF.", NULL, 0},
	{"locked memory", probe_memlock, "Kernels before 5.11 charged BPF maps to this limit.", "ulimit -l unlimited", 0},
	{"BPF", probe_bpf, "Everything is seen from a BPF program on the scheduler's switch.", NULL, 0},
	{0}
};
