/* Why a process cannot be a target, in words a person can act on.  See target.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/interp/layout.h"
#include "core/interp/libc.h"
#include "core/target/find_runtime.h"
#include "core/target/target_priv.h"
#include "core/util/escape.h"

#define YAMA_FILE "/proc/sys/kernel/yama/ptrace_scope"

static int yama_scope(void)
{
	char *text;
	size_t n;
	int scope = -1;

	if (proc_read(AT_FDCWD, YAMA_FILE, 16, &text, &n) == 0) {
		scope = (int)strtol(text, NULL, 10);
		free(text);
	}
	return scope;
}

/* Whom to ask for the right to read it, most particular first. */
static int hint_access(const struct target *t, struct fail *why)
{
	struct proc_status status = {0};
	bool known = proc_status_read(t->proc_fd, "status", &status) == 0;
	int scope = yama_scope();

	if (scope >= 3)
		return fail_hint(why, "%s is %d: nobody may read another process, not even root, until a reboot with a lower "
				 "setting.", YAMA_FILE, scope);
	if (geteuid() == 0)
		return fail_hint(why, "This root has no CAP_SYS_PTRACE. In a container add it: docker run --cap-add=SYS_PTRACE …");
	if (known && status.uid != geteuid())
		return fail_hint(why, "It belongs to uid %u. Run as that user, as root (sudo gilscope …), or give gilscope its "
				 "capabilities: sudo setcap " TARGET_SETCAP " \"$(command -v gilscope)\"", status.uid);
	if (scope > 0)
		return fail_hint(why, "%s is %d. Run as root (sudo gilscope …), or allow it until the next boot: "
				 "sudo sysctl kernel.yama.ptrace_scope=0", YAMA_FILE, scope);
	return fail_hint(why, "It is protected even from its own user (a set-user-id program, one with more capabilities, or "
			 "PR_SET_DUMPABLE 0). Run as root: sudo gilscope …");
}

int target_refuse_access(const struct target *t, int err, struct fail *why)
{
	if (err == -ESRCH || err == -ENOENT)
		return fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it has ended", t->pid);
	if (err != -EPERM && err != -EACCES)
		return fail_set(why, err, FAIL_ATTACH, "could not attach to pid %d: %s", t->pid, strerror(-err));
	fail_set(why, -EPERM, FAIL_ATTACH, "could not attach to pid %d%s%s%s: no permission to read its memory", t->pid,
		 t->name[0] ? " (" : "", t->name, t->name[0] ? ")" : "");
	return hint_access(t, why);
}

int target_refuse_not_python(const struct target *t, const struct runtime_search *search, struct fail *why)
{
	const char *what = search->other == PYTHON_PYPY ? "the variables of its PyPy were not found" : "the variables of its Python were not found";

	if (search->other != PYTHON_NONE) {
		fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach to pid %d: %s ('%s')", t->pid, what,
			 search->other_module);
		return fail_hint(why, "Supported: %s. Known but not supported yet: %s. With --no-python thread states and "
				 "locks can be recorded without knowledge of the GIL.",
				 layout_supported_text(), layout_known_text());
	}
	fail_set(why, -ENOEXEC, FAIL_ATTACH, "could not attach to pid %d: '%s' is not a Python process", t->pid, t->name);
	if (search->unreadable)
		return fail_hint(why, "%u of its modules could not be read (%s). Reading another user's files needs root, or "
				 "CAP_DAC_READ_SEARCH and CAP_CHECKPOINT_RESTORE.",
				 search->unreadable, strerror(-search->unreadable_err));
	return fail_hint(why, "None of its modules holds a CPython runtime. If it starts Python as a child, give that pid: "
			 "pgrep -a -P %d. With --no-python its thread states can be recorded all the same.", t->pid);
}

/* PyPy's queue of waiters has not been seen with another library than glibc. */
int target_refuse_libc(const struct target *t, struct fail *why)
{
	fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach to pid %d: PyPy with %s as its C library is not supported", t->pid, t->libc->name);
	return fail_hint(why, "Use one with glibc. With --no-python thread states and locks can be recorded.");
}

static int refuse_kind(const struct target *t, const struct proc_stat *stat, const struct proc_status *status,
		       struct fail *why)
{
	if (status->tgid != t->pid) {
		fail_set(why, -EINVAL, FAIL_ATTACH, "could not attach to pid %d: it is a thread of process %d", t->pid,
			 status->tgid);
		return fail_hint(why, "Give the process: -p %d", status->tgid);
	}
	if (stat->kernel_thread) {
		fail_set(why, -EINVAL, FAIL_ATTACH, "could not attach to pid %d: '%s' is a kernel thread", t->pid, t->name);
		return fail_hint(why, "Kernel threads run no Python. Find the process with: pgrep -a python");
	}
	if (stat->state == 'Z' || stat->state == 'X') {
		fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: '%s' is a zombie", t->pid, t->name);
		return fail_hint(why, "It has ended already and waits for its parent to notice.");
	}
	return 0;
}

static int refuse_missing(const struct target *t, struct fail *why)
{
	if (t->pid > 0 && target_is_hidden(t->pid)) {
		fail_set(why, -EPERM, FAIL_ATTACH, "could not attach to pid %d: it is hidden from this user", t->pid);
		return fail_hint(why, "/proc is mounted with hidepid. Run as root: sudo gilscope …");
	}
	fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: no such process", t->pid);
	return fail_hint(why, "Find the process with: pgrep -a python");
}

static int refuse_foreign_proc(const struct target *t, struct fail *why)
{
	fail_set(why, -EXDEV, FAIL_MACHINE, "could not attach to pid %d: /proc belongs to another pid namespace", t->pid);
	return fail_hint(why, "The numbers it shows mean other processes here. Mount the right one: mount -t proc proc /proc");
}

int target_enter(struct target *t, struct fail *why)
{
	struct proc_status status;
	struct proc_stat stat;
	char path[32];
	int r;

	if (target_proc_is_foreign())
		return refuse_foreign_proc(t, why);
	snprintf(path, sizeof(path), "/proc/%d", t->pid);
	t->proc_fd = t->pid > 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (t->proc_fd < 0)
		return refuse_missing(t, why);
	r = proc_stat_read(t->proc_fd, "stat", &stat);
	if (r == 0)
		r = proc_status_read(t->proc_fd, "status", &status);
	if (r < 0)
		return refuse_missing(t, why);
	escape_to(t->name, sizeof(t->name), stat.comm, strlen(stat.comm));
	t->start_ns = stat.start_ns;
	t->other_namespace = status.other_namespace;
	r = refuse_kind(t, &stat, &status, why);
	if (r < 0)
		return r;
	t->pidfd = (int)syscall(SYS_pidfd_open, t->pid, 0);
	return t->pidfd < 0 ? target_refuse_access(t, -errno, why) : 0;
}

int target_refuse_silent(const struct target *t, uint64_t limit_ns, struct fail *why)
{
	fail_set(why, -ETIMEDOUT, FAIL_ATTACH, "could not attach to pid %d: its memory did not answer within %g s", (int)t->pid,
		 (double)limit_ns / 1e9);
	return fail_hint(why, "Reading a page of it waits for a userfaultfd, a FUSE file system or a slow disk. With --no-python its "
			 "thread states can be recorded all the same.");
}
