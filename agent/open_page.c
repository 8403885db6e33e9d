/* See open_page.h.  No shell: the path is one argument, absolute, so that it is never an option. */
#include "agent/open_page.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/output_file.h"

enum { WAIT_TENTHS = 50, EXIT_NOT_THERE = 127 };

/* For good: no way back to root. */
static bool become_invoker(void)
{
	const struct passwd *user;
	uid_t uid;
	gid_t gid;

	if (!invoking_user(&uid, &gid))
		return true;
	user = getpwuid(uid);
	if (user) {
		setenv("HOME", user->pw_dir, 1);
		setenv("USER", user->pw_name, 1);
	}
	if ((user ? initgroups(user->pw_name, gid) : setgroups(0, NULL)) < 0)
		return false;
	return setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

static _Noreturn void launch(const char *path)
{
	const char *browser = getenv("BROWSER");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	setsid(); /* a Ctrl-C here is not meant for the browser */
	if (!become_invoker())
		_exit(EXIT_NOT_THERE);
	/* a list or a command with arguments is xdg-open's to understand */
	if (browser && *browser && !strpbrk(browser, ": %"))
		execlp(browser, browser, path, (char *)NULL);
	execlp("xdg-open", "xdg-open", path, (char *)NULL);
	_exit(EXIT_NOT_THERE);
}

int open_page(const char *path, struct fail *why)
{
	char real[PATH_MAX];
	int status = 0;
	pid_t child;

	if (!realpath(path, real))
		return fail_set(why, -errno, FAIL_OTHER, "could not open the report: %s", strerror(errno));
	child = fork();
	if (child < 0)
		return fail_set(why, -errno, FAIL_OTHER, "could not open the report: %s", strerror(errno));
	if (child == 0)
		launch(real);
	/* a launcher returns at once, a browser stays: then all is well too */
	for (int i = 0; i < WAIT_TENTHS; i++) {
		if (waitpid(child, &status, WNOHANG) == child) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				return 0;
			fail_set(why, -ENOENT, FAIL_OTHER, "could not open the report: no browser was found");
			return fail_hint(why, "It is written; open it with any browser, or name one in BROWSER.");
		}
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return 0;
}
