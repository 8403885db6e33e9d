/* See place.h.  The library must be a file, for the dynamic linker of the command and of every program it starts loads it by name;
 * so it lies where files may be executed from, and only its owner may write there. */
#include "collectors/signal/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "collectors/signal/embedded.h"
#include "collectors/signal/leftovers.h"
#include "collectors/signal/preload/shared.h"
#include "core/util/xalloc.h"

#define BACKLOG 256

static int fail_place(struct fail *why, int err, const char *what)
{
	fail_set(why, err, FAIL_MACHINE, "could not make the place of the preloaded library: %s: %s", what, strerror(-err));
	return fail_hint(why, "It needs a directory that may be written to and executed from: set TMPDIR to one.");
}

static bool fit_for_programs(const char *dir)
{
	struct statvfs fs;

	return dir && *dir == '/' && strlen(dir) < 48 && !statvfs(dir, &fs) && !(fs.f_flag & (ST_NOEXEC | ST_RDONLY)) && !access(dir, W_OK);
}

static int make_dir(struct signal_place *p, bool for_other, struct fail *why)
{
	/* another user cannot go through our own runtime directory */
	const char *places[] = { for_other ? NULL : getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!fit_for_programs(places[i]))
			continue;
		snprintf(p->dir, sizeof(p->dir), "%s/" PLACE_PREFIX "XXXXXX", places[i]);
		if (!mkdtemp(p->dir)) /* 0700 */
			continue;
		leftovers_remove(places[i]);
		return 0;
	}
	p->dir[0] = '\0';
	return fail_place(why, errno ? -errno : -ENOENT, "no directory");
}

static int write_library(struct signal_place *p, struct fail *why)
{
	size_t left = preload_library().n;
	const char *from = preload_library().text;
	int fd = open(p->library, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);

	if (fd < 0)
		return fail_place(why, -errno, p->library);
	while (left) {
		ssize_t n = write(fd, from, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? -errno : -ENOSPC;

			close(fd);
			return fail_place(why, err, p->library);
		}
		from += n;
		left -= (size_t)n;
	}
	return close(fd) ? fail_place(why, -errno, p->library) : 0;
}

static int make_door(struct signal_place *p, struct fail *why)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	memcpy(at.sun_path, p->door, sizeof(p->door));
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&at, sizeof(at)) || chmod(p->door, 0600) || listen(p->listener, BACKLOG))
		return fail_place(why, -errno, p->door);
	return 0;
}

int signal_place_new(struct signal_place **ret, const char *library, const uid_t *owner, const gid_t *group, struct fail *why)
{
	struct signal_place *p = xcalloc(1, sizeof(*p));
	int err;

	p->listener = -1;
	p->owner = owner ? *owner : geteuid();
	err = make_dir(p, owner, why);
	if (!err) {
		snprintf(p->library, sizeof(p->library), "%s/%s", p->dir, library);
		snprintf(p->door, sizeof(p->door), "%s/" SHARED_DOOR, p->dir);
		err = write_library(p, why);
	}
	if (!err)
		err = make_door(p, why);
	if (!err && owner && (chown(p->library, *owner, *group) || chown(p->door, *owner, *group) || chown(p->dir, *owner, *group)))
		err = fail_place(why, -errno, p->dir);
	if (err) {
		signal_place_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void signal_place_enter(struct signal_place *p)
{
	const char *before = getenv("LD_PRELOAD");
	char *with;

	p->preload_before = before && *before ? xstrdup(before) : NULL;
	with = p->preload_before ? xasprintf("%s:%s", p->library, p->preload_before) : xstrdup(p->library);
	setenv("LD_PRELOAD", with, 1);
	setenv(SHARED_DOOR_ENV, p->door, 1);
	free(with);
}

void signal_place_leave(struct signal_place *p)
{
	unsetenv(SHARED_DOOR_ENV);
	if (p->preload_before)
		setenv("LD_PRELOAD", p->preload_before, 1);
	else
		unsetenv("LD_PRELOAD");
}

/* What they start looks for the library by its name, and would complain. */
static bool in_use(struct signal_place *p)
{
	bool any = false;

	for (size_t i = 0; i < p->left.n; i++) {
		struct pollfd ended = { .fd = p->left.items[i], .events = POLLIN };

		any |= poll(&ended, 1, 0) == 0;
		close(p->left.items[i]);
	}
	vec_done(&p->left);
	return any;
}

void signal_place_free(struct signal_place *p)
{
	bool stays;

	if (!p)
		return;
	stays = in_use(p);
	if (p->listener >= 0)
		close(p->listener);
	if (*p->door)
		unlink(p->door);
	if (*p->library && !stays)
		unlink(p->library);
	if (*p->dir)
		rmdir(p->dir); /* not while the library is in it */
	free(p->preload_before);
	free(p);
}
