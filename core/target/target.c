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

#include "core/base/clock.h"
#include "core/interp/libc.h"
#include "core/interp/tasks.h"
#include "core/target/disposable.h"
#include "core/target/find_runtime.h"
#include "core/target/proc_maps.h"
#include "core/target/read_child.h"
#include "core/target/target_priv.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

#define INITIAL_PID_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define COMMAND_BYTES 512
#define APART_LIMIT_NS (5 * NS_PER_S) /* files are read in 10 ms, from a busy disk perhaps a hundred times that */
#define RUNTIME_PREFIX "could not attach: "

static void read_command(int proc_fd, char *ret, size_t size)
{
	char *text;
	size_t n;

	if (proc_read(proc_fd, "cmdline", COMMAND_BYTES, &text, &n) != 0)
		return;
	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	escape_to(ret, size, text, n);
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
		int r;

		t->statics = place->statics;
		t->layout = place->layout;
		t->origin = (struct runtime_origin){ .addr = place->addr, .statics = place->addr ? NULL : &t->statics,
						     .layout = place->has_layout ? &t->layout : NULL, .n_differ = place->n_differ,
						     .version_hex = place->version_hex };
		r = runtime_read(&t->runtime, &t->mem.mem, &t->origin, &this);

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

/* --- work in a child ------------------------------------------------------------------------------------------------ */

struct apart { /* shared */
	struct read_watch watch;
	void (*work)(void *ctx);
	void *ctx;
};

static void do_apart(void *apart)
{
	struct apart *a = apart;

	read_child_be_disposable(&a->watch);
	a->work(a->ctx);
}

static bool is_stuck(void *apart)
{
	return read_watch_stuck(&((struct apart *)apart)->watch);
}

int target_read_apart(struct target *t, void (*work)(void *ctx), void *ctx)
{
	struct apart *a;
	unsigned before;
	int err;

	if (read_child_is_disposable()) {
		work(ctx);
		return 0;
	}
	a = disposable_memory(sizeof(*a));
	if (!a)
		return -ENOMEM;
	do {
		before = t->mem.n_given_up;
		memset(a, 0, sizeof(*a));
		a->work = work;
		a->ctx = ctx;
		err = disposable_do("gilscope-read", do_apart, a, t->proc_fd, APART_LIMIT_NS, is_stuck);
		if (err == -ETIMEDOUT && is_stuck(a))
			process_mem_refuse(&t->mem, atomic_load(&a->watch.addr), atomic_load(&a->watch.len));
	} while (err == -ETIMEDOUT && t->mem.n_given_up > before && !t->mem.strict);
	disposable_memory_free(a, sizeof(*a));
	return err;
}

/* --- finding Python -------------------------------------------------------------------------------------------------- */

/* What is read of a target other than by read_child.h: its program's files, and its arguments, which lie in its memory.  Any of
 * it may be served by a file system that does not answer, so a disposable child looks. */
struct look {
	int proc_fd;
	const struct proc_maps *maps; /* NULL: the arguments only */
	const struct mem *mem;
	char command[sizeof(((struct target *)0)->command)];
	struct runtime_search search;
};

static void do_look(void *look)
{
	struct look *l = look;

	read_command(l->proc_fd, l->command, sizeof(l->command));
	if (l->maps)
		find_runtime(&l->search, l->proc_fd, l->maps, l->mem);
}

static int look_at(struct target *t, const struct proc_maps *maps, struct runtime_search *ret)
{
	struct look *l = disposable_memory(sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->proc_fd = t->proc_fd;
	l->maps = maps;
	l->mem = &t->mem.mem;
	err = target_read_apart(t, do_look, l);
	memcpy(t->command, l->command, sizeof(t->command) - 1);
	if (ret)
		*ret = l->search;
	disposable_memory_free(l, sizeof(*l));
	return err;
}

/* The table of 3.14 and newer, in the module or, where that is built in, in the interpreter. */
struct task_look {
	int proc_fd;
	const struct proc_maps *maps;
	const char *module; /* of the interpreter */
	uint64_t found;
};

static void do_task_look(void *look)
{
	struct task_look *l = look;

	l->found = find_section(l->proc_fd, l->maps, "_asyncio", TASKS_SECTION);
	if (!l->found)
		l->found = find_section(l->proc_fd, l->maps, l->module, TASKS_SECTION);
}

static void find_task_table(struct target *t)
{
	struct task_look *l;
	struct proc_maps maps;

	if (!t->runtime.wants_task_table || proc_maps_read(&maps, t->proc_fd) != 0)
		return;
	l = disposable_memory(sizeof(*l));
	if (l) {
		const char *name = strrchr(t->module, '/');

		*l = (struct task_look){ .proc_fd = t->proc_fd, .maps = &maps, .module = name ? name + 1 : t->module };
		target_read_apart(t, do_task_look, l);
		runtime_set_task_table(&t->runtime, l->found);
		disposable_memory_free(l, sizeof(*l));
	}
	proc_maps_done(&maps);
}

static void find_own_state(struct target *t)
{
	target_find_tss(t);
	target_find_libc(t);
	t->runtime.walk.tss_pointer = (uint8_t)t->tss.pointer;
	if (t->libc)
		runtime_set_libc(&t->runtime, t->libc);
}

/* By what their files are called in glibc, before 2.34 too, and in musl. */
static bool is_c_library(const struct proc_map *m)
{
	static const char *const begins[] = { "libc.so", "libc-2", "libpthread", "ld-musl" };
	const char *name = proc_map_basename(m);

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* The interpreter is in the file that the runtime's variables lie in; those without a value are anonymous memory right behind it. */
static void find_code(struct target *t, const struct proc_maps *maps)
{
	const struct proc_map *file = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < maps->n && maps->items[i].start <= t->runtime.addr; i++)
		if (maps->items[i].inode)
			file = &maps->items[i];
	for (size_t i = 0; file && i < maps->n && n < TARGET_CODES; i++) {
		const struct proc_map *m = &maps->items[i];
		bool own = m->inode == file->inode && m->dev_major == file->dev_major && m->dev_minor == file->dev_minor;

		if (m->executable && m->inode && (own || is_c_library(m)))
			t->code[n++] = (struct target_code){ m->start, m->end };
	}
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
	r = look_at(t, &maps, &search);
	if (r == -ETIMEDOUT)
		r = target_refuse_silent(t, APART_LIMIT_NS, why);
	else if (r < 0)
		r = fail_set(why, r, FAIL_OTHER, "could not attach to pid %d: %s", (int)t->pid, strerror(-r));
	else
		r = search.n ? read_runtime(t, &search, why) : target_refuse_not_python(t, &search, why);
	if (r == 0)
		find_code(t, &maps);
	proc_maps_done(&maps);
	if (r == 0)
		find_own_state(t);
	if (r == 0 && t->runtime.wants_task_table) {
		find_task_table(t);
		runtime_refresh(&t->runtime, &t->mem.mem);
	}
	if (r == 0 && t->libc && t->libc->cond_list && t->runtime.layout->by_ident)
		r = target_refuse_libc(t, why);
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
	t->mem.strict = true;
	if (r == 0 && options && options->threads_only) {
		t->maps_fd = openat(t->proc_fd, "maps", O_RDONLY | O_CLOEXEC);
		look_at(t, NULL, NULL);
	}
	else if (r == 0)
		r = attach_python(t, why);
	if (t->mem.n_given_up)
		r = target_refuse_silent(t, READ_LIMIT_NS, why);
	t->mem.strict = false;
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

const struct runtime_origin *target_origin(const struct target *t)
{
	return &t->origin;
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

unsigned target_silent_places(const struct target *t, unsigned from, uint64_t *ret_addr)
{
	if (from < t->mem.n_given_up)
		*ret_addr = t->mem.given_up[from].start;
	return t->mem.n_given_up;
}

void target_refuse_place(struct target *t, uint64_t addr, uint64_t len)
{
	process_mem_refuse(&t->mem, addr, len);
}

int target_refresh(struct target *t)
{
	int r;

	if (!target_alive(t))
		return -ESRCH;
	if (!t->has_runtime)
		return 0;
	find_task_table(t);
	r = runtime_refresh(&t->runtime, &t->mem.mem);
	if (r >= 0 && !t->tss.known)
		find_own_state(t);
	return r;
}

uint64_t target_tss_offset(const struct target *t)
{
	return t->tss.offset;
}

const char *target_libc(const struct target *t)
{
	return t->libc ? t->libc->name : NULL;
}

bool target_knows_own_state(const struct target *t)
{
	return t->tss.known || t->runtime.walk.interpreters;
}

bool target_is_code(const struct target *t, uint64_t addr)
{
	for (unsigned i = 0; i < TARGET_CODES; i++)
		if (addr - t->code[i].start < t->code[i].end - t->code[i].start)
			return true;
	return false;
}

#define KERNEL_DEVICE_SHIFT 20 /* MKDEV of linux/kdev_t.h */

bool target_shared_word(const struct target *t, uint64_t addr, uint64_t *ret_device, uint64_t *ret_inode, uint64_t *ret_offset)
{
	struct proc_maps maps;
	const struct proc_map *m;
	bool shared;

	if (proc_maps_read(&maps, t->proc_fd) != 0)
		return false;
	m = proc_maps_find(&maps, addr);
	shared = m && m->shared && m->inode;
	if (shared) {
		*ret_device = (uint64_t)m->dev_major << KERNEL_DEVICE_SHIFT | m->dev_minor;
		*ret_inode = m->inode;
		*ret_offset = m->offset + (addr - m->start);
	}
	proc_maps_done(&maps);
	return shared;
}
