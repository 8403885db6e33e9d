/* Checks of the kernel and its settings.  Facts about versions: knowledge of kernel 5.8 to 6.18; the BPF check does
 * what the collector does (load a tp_btf/sched_switch program that uses bpf_probe_read_kernel, attach it), so it is
 * the one that decides; the others say why it failed. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "agent/doctor.h"
#include "collectors/bpf/usable.h"
#include "collectors/collector.h"
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

static void probe_perf(struct doctor *d, const struct check *c, struct finding *f)
{
	char paranoid[16] = "?";
	int err = bpf_try_clock();

	(void)c;
	file_read_line("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid));
	if (!err) {
		finding_set(f, FINDING_OK, "cpu-clock event opened (perf_event_paranoid %s)", paranoid);
		return;
	}
	finding_set(f, FINDING_FAIL, "cpu-clock event: %s (perf_event_paranoid %s)", strerror(-err), paranoid);
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

/* Another kernel may check them by other rules, or have other fields. */
static void probe_programs(struct finding *f)
{
	const struct collector_options options = {0};
	struct fail why = {0};
	void *collector;

	if (collector_bpf.start(&collector, &options, &why)) {
		finding_set(f, FINDING_FAIL, "a small program was loaded and attached, but: %.200s", why.what);
		return;
	}
	collector_bpf.free(collector);
	finding_set(f, FINDING_OK, "the programs were loaded, attached and removed");
}

static void probe_bpf(struct doctor *d, const struct check *c, struct finding *f)
{
	char log[2048];
	int err = 0;

	(void)c;
	switch (bpf_try(log, sizeof(log), &err)) {
	case BPF_TRY_BTF:
		finding_set(f, FINDING_FAIL, "no tracepoint sched_switch in the kernel's BTF");
		return;
	case BPF_TRY_LOAD:
		finding_set(f, FINDING_FAIL, "load: %s%s%.120s", strerror(err), err == EPERM ? "" : "; ", err == EPERM ? "" : log);
		if (err == EPERM)
			finding_paste_rights(f, d);
		return;
	case BPF_TRY_ATTACH:
		finding_set(f, FINDING_FAIL, "loaded, but attach to sched_switch: %s", strerror(err));
		return;
	default:
		probe_programs(f);
	}
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
