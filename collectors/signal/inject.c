/* See inject.h.  The protocol is that of sys.remote_exec (CPython 3.14, Python/remote_debugging.c): path, then flag, then the bit.  Only the
 * lowest byte of the eval breaker is written: above it lies the version of the instrumentation, which is not ours to write back. */
#include "collectors/signal/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "collectors/signal/place.h"
#include "core/base/clock.h"
#include "core/interp/layout.h"
#include "core/interp/threads.h"
#include "core/target/proc_task.h"
#include "core/target/target.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"

#define PATIENCE_NS (5 * NS_PER_S)
#define ASK_AGAIN_NS (100 * NS_PER_MS)
#define ASK_ALL_NS NS_PER_S /* when neither the main thread nor who held the GIL came by, everybody is asked */
#define LOOK_US 1000
#define ASKED_MAX 4096
#define PLEASE_STOP (1U << 5) /* _PY_EVAL_PLEASE_STOP_BIT, pycore_ceval.h */
#define ANSWER_MAX 400

struct asking {
	struct target *t;
	const struct layout *l;
	const char *script;
	vec(uint64_t) asked; /* thread states */
};

static int refuse(const struct target *t, struct fail *why, int err, const char *what)
{
	return fail_set(why, err, FAIL_ATTACH, "could not put the library into pid %d: %s", (int)target_pid(t), what);
}

static const struct interp_place *main_interpreter(const struct runtime *r)
{
	for (unsigned i = 0; i < r->n_interps; i++)
		if (r->interps[i].id == 0)
			return &r->interps[i];
	return NULL;
}

int signal_inject_possible(struct target *t, struct fail *why)
{
	const struct runtime *r = target_runtime(t);
	const struct interp_place *interp = r ? main_interpreter(r) : NULL;
	uint32_t enabled = 0;
	char text[96];

	if (!interp)
		return refuse(t, why, -ENOEXEC, "no Python is known in it, and it is Python that would load it");
	if (r->layout->tstate_remote == NO_FIELD) {
		snprintf(text, sizeof(text), "%s cannot be asked, 3.14 and newer can", r->version);
		refuse(t, why, -ENOTSUP, text);
		return fail_hint(why, "Start the program with gilscope (gilscope record -- COMMAND), or use --collector bpf or remote.");
	}
	if (!target_libc(t) || strcmp(target_libc(t), "glibc") != 0) {
		refuse(t, why, -ENOTSUP, "its C library is not glibc, whose calls are led to the library");
		return fail_hint(why, "Start the program with gilscope (gilscope record -- COMMAND), or use --collector bpf or remote.");
	}
	if (mem_u32(target_mem(t), interp->interp + r->layout->interp_remote_enabled, &enabled) || enabled != 1) {
		refuse(t, why, -EACCES, "remote debugging is switched off in its Python");
		return fail_hint(why, "PYTHON_DISABLE_REMOTE_DEBUG, -X disable_remote_debug or a build without it did that, when it was started.");
	}
	return 0;
}

/* --- its memory ------------------------------------------------------------------------------------------------------ */

static int put(const struct asking *a, uint64_t addr, const void *bytes, size_t n)
{
	struct iovec from = { (void *)(uintptr_t)bytes, n }, to = { (void *)(uintptr_t)addr, n };

	return process_vm_writev(target_pid(a->t), &from, 1, &to, 1, 0) == (ssize_t)n ? 0 : errno ? -errno : -EFAULT;
}

static uint64_t pending_at(const struct asking *a, uint64_t tstate)
{
	return tstate + a->l->tstate_remote + a->l->remote_pending;
}

static int ask(struct asking *a, uint64_t tstate)
{
	uint32_t pending = 1;
	uint8_t breaker;
	int err = put(a, tstate + a->l->tstate_remote + a->l->remote_path, a->script, strlen(a->script) + 1);

	if (!err)
		err = put(a, pending_at(a, tstate), &pending, sizeof(pending));
	if (!err) {
		vec_push(&a->asked, tstate);
		err = mem_read(target_mem(a->t), tstate + a->l->tstate_eval_breaker, &breaker, sizeof(breaker));
	}
	if (err)
		return err;
	breaker |= PLEASE_STOP;
	return put(a, tstate + a->l->tstate_eval_breaker, &breaker, sizeof(breaker));
}

static bool is_asked(const struct asking *a, uint64_t tstate)
{
	for (size_t i = 0; i < a->asked.n; i++)
		if (a->asked.items[i] == tstate)
			return true;
	return false;
}

static uint64_t holder(const struct asking *a, const struct interp_place *interp)
{
	uint64_t tstate = 0;

	return interp->gil && !mem_u64(target_mem(a->t), interp->gil + a->l->gil_last_holder, &tstate) ? tstate : 0;
}

/* The main thread, and who has the GIL now; in the end every thread of the main interpreter: a thread that ends meanwhile takes its state
 * with it, so the fewer the better. */
static int ask_some(struct asking *a, const struct interp_place *interp, bool all)
{
	uint64_t holds = holder(a, interp);
	struct thread_walk walk;
	struct py_thread thread;
	int err = thread_walk_begin(&walk, a->l, target_mem(a->t), interp->interp);

	while (!err && a->asked.n < ASKED_MAX && !(err = thread_walk_next(&walk, &thread))) {
		bool wanted = all || thread.tstate == holds || thread.native_tid == (uint64_t)target_pid(a->t);

		if (wanted && !is_asked(a, thread.tstate))
			err = ask(a, thread.tstate);
	}
	return err > 0 ? 0 : err; /* its end, or a list that changed meanwhile: the next round sees the rest */
}

