/* See check_run.h. */
#include "agent/check_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/stop.h"
#include "core/base/clock.h"
#include "core/util/xalloc.h"

enum { POLL_MS = 200, EXIT_NOT_STARTED = 125 };
static const uint64_t GRACE_NS = 10 * NS_PER_S; /* for a run to end in good order after a signal */

/* Between fork and exec: only calls that are safe there. */
static _Noreturn void become(char *const argv[], char *const envp[], const char *program, int log, pid_t parent)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
	int none = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_NOT_STARTED);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
	if (none < 0 || dup2(none, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(EXIT_NOT_STARTED);
	execve(program, argv, envp);
	_exit(EXIT_NOT_STARTED);
}

extern char **environ;

/* Our environment, and where to count. */
static char **make_environment(const char *marks)
{
	static const char name[] = "GILSCOPE_MARKS=";
	size_t n = 0, k = 0;
	char **env;

	while (environ[n])
		n++;
	env = xcalloc(n + 2, sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], name, sizeof(name) - 1) != 0)
			env[k++] = environ[i];
	env[k] = xasprintf("%s%s", name, marks); /* the only one of ours */
	return env;
}

static void free_environment(char **env)
{
	size_t n = 0;

	while (env[n])
		n++;
	free(env[n - 1]);
	free(env);
}

static int wait_for(pid_t pid, int *ret_status)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t since_ns = 0;
	bool stopped = false;
	pid_t got;

	while ((got = waitpid(pid, ret_status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (stop_requested && !stopped) {
			stopped = true;
			since_ns = clock_now_ns();
			kill(-pid, stop_requested);
		} else if (stopped && clock_now_ns() - since_ns > GRACE_NS) {
			kill(-pid, SIGKILL);
		}
		poll(&p, 1, POLL_MS); /* a descriptor of -1 is no descriptor: it only waits */
	}
	if (fd >= 0)
		close(fd);
	return stopped || stop_requested ? RUN_STOPPED : 0;
}

int check_run(const struct check_run_options *o, int *ret_status, struct fail *why)
{
	char *const argv[] = {(char *)(uintptr_t)"gilscope", (char *)(uintptr_t)"record", (char *)(uintptr_t)"-q", (char *)(uintptr_t)"-o",
			      (char *)(uintptr_t)o->recording, (char *)(uintptr_t)"--", (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
			      (char *)(uintptr_t)o->command, NULL};
	int log = open(o->log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), status = 0, outcome;
	pid_t parent = getpid(), pid;
	char **env;

	if (log < 0)
		return fail_set(why, -errno, FAIL_OTHER, "could not write the log of a run: %s", strerror(errno));
	env = make_environment(o->marks);
	pid = fork();
	if (!pid)
		become(argv, env, o->recorder, log, parent);
	close(log);
	free_environment(env);
	if (pid < 0)
		return fail_set(why, -errno, FAIL_OTHER, "could not start a run: %s", strerror(errno));
	setpgid(pid, pid); /* both sides do it: whoever comes first */
	outcome = wait_for(pid, &status);
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return outcome;
}

bool check_machine_can_record(const char *recorder)
{
	char *const argv[] = {(char *)(uintptr_t)"gilscope", (char *)(uintptr_t)"doctor", NULL};
	int none = open("/dev/null", O_WRONLY | O_CLOEXEC), status = 0;
	pid_t parent = getpid(), pid = none < 0 ? -1 : fork();

	if (!pid)
		become(argv, environ, recorder, none, parent);
	if (none >= 0)
		close(none);
	if (pid < 0)
		return true; /* nothing is known against it */
	setpgid(pid, pid);
	wait_for(pid, &status);
	return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_CODE_MACHINE;
}
