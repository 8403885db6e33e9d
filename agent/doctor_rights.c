/* Checks of privileges, namespaces and containers, and the line that would grant what is missing. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "core/target/target.h"
#include "core/util/escape.h"
#include "core/util/file.h"

/* The kernel's fixed inode numbers of the first namespaces (include/linux/proc_ns.h). */
enum { INITIAL_USERNS = 0xEFFFFFFD, INITIAL_PIDNS = 0xEFFFFFFC };

static bool in_namespace(const char *name, unsigned long inode)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return !stat(path, &st) && st.st_ino == inode;
}

/* Value of a line "Name:\tvalue" of /proc/self/status as hexadecimal. */
static uint64_t status_field(const char *name)
{
	char text[8192], label[32];
	const char *at;

	if (file_read("/proc/self/status", text, sizeof(text)) < 0)
		return 0;
	snprintf(label, sizeof(label), "\n%s:", name);
	at = strstr(text, label);
	return at ? strtoull(at + strlen(label), NULL, 16) : 0;
}

static const char *container_kind(void)
{
	char text[4096];

	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	if (!access("/run/.containerenv", F_OK))
		return "podman";
	if (!access("/.dockerenv", F_OK))
		return "docker";
	if (file_read("/proc/1/cgroup", text, sizeof(text)) < 0)
		return "";
	if (strstr(text, "kubepods"))
		return "kubernetes";
	return strstr(text, "docker") ? "docker" : strstr(text, "lxc") ? "lxc" : "";
}