/* A thread that comes by later finds nothing.  One that has ended may have given back its state: only what still names our script is ours. */
static void let_off(struct asking *a)
{
	uint32_t none = 0, pending;
	char path[256];
	size_t n = strlen(a->script) + 1;

	for (size_t i = 0; i < a->asked.n; i++) {
		uint64_t at = a->asked.items[i];

		if (!mem_u32(target_mem(a->t), pending_at(a, at), &pending) && pending == 1 &&
		    !mem_read(target_mem(a->t), at + a->l->tstate_remote + a->l->remote_path, path, n) && !memcmp(path, a->script, n) &&
		    put(a, pending_at(a, at), &none, sizeof(none))) {
			/* gone meanwhile, with its memory */
		}
	}
}

/* --- the script -------------------------------------------------------------------------------------------------------- */

/* The import machinery opens the library as it would an extension module; that it is none is what it complains of then. */
static int write_script(const struct signal_place *p, const char *path, const char *answer)
{
	autostrbuf text = STRBUF_INIT;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400), err = 0;

	if (fd < 0)
		return -errno;
	strbuf_addf(&text,
		    "def load():\n"
		    "    class spec:\n"
		    "        name, origin = 'gilscope_injected', '%s'\n"
		    "    try:\n"
		    "        import _imp\n"
		    "        _imp.create_dynamic(spec)\n"
		    "    except BaseException as why:\n"
		    "        if 'PyInit_' not in str(why):\n"
		    "            with open('%s', 'w') as answer:\n"
		    "                answer.write(str(why))\n"
		    "load()\n", p->library, answer);
	if (write(fd, text.s, text.n) != (ssize_t)text.n || fchown(fd, p->owner, (gid_t)-1))
		err = errno ? -errno : -ENOSPC;
	close(fd);
	return err;
}

/* Does the target find our files where we put them?  Not in a container with a root of its own. */
static bool sees_place(const struct target *t, const struct signal_place *p)
{
	struct stat ours, theirs;
	char path[160];

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)target_pid(t), p->dir);
	return !stat(p->dir, &ours) && !stat(path, &theirs) && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int refuse_answered(const struct target *t, const char *text, struct fail *why)
{
	autostrbuf said = STRBUF_INIT;

	strbuf_adds(&said, "its Python could not load it: ");
	escape_adds(&said, text);
	return refuse(t, why, -EIO, said.s);
}

static int refuse_silent(const struct asking *a, struct fail *why)
{
	char text[160];

	snprintf(text, sizeof(text), "none of the %zu threads asked came to its interpreter's loop within %d s: all wait, or run native code",
		 a->asked.n, (int)(PATIENCE_NS / NS_PER_S));
	refuse(a->t, why, -ETIMEDOUT, text);
	return fail_hint(why, "Nothing was loaded, and the request is taken back. Try again while it works, or use --collector bpf or remote.");
}

/* --- asking -------------------------------------------------------------------------------------------------------------- */

static int wait_for_it(struct asking *a, const struct interp_place *interp, const char *answer, bool (*inside)(void *), void *ctx, struct fail *why)
{
	uint64_t begin = clock_now_ns(), asked_ns = 0;
	char *text;
	size_t n;

	for (uint64_t now; (now = clock_now_ns()) < begin + PATIENCE_NS; usleep(LOOK_US)) {
		int err = 0;

		if (now - asked_ns >= ASK_AGAIN_NS) {
			err = ask_some(a, interp, now - begin >= ASK_ALL_NS);
			asked_ns = now;
		}
		if (err && target_alive(a->t))
			return err == -EPERM ? refuse(a->t, why, err, "no permission to write into its memory") :
					       refuse(a->t, why, err, strerror(-err));
		if (inside(ctx))
			return 0;
		if (!target_alive(a->t))
			return refuse(a->t, why, -ESRCH, "it has ended");
		if (!proc_read(AT_FDCWD, answer, ANSWER_MAX, &text, &n)) {
			err = n ? refuse_answered(a->t, text, why) : 0;
			free(text);
			if (err)
				return err;
		}
	}
	return refuse_silent(a, why);
}

int signal_inject(struct target *t, const struct signal_place *place, bool (*inside)(void *ctx), void *ctx, struct fail *why)
{
	const struct runtime *r = target_runtime(t);
	char script[128], answer[128];
	struct asking a = { .t = t, .script = script };
	int err = signal_inject_possible(t, why);

	if (err)
		return err;
	a.l = r->layout;
	snprintf(script, sizeof(script), "%s/script-%d.py", place->dir, (int)target_pid(t));
	snprintf(answer, sizeof(answer), "%s/answer-%d", place->dir, (int)target_pid(t));
	if (strlen(script) >= a.l->remote_path_size)
		return refuse(t, why, -ENAMETOOLONG, "the path of the script is too long for it");
	if (strpbrk(place->dir, "'\\\n"))
		return refuse(t, why, -EINVAL, "the name of the directory for it has a quote in it (set TMPDIR)");
	if (!sees_place(t, place)) {
		refuse(t, why, -EXDEV, "it is in a container or a chroot, where it would not find the library");
		return fail_hint(why, "Run gilscope inside the container, or use --collector bpf or remote.");
	}
	err = write_script(place, script, answer);
	err = err ? refuse(t, why, err, strerror(-err)) : wait_for_it(&a, main_interpreter(r), answer, inside, ctx, why);
	let_off(&a);
	vec_done(&a.asked);
	unlink(script);
	unlink(answer);
	return err;
}
