/* A program that replaces itself.  Its timers end with it, but a signal of ours that is already on its way would reach the new program,
 * which has no handler and would die of it (kernels before 6.13).  So the thread's timer goes first; what is pending for it is delivered
 * on the way back from that call.  A child of vfork shares our memory, but the timers are its parent's: it is let through. */
#include "collectors/signal/preload/preload.h"
#include "collectors/signal/preload/sys.h"

static struct thread_rec *leave(void)
{
	struct thread_rec *t = armed() ? self_rec : NULL;

	if (!t || t->timer == TIMER_NONE || (uint32_t)SYS(getpid, 0) != lib.pid)
		return NULL;
	timer_end(t);
	return t;
}

/* It could not be replaced. */
static int stay(struct thread_rec *t, int err)
{
	if (t)
		timer_begin(t);
	return err;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	struct thread_rec *t = leave();

	return stay(t, real.execve(path, argv, env));
}

EXPORT int execv(const char *path, char *const argv[])
{
	struct thread_rec *t = leave();

	return stay(t, real.execv(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	struct thread_rec *t = leave();

	return stay(t, real.execvp(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	struct thread_rec *t = leave();

	return stay(t, real.execvpe(file, argv, env));
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	struct thread_rec *t = leave();

	return stay(t, real.fexecve(fd, argv, env));
}