void doctor_init(struct doctor *d, pid_t pid)
{
	char path[200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	*d = (struct doctor){.pid = pid, .caps = status_field("CapEff"), .caps_bound = status_field("CapBnd")};
	d->initial_userns = in_namespace("user", INITIAL_USERNS);
	d->initial_pidns = in_namespace("pid", INITIAL_PIDNS);
	snprintf(d->container, sizeof(d->container), "%s", container_kind());
	escape_to(d->program, sizeof(d->program), n > 0 ? path : "gilscope", n > 0 ? (size_t)n : 8);
}

bool doctor_has_cap(const struct doctor *d, int cap)
{
	uint64_t mask = UINT64_C(1) << cap;

	/* CAP_SYS_ADMIN still implies what was split off it in 5.8 */
	if (cap == CAP_BPF || cap == CAP_PERFMON)
		mask |= UINT64_C(1) << CAP_SYS_ADMIN;
	return d->initial_userns && (d->caps & mask);
}

void finding_paste_rights(struct finding *f, const struct doctor *d)
{
	const uint64_t needed = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON | UINT64_C(1) << CAP_SYS_PTRACE;
	bool podman = !strcmp(d->container, "podman");

	if (d->initial_userns && (d->caps_bound & needed) == needed)
		snprintf(f->paste, sizeof(f->paste),
			 "sudo setcap " TARGET_SETCAP " %s   # or use sudo",
			 d->program);
	else if (!strcmp(d->container, "kubernetes"))
		snprintf(f->paste, sizeof(f->paste),
			 "kubectl debug node/NODE -it --profile=sysadmin --image=IMAGE   # sees the node's processes");
	else if (d->container[0])
		snprintf(f->paste, sizeof(f->paste),
			 "%s run --pid=host%s --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE "
			 "--cap-add DAC_READ_SEARCH --cap-add CHECKPOINT_RESTORE --security-opt seccomp=unconfined "
			 "--security-opt apparmor=unconfined IMAGE",
			 podman ? "sudo podman" : "docker", d->initial_userns || podman ? "" : " --userns=host");
	else
		snprintf(f->paste, sizeof(f->paste),
			 "sudo gilscope …   # from outside this sandbox: here root cannot have the rights");
}

static void probe_userns(struct doctor *d, const struct check *c, struct finding *f)
{
	(void)c;
	if (d->initial_userns)
		finding_set(f, FINDING_OK, "the initial one, uid %u", geteuid());
	else
		finding_set(f, FINDING_FAIL, "not the initial one: capabilities held here mean nothing to the kernel");
	if (!d->initial_userns)
		finding_paste_rights(f, d);
}

static void probe_cap(struct doctor *d, const struct check *c, struct finding *f)
{
	if (doctor_has_cap(d, c->arg)) {
		finding_set(f, FINDING_OK, "yes");
		return;
	}
	if (c->arg == CAP_SYS_PTRACE)
		finding_set(f, FINDING_WARN, "missing: at most processes of the same user (see ptrace_scope)");
	else
		finding_set(f, FINDING_FAIL, "missing");
	finding_paste_rights(f, d);
}

/* Capabilities that help in some cases only. */
static void probe_soft_cap(struct doctor *d, const struct check *c, struct finding *f)
{
	if (doctor_has_cap(d, c->arg))
		finding_set(f, FINDING_OK, "yes");
	else
		finding_set(f, FINDING_NOTE, "missing");
}

static void probe_yama(struct doctor *d, const struct check *c, struct finding *f)
{
	char value[16];

	(void)c;
	if (file_read_line("/proc/sys/kernel/yama/ptrace_scope", value, sizeof(value)) < 0) {
		finding_set(f, FINDING_OK, "yama is not in this kernel");
	} else if (!strcmp(value, "3")) {
		finding_set(f, FINDING_FAIL, "3: nobody may read another process until the next boot");
		snprintf(f->paste, sizeof(f->paste), "sudo reboot   # with kernel.yama.ptrace_scope below 3 in /etc/sysctl.d");
	} else if (!strcmp(value, "0") || doctor_has_cap(d, CAP_SYS_PTRACE)) {
		finding_set(f, FINDING_OK, "%s%s", value, strcmp(value, "0") ? " (no matter: CAP_SYS_PTRACE is there)" : "");
	} else {
		finding_set(f, FINDING_FAIL, "%s: %s", value,
			    !strcmp(value, "2") ? "nobody without CAP_SYS_PTRACE may read a process" : "only child processes may be read");
	}
}

static void probe_seccomp(struct doctor *d, const struct check *c, struct finding *f)
{
	uint64_t mode = status_field("Seccomp");

	(void)d, (void)c;
	if (mode == 0)
		finding_set(f, FINDING_OK, "no filter on this process");
	else
		finding_set(f, FINDING_NOTE, "a filter is in force (mode %u); the BPF and perf checks show its effect",
			    (unsigned)mode);
}

static void probe_pidns(struct doctor *d, const struct check *c, struct finding *f)
{
	(void)c;
	if (d->initial_pidns)
		finding_set(f, FINDING_OK, "the initial one");
	else if (target_proc_is_foreign())
		finding_set(f, FINDING_FAIL, "one of its own, but /proc is another's: its numbers mean other processes");
	else
		finding_set(f, FINDING_OK, "one of its own, as in a container: only the processes in it are seen");
}

static void probe_container(struct doctor *d, const struct check *c, struct finding *f)
{
	(void)c;
	finding_set(f, FINDING_OK, "%s", d->container[0] ? d->container : "none seen");
}

const struct check rights_checks[] = {
	{"user namespace", probe_userns, "BPF obeys only capabilities of the initial user namespace.", NULL, 0},
	{"CAP_BPF", probe_cap, "To load the programs.", NULL, CAP_BPF},
	{"CAP_PERFMON", probe_cap, "To let them read memory, and for the cpu-clock event.", NULL, CAP_PERFMON},
	{"CAP_SYS_PTRACE", probe_cap, "To read the memory of other users' processes.", NULL, CAP_SYS_PTRACE},
	{"CAP_DAC_READ_SEARCH", probe_soft_cap,
	 "To read program files of other users that are not world-readable.", NULL, CAP_DAC_READ_SEARCH},
	{"CAP_CHECKPOINT_RESTORE", probe_soft_cap,
	 "To open such files by the target's own mappings, where their path means another file.", NULL, CAP_CHECKPOINT_RESTORE},
	{"CAP_SYS_RESOURCE", probe_soft_cap,
	 "To raise the locked-memory limit, needed by kernels before 5.11 only.", NULL, CAP_SYS_RESOURCE},
	{"yama ptrace_scope", probe_yama, "Without CAP_SYS_PTRACE it decides whose memory may be read.",
	 "sudo sysctl kernel.yama.ptrace_scope=0", 0},
	{"seccomp", probe_seccomp, "A container's filter may refuse bpf() or perf_event_open().",
	 "docker run --security-opt seccomp=unconfined …", 0},
	{"pid namespace", probe_pidns, "Processes are named by their number in it, and /proc must show the same one.",
	 "mount -t proc proc /proc", 0},
	{"container", probe_container, "Containers drop capabilities and filter system calls by default.", NULL, 0},
	{0}
};
