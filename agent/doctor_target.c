/* Checks of one process: is it there, may we read it, is it a Python we know. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/doctor.h"
#include "core/target/target.h"
#include "core/util/escape.h"
#include "core/util/file.h"
#include "core/util/human.h"
#include "core/util/xalloc.h"

enum { PF_KTHREAD = 0x00200000 }; /* include/linux/sched.h */

void doctor_done(struct doctor *d)
{
	target_free(d->target);
	d->target = NULL;
}

/* State letter and flags, the fields after the parenthesised name, which may itself hold anything. */
static int read_stat(pid_t pid, char *ret_state, unsigned *ret_flags)
{
	char path[64], text[1024];
	const char *after;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(path, text, sizeof(text)) < 0)
		return -ESRCH;
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1, " %c %*d %*d %*d %*d %*d %u", ret_state, ret_flags) != 2)
		return -EPROTO;
	return 0;
}

static void probe_exists(struct doctor *d, const struct check *c, struct finding *f)
{
	char path[64], raw[64] = "?", name[128], state = '?';
	unsigned flags = 0;

	(void)c;
	snprintf(path, sizeof(path), "/proc/%d/comm", d->pid);
	if (read_stat(d->pid, &state, &flags)) {
		if (target_is_hidden(d->pid)) {
			finding_set(f, FINDING_FAIL, "%d is hidden from this user: /proc is mounted with hidepid", d->pid);
			snprintf(f->paste, sizeof(f->paste), "sudo gilscope doctor -p %d", d->pid);
			return;
		}
		finding_set(f, FINDING_FAIL, "no process %d here%s", d->pid,
			    d->initial_pidns ? "" : " (this is a container's pid namespace)");
		return;
	}
	file_read_line(path, raw, sizeof(raw));
	escape_to(name, sizeof(name), raw, strlen(raw));
	if (flags & PF_KTHREAD)
		finding_set(f, FINDING_FAIL, "%d (%s) is a kernel thread", d->pid, name);
	else if (state == 'Z' || state == 'X')
		finding_set(f, FINDING_FAIL, "%d (%s) is a zombie: ended, waiting for its parent", d->pid, name);
	else
		finding_set(f, FINDING_OK, "%d (%s), state %c", d->pid, name, state);
}

static void probe_readable(struct doctor *d, const struct check *c, struct finding *f)
{
	unsigned long start = 0;
	char path[64], line[256], byte[8];
	struct iovec local = {byte, sizeof(byte)}, remote = {NULL, sizeof(byte)};

	(void)c;
	snprintf(path, sizeof(path), "/proc/%d/maps", d->pid);
	if (file_read_line(path, line, sizeof(line)) < 0 || sscanf(line, "%lx-", &start) != 1) {
		finding_set(f, FINDING_FAIL, "its memory map is not readable: %s", strerror(errno ? errno : EACCES));
		finding_paste_rights(f, d);
		return;
	}
	remote.iov_base = (void *)start; /* an address over there */
	if (process_vm_readv(d->pid, &local, 1, &remote, 1, 0) == sizeof(byte)) {
		finding_set(f, FINDING_OK, "read 8 bytes");
		return;
	}
	finding_set(f, FINDING_FAIL, "process_vm_readv: %s", strerror(errno));
	finding_paste_rights(f, d);
}

static void probe_python(struct doctor *d, const struct check *c, struct finding *f)
{
	struct fail why = {0};

	(void)c;
	if (target_open(&d->target, d->pid, NULL, &why)) {
		finding_set(f, FINDING_FAIL, "%s", why.what);
		snprintf(f->hint, sizeof(f->hint), "%s", why.hint);
		return;
	}
	finding_set(f, FINDING_OK, "%s", target_runtime(d->target)->version);
}

static void probe_how(struct doctor *d, const struct check *c, struct finding *f)
{
	(void)c;
	finding_set(f, FINDING_OK, "%s", target_runtime(d->target)->how);
}

static void probe_gil(struct doctor *d, const struct check *c, struct finding *f)
{
	const struct runtime *r = target_runtime(d->target);
	char interval[HUMAN_LEN] = "none";
	unsigned gils = 0;

	(void)c;
	for (unsigned i = 0; i < r->n_interps; i++) {
		bool seen = r->interps[i].gil == 0;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = r->interps[k].gil == r->interps[i].gil;
		gils += !seen;
	}
	if (r->switch_interval_ns)
		human_ns(interval, r->switch_interval_ns);
	if (gils == 0)
		finding_set(f, r->free_threaded ? FINDING_OK : FINDING_FAIL, "%u interpreter%s, no GIL%s%s", r->n_interps,
			    r->n_interps == 1 ? "" : "s", r->free_threaded ? " (a free-threaded build); it is switched " : "",
			    r->free_threaded ? gil_choice_text(r->gil_choice, false) : "");
	else
		finding_set(f, FINDING_OK, "%u interpreter%s, %u GIL%s, switch interval %s, values plausible",
			    r->n_interps, r->n_interps == 1 ? "" : "s", gils, gils == 1 ? "" : "s",
			    interval);
}

static void probe_libc(struct doctor *d, const struct check *c, struct finding *f)
{
	const char *name = target_libc(d->target);
	bool known = target_knows_own_state(d->target);

	(void)c;
	finding_set(f, known ? FINDING_OK : FINDING_WARN, "%s%s", name ? name : "not known",
		    known ? "" : ": thread-specific data is not where it is known to be");
}

static void probe_threads(struct doctor *d, const struct check *c, struct finding *f)
{
	struct target_thread *threads = NULL;
	unsigned n = 0, python = 0;
	int err = target_threads(d->target, false, &threads, &n);

	(void)c;
	if (err) {
		finding_set(f, FINDING_WARN, "list not readable: %s", strerror(-err));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		python += threads[i].tstate != 0;
	free(threads);
	finding_set(f, python ? FINDING_OK : FINDING_WARN, "%u, %u of them known to Python", n, python);
}

const struct check target_checks[] = {
	{"process", probe_exists, "Only a living user process can be recorded.",
	 "pgrep -a python   # lists candidates", 0},
	{"memory", probe_readable, "Names, lines and the GIL are read from its memory.", NULL, 0},
	{"Python", probe_python, "Its structures must be known to be read.", NULL, 0},
	{"found by", probe_how, NULL, NULL, 0},
	{"GIL", probe_gil, "Waits are recognised by the addresses of its words.", NULL, 0},
	{"C library", probe_libc,
	 "A thread's Python state is found through its thread-specific data; without it waiters have no stacks.",
	 NULL, 0},
	{"threads", probe_threads, "Threads that Python does not know have no Python stack.", NULL, 0},
	{0}
};
