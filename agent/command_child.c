/* See command_child.h.  The child looks the program up before it says that it is ready, as the user it will run as: what cannot be
 * run is told before there is a recording. */
#include "agent/command_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/output_file.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static volatile pid_t running; /* 0: none; for the handler */

/* What the terminal sends (Ctrl-C) has reached the command already: it is in the same process group. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (running > 0 && (number == SIGTERM || info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_QUEUE))
		kill(running, number);
	errno = saved;
}

static void pass_on_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigaction old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], NULL, &old) || old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/* --- in the child: no threads yet, so all of libc may be used ------------------------------------------------- */

static int become_invoking_user(void)
{
	struct passwd *user;
	uid_t uid;
	gid_t gid;

	if (!invoking_user(&uid, &gid))
		return 0;
	user = getpwuid(uid);
	if (user ? initgroups(user->pw_name, gid) : setgroups(1, &gid))
		return errno;
	return setgid(gid) || setuid(uid) ? errno : 0;
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) || access(path, X_OK))
		return errno;
	return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

/* As execvp looks: the first that can be run; one that is there and cannot is remembered. */
static char *find_program(const char *name, int *ret_err)
{
	const char *path = getenv("PATH");

	*ret_err = ENOENT;
	if (strchr(name, '/')) {
		*ret_err = check_program(name);
		return *ret_err ? NULL : xstrdup(name);
	}
	for (path = path && *path ? path : DEFAULT_PATH; path; path = *path ? path + 1 : NULL) {
		size_t len = strcspn(path, ":");
		char *full = xasprintf("%.*s%s%s", (int)len, path, len ? "/" : "./", name);
		int err = check_program(full);

		if (!err)
			return full;
		if (err != ENOENT && err != ENOTDIR)
			*ret_err = err;
		free(full);
		path += len;
	}
	return NULL;
}

static void __attribute__((noreturn)) run(char **argv, int go, int told)
{
	int err = become_invoking_user();
	char *program = NULL, byte;

	if (err)
		err = -err; /* told apart: not the program's fault */
	else
		program = find_program(argv[0], &err);
	if (program)
		err = 0;
	if (write(told, &err, sizeof(err)) != sizeof(err) || err || read(go, &byte, 1) != 1)
		_exit(COMMAND_EXIT_OURS);
	execv(program, argv);
	err = errno;
	if (write(told, &err, sizeof(err)) != sizeof(err))
		_exit(COMMAND_EXIT_OURS);
	_exit(err == ENOENT ? COMMAND_EXIT_NOT_FOUND : COMMAND_EXIT_CANNOT_RUN);
}

/* --- on our side --------------------------------------------------------------------------------------------------- */

static int refuse(int err, const char *name, int *ret_code, struct fail *why)
{
	char shown[200];

	escape_to(shown, sizeof(shown), name, strlen(name));
	if (err < 0) {
		*ret_code = COMMAND_EXIT_OURS;
		return fail_set(why, err, FAIL_OTHER, "could not run '%s' as the user who called sudo: %s", shown, strerror(-err));
	}
	*ret_code = err == ENOENT ? COMMAND_EXIT_NOT_FOUND : COMMAND_EXIT_CANNOT_RUN;
	if (err == ENOENT && !strchr(name, '/'))
		return fail_set(why, -err, FAIL_OTHER, "could not run '%s': command not found", shown);
	return fail_set(why, -err, FAIL_OTHER, "could not run '%s': %s", shown, strerror(err));
}

static int read_told(int fd, int *ret)
{
	ssize_t n;

	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*ret) ? 0 : -EPIPE;
}

static void close_pipes(struct command_child *c)
{
	if (c->go >= 0)
		close(c->go);
	if (c->told >= 0)
		close(c->told);
	c->go = c->told = -1;
}

static void reap(struct command_child *c, int *ret_status)
{
	siginfo_t info;

	/* the handler must not signal a number that may be another's by then */
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	running = 0;
	while (waitpid(c->pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

int command_child_start(struct command_child *ret, char **argv, int *ret_code, struct fail *why)
{
	struct command_child c = {.pid = -1};
	int go[2] = {-1, -1}, told[2] = {-1, -1}, err = 0, status;

	*ret_code = COMMAND_EXIT_OURS;
	if (pipe2(go, O_CLOEXEC) || pipe2(told, O_CLOEXEC) || (c.pid = fork()) < 0)
		return fail_set(why, -errno, FAIL_OTHER, "could not start the command: %s", strerror(errno));
	if (c.pid == 0) {
		close(go[1]);
		close(told[0]);
		run(argv, go[0], told[1]);
	}
	close(go[0]);
	close(told[1]);
	c.go = go[1];
	c.told = told[0];
	running = c.pid;
	pass_on_signals();
	if (read_told(c.told, &err)) { /* a signal has ended it */
		close_pipes(&c);
		reap(&c, &status);
		*ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : COMMAND_EXIT_OURS;
		return fail_set(why, -EINTR, FAIL_OTHER, "could not start the command: stopped by signal");
	}
	if (err) {
		close_pipes(&c);
		reap(&c, &status);
		return refuse(err, argv[0], ret_code, why);
	}
	*ret = c;
	return 0;
}

void command_child_release(void *child)
{
	struct command_child *c = child;

	if (write(c->go, "", 1) != 1) {
		/* it has ended: the wait tells how */
	}
	close(c->go);
	c->go = -1;
}

int command_child_wait(struct command_child *c, char **argv, struct fail *why)
{
	bool released = c->go < 0;
	int status, err = 0, code;

	if (!released) {
		close(c->go); /* without the byte: it ends */
		c->go = -1;
	}
	reap(c, &status);
	if (released && !read_told(c->told, &err))
		refuse(err, argv[0], &code, why);
	else
		code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	close_pipes(c);
	return code;
}
