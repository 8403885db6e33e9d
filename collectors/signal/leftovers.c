/* See leftovers.h. */
#include "collectors/signal/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "collectors/signal/place.h"
#include "collectors/signal/preload/shared.h"
#include "core/target/proc_task.h"

#define YOUNG_S 10 /* its gilscope may not listen yet */
#define MAPS_MAX (16U << 20)

/* A door at which nobody listens. */
static bool is_deserted(int dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (sock < 0)
		return false;
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/" SHARED_DOOR, dir);
	err = connect(sock, (struct sockaddr *)&at, sizeof(at)) ? errno : 0;
	close(sock);
	return err == ECONNREFUSED || err == ENOENT;
}

/* By whom we may look at, which for a place of our own are all who can have it. */
static bool is_mapped(const char *path)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (proc && !found && (e = readdir(proc))) {
		char name[300], *text;
		size_t n;

		if (*e->d_name < '0' || *e->d_name > '9')
			continue;
		snprintf(name, sizeof(name), "/proc/%s/maps", e->d_name);
		if (proc_read(AT_FDCWD, name, MAPS_MAX, &text, &n))
			continue;
		found = strstr(text, path);
		free(text);
	}
	if (proc)
		closedir(proc);
	return found;
}

static void remove_files(int dir)
{
	DIR *entries = fdopendir(dir);
	struct dirent *e;

	while (entries && (e = readdir(entries)))
		if (!strcmp(e->d_name, SHARED_DOOR) || !strcmp(e->d_name, SHARED_LIBRARY) || !strcmp(e->d_name, SHARED_INJECTED) ||
		    !strncmp(e->d_name, "script-", 7) || !strncmp(e->d_name, "answer-", 7))
			unlinkat(dir, e->d_name, 0);
	if (entries)
		closedir(entries);
	else
		close(dir);
}

static void look_at(const char *parent, const char *name)
{
	int dir;
	char path[96], library[160];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path))
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	snprintf(library, sizeof(library), "%s/libgilscope_", path);
	if (fstat(dir, &st) || (st.st_uid != geteuid() && geteuid()) || (st.st_mode & 0777) != 0700 || time(NULL) - st.st_mtime < YOUNG_S ||
	    !is_deserted(dir) || is_mapped(library)) {
		close(dir);
		return;
	}
	remove_files(dir);
	rmdir(path);
}

void leftovers_remove(const char *parent)
{
	static const char beginning[] = PLACE_PREFIX;
	DIR *entries = opendir(parent);
	struct dirent *e;

	while (entries && (e = readdir(entries)))
		if (!strncmp(e->d_name, beginning, sizeof(beginning) - 1) && strlen(e->d_name) == sizeof(beginning) - 1 + PLACE_RANDOM)
			look_at(parent, e->d_name);
	if (entries)
		closedir(entries);
}
