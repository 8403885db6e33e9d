/* See output_file.h.  Everything goes through a descriptor of the directory; the temporary file is made with O_EXCL and
 * O_NOFOLLOW, and rename replaces a name, it never follows one. */
#include "agent/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/escape.h"
#include "core/util/number.h"
#include "core/util/xalloc.h"

enum { BUFFER_BYTES = 1 << 16 };

static int cannot(struct fail *why, int err, const struct output_file *f, const char *reason)
{
	return fail_set(why, err, FAIL_OTHER, "could not write '%s': %s", f->shown, reason);
}

static bool parse_id(const char *name, unsigned *ret)
{
	const char *value = getenv(name);
	uint64_t n;

	if (!value || number_parse(value, 0, UINT_MAX - 1, &n))
		return false;
	*ret = (unsigned)n;
	return true;
}

bool invoking_user(uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned uid, gid;

	if (geteuid() != 0 || !parse_id("SUDO_UID", &uid) || !parse_id("SUDO_GID", &gid))
		return false;
	*ret_uid = uid;
	*ret_gid = gid;
	return true;
}

static bool holds_recording(int dir, const char *base)
{
	char magic[16] = "";
	int fd = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, magic, sizeof(magic));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof(magic) && !memcmp(magic, "SQLite format 3", sizeof(magic));
}

/* What stands at that name already may be replaced only when it is an ordinary file of ours. */
static int check_existing(const struct output_file *f, const char *base, struct fail *why)
{
	uid_t owner = geteuid();
	struct stat st;
	gid_t group;

	if (fstatat(f->dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cannot(why, -errno, f, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return cannot(why, -EISDIR, f, "it is a directory");
	if (S_ISLNK(st.st_mode))
		return cannot(why, -ELOOP, f, "it is a symbolic link");
	if (!S_ISREG(st.st_mode))
		return cannot(why, -EEXIST, f, "it is not a regular file");
	invoking_user(&owner, &group);
	if (st.st_uid != owner && st.st_uid != geteuid())
		return cannot(why, -EPERM, f, "the existing file belongs to another user");
	if (!holds_recording(f->dir, base))
		return 0;
	cannot(why, -EEXIST, f, "it is a recording or another database");
	return fail_hint(why, "Choose another name with -o.");
}

static int split(struct output_file *f, const char *path, const char **ret_base, struct fail *why)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");

	*ret_base = slash ? slash + 1 : path;
	if (!**ret_base || !strcmp(*ret_base, ".") || !strcmp(*ret_base, ".."))
		return cannot(why, -EISDIR, f, "the name of a file is missing");
	if (strlen(*ret_base) + sizeof(".XXXXXXXX.tmp") > NAME_MAX)
		return cannot(why, -ENAMETOOLONG, f, "the name is too long");
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->dir >= 0 ? 0 : cannot(why, -errno, f, errno == ENOENT ? "its directory does not exist" : strerror(errno));
}

static int open_temporary(struct output_file *f, const char *base, struct fail *why)
{
	uid_t uid;
	gid_t gid;
	int fd = -1;

	for (unsigned n = 0; n < 100 && fd < 0; n++) {
		free(f->temporary);
		f->temporary = xasprintf(".%s.%x-%x.tmp", base, (unsigned)getpid(), n);
		fd = openat(f->dir, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0) {
		int err = -errno;

		free(f->temporary);
		f->temporary = NULL; /* nothing of ours to remove */
		cannot(why, err, f, strerror(-err));
		return fail_hint(why, "Choose a directory that you may write to, with -o.");
	}
	if (fchmod(fd, 0600) < 0 || (invoking_user(&uid, &gid) && fchown(fd, uid, gid) < 0)) {
		cannot(why, -errno, f, strerror(errno));
		close(fd);
		return why->err;
	}
	f->out = fdopen(fd, "w");
	if (!f->out) {
		cannot(why, -errno, f, strerror(errno));
		close(fd);
		return why->err;
	}
	setvbuf(f->out, NULL, _IOFBF, BUFFER_BYTES);
	return 0;
}

int output_file_open(struct output_file *ret, const char *path, struct fail *why)
{
	struct output_file f = {.dir = -1};
	char shown[400];
	const char *base;
	int err;

	if (!strcmp(path, "-")) {
		f.out = stdout;
		*ret = f;
		return 0;
	}
	escape_to(shown, sizeof(shown), path, strlen(path));
	f.shown = xstrdup(shown);
	err = split(&f, path, &base, why);
	err = err ? err : check_existing(&f, base, why);
	if (!err) {
		f.path = xstrdup(base);
		err = open_temporary(&f, base, why);
	}
	if (err) {
		output_file_drop(&f);
		return err;
	}
	*ret = f;
	return 0;
}

static void release(struct output_file *f)
{
	if (f->dir >= 0)
		close(f->dir);
	free(f->path);
	free(f->temporary);
	free(f->shown);
	*f = (struct output_file){.dir = -1};
}

int output_file_finish(struct output_file *f, struct fail *why)
{
	int err = 0;

	if (!f->temporary)
		return 0; /* standard output: ui_finish flushes and tells */
	if (fflush(f->out) || ferror(f->out))
		err = -(errno ? errno : EIO);
	if (fclose(f->out) && !err)
		err = -errno;
	f->out = NULL;
	if (!err)
		err = check_existing(f, f->path, why);
	else
		cannot(why, err, f, strerror(-err));
	if (!err && renameat(f->dir, f->temporary, f->dir, f->path) < 0)
		err = cannot(why, -errno, f, strerror(errno));
	if (err) {
		output_file_drop(f);
		return err;
	}
	release(f);
	return 0;
}

void output_file_drop(struct output_file *f)
{
	if (f->out && f->temporary)
		fclose(f->out);
	if (f->temporary)
		unlinkat(f->dir, f->temporary, 0);
	release(f);
}
