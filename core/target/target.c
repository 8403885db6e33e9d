/* See target.h.  /proc/PID is opened once and a pidfd held, so that a reused pid is never mistaken for the target. */
#include "core/target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/target/find_runtime.h"
#include "core/target/proc_maps.h"
#include "core/target/target_priv.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

#define INITIAL_PID_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define COMMAND_BYTES 512
#define RUNTIME_PREFIX "could not attach: "

static void read_command(struct target *t)
{
	char *text;
	size_t n;

	if (proc_read(t->proc_fd, "cmdline", COMMAND_BYTES, &text, &n) != 0)
		return;
	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	escape_to(t->command, sizeof(t->command), text, n);
	free(text);
}

bool target_in_initial_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == INITIAL_PID_NAMESPACE;
}

bool target_is_hidden(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	char path[32];

	if (fd < 0)
		return false;
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return access(path, R_OK) != 0;
}

bool target_proc_is_foreign(void)
{
	char self[32];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	return strtol(self, NULL, 10) != getpid();
}

/* Two modules may hold a runtime (a program that embeds one and loads another): the first that lives is taken. */
static int read_runtime(struct target *t, const struct runtime_search *search, struct fail *why)
{
	struct fail first = {0};
	char how[160];

	for (unsigned i = 0; i < search->n; i++) {
		const struct runtime_place *place = &search->places[i];
		struct fail this = {0};
		int r = runtime_read(&t->runtime, &t->mem.mem, place->addr, place->version_hex, &this);

		if (r == 0) {
			t->has_runtime = true;
			t->state_slot = place->state_slot;
			snprintf(t->module, sizeof(t->module), "%s", place->module);
			snprintf(how, sizeof(how), "%s; %.120s", place->found_by, t->runtime.how);
			memcpy(t->runtime.how, how, sizeof(how));
			return 0;
		}
		if (r == -EPERM || r == -EACCES || r == -ESRCH)
			return target_refuse_access(t, r, why);
		if (i == 0 || first.err == -ENOTSUP)
			first = this;
	}
	/* runtime_read knows no pid */
	fail_set(why, first.err, FAIL_ATTACH, "could not attach to pid %d: %s", t->pid,
		 strncmp(first.what, RUNTIME_PREFIX, strlen(RUNTIME_PREFIX)) == 0 ?
			 first.what + strlen(RUNTIME_PREFIX) : first.what);
	return fail_hint(why, "%s", first.hint);
}

static int attach_python(struct target *t, struct fail *why)
{
	struct runtime_search search;
	struct proc_maps maps;
	int r;

	t->maps_fd = openat(t->proc_fd, "maps", O_RDONLY | O_CLOEXEC);
	r = t->maps_fd < 0 ? -errno : proc_maps_read(&maps, t->proc_fd);
	if (r < 0)
		return target_refuse_access(t, r, why);
	find_runtime(&search, t->proc_fd, &maps, &t->mem.mem);
	r = search.n ? read_runtime(t, &search, why) : target_refuse_not_python(t, &search, why);
	proc_maps_done(&maps);
	if (r == 0)
		t->tss_offset = target_find_tss_offset(t);
	if (r == 0 && !t->tss_offset && target_is_musl(t))
		r = target_refuse_musl(t, why);
	return r;
}

int target_open(struct target **ret, pid_t pid, const struct target_options *options, struct fail *why)
{
	struct target *t = xcalloc(1, sizeof(*t));
	int r;

	t->pid = pid;
	t->proc_fd = t->pidfd = t->maps_fd = -1;
	process_mem_init(&t->mem, pid);
	r = target_enter(t, why);
	if (r == 0) {
		read_command(t);
		r = options && options->threads_only ? 0 : attach_python(t, why);
	}
	if (r < 0) {
		target_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void target_free(struct target *t)
{
	if (!t)
		return;
	if (t->has_runtime)
		runtime_done(&t->runtime);
	if (t->maps_fd >= 0)
		close(t->maps_fd);
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->proc_fd >= 0)
		close(t->proc_fd);
	free(t);
}

pid_t target_pid(const struct target *t)
{
	return t->pid;
}

uint64_t target_start_ns(const struct target *t)
{
	return t->start_ns;
}

const char *target_command(const struct target *t)
{
	return t->command;
}

const char *target_name(const struct target *t)
{
	return t->name;
}

const char *target_module(const struct target *t)
{
	return t->module;
}

const struct mem *target_mem(const struct target *t)
{
	return &t->mem.mem;
}

const struct runtime *target_runtime(const struct target *t)
{
	return t->has_runtime ? &t->runtime : NULL;
}

bool target_alive(const struct target *t)
{
	struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* The open file belongs to the address space (fs/proc/base.c proc_mem_open), not to the process: once exec has given that up
 * there is nothing to read, whatever the new one looks like. */
bool target_same_program(const struct target *t)
{
	char byte;

	return t->maps_fd < 0 || pread(t->maps_fd, &byte, 1, 0) > 0;
}

bool target_give_up_read(struct target *t, uint64_t limit_ns, uint64_t *ret_addr)
{
	return process_mem_give_up(&t->mem, limit_ns, ret_addr);
}

int target_refresh(struct target *t)
{
	int r;

	if (!target_alive(t))
		return -ESRCH;
	if (!t->has_runtime)
		return 0;
	r = runtime_refresh(&t->runtime, &t->mem.mem);
	if (r >= 0 && t->tss_offset == 0)
		t->tss_offset = target_find_tss_offset(t);
	return r;
}

uint64_t target_tss_offset(const struct target *t)
{
	return t->tss_offset;
}
