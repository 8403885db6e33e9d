/* See recording_file.h.  Everything goes through a descriptor of the directory, and the last component is opened with
 * O_CREAT|O_EXCL|O_NOFOLLOW: an attacker who may write to the directory can make us fail, not write elsewhere.
 * SQLite opens by path afterwards; its own O_NOFOLLOW and recording_file_verify (same inode, same owner, one link) close
 * that window.  No descriptor stays open: closing one later would drop SQLite's locks on the file. */
#include "core/store/recording_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/store/schema.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

static const char *const sidecars[] = { "-wal", "-shm", "-journal" };
#define N_SIDECARS (sizeof(sidecars) / sizeof(*sidecars))

struct place { /* where the file is to be */
	const char *given; /* escaped, for messages */
	char dir[PATH_MAX];
	char base[NAME_MAX + 1];
	int fd; /* of the directory */
};

static int cannot(struct fail *why, int err, const struct place *p, const char *reason)
{
	return fail_set(why, err, FAIL_DATA, "could not create recording '%s': %s", p->given, reason);
}

static const char *kind_words(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK: return "it is a symbolic link";
	case S_IFIFO: return "it is a FIFO";
	case S_IFSOCK: return "it is a socket";
	case S_IFDIR: return "it is a directory";
	default: return "it is a device";
	}
}

static bool parse_id(const char *name, unsigned *ret)
{
	const char *s = getenv(name);
	char *end;
	unsigned long v;

	if (!s || *s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v >= UINT_MAX)
		return false;
	*ret = (unsigned)v;
	return true;
}

/* Who shall own the file: the user behind sudo, else we. */
static void find_owner(struct recording_file *f)
{
	unsigned uid, gid;

	f->uid = geteuid();
	f->gid = getegid();
	if (f->uid == 0 && parse_id("SUDO_UID", &uid) && parse_id("SUDO_GID", &gid)) {
		f->uid = uid;
		f->gid = gid;
	}
}

static int open_directory(struct place *p, const char *path, struct fail *why)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t dir_len = slash ? (size_t)(slash - path) : 0;

	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return cannot(why, -EISDIR, p, "the name of a file is missing");
	/* room for the longest name SQLite puts beside it */
	if (strlen(base) + sizeof("-journal") > sizeof(p->base) || dir_len >= sizeof(p->dir))
		return cannot(why, -ENAMETOOLONG, p, "the name is too long");
	memcpy(p->base, base, strlen(base) + 1);
	if (!slash)
		memcpy(p->dir, ".", 2);
	else if (dir_len == 0)
		memcpy(p->dir, "/", 2);
	else
		snprintf(p->dir, sizeof(p->dir), "%.*s", (int)dir_len, path);
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->fd < 0 && errno == EACCES) /* searchable but not readable is enough */
		p->fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->fd >= 0)
		return 0;
	cannot(why, -errno, p, errno == ENOENT ? "its directory does not exist" :
	       errno == ENOTDIR ? "its directory is not a directory" : strerror(errno));
	return fail_hint(why, "Choose a directory that exists and that you may write to, with -o.");
}

/* Ours by its header (https://sqlite.org/fileformat.html), or what a recording that was killed at its very start leaves: nothing,
 * or one page of a database without anything in it. */
static bool is_recording(int dir_fd, const char *name, off_t size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t head[100];
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);
	uint32_t id = n == sizeof(head) ? (uint32_t)head[68] << 24 | head[69] << 16 | head[70] << 8 | head[71] : 0;

	if (fd >= 0)
		close(fd);
	if (n == 0)
		return true;
	return n == sizeof(head) && memcmp(head, "SQLite format 3", 16) == 0 &&
	       (id == SCHEMA_APPLICATION_ID || (id == 0 && size <= 4096));
}

/* An existing file in the way: 0 when there is none, or when it may be replaced and was removed. */
static int clear_way(const struct place *p, const char *name, uid_t owner, bool overwrite, struct fail *why)
{
	char shown[300];
	struct stat st;

	escape_to(shown, sizeof(shown), name, strlen(name));
	if (fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return cannot(why, -errno, p, strerror(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		cannot(why, S_ISLNK(st.st_mode) ? -ELOOP : -EEXIST, p, kind_words(st.st_mode));
		return fail_hint(why, "A recording is only written to a new file: remove '%s' or choose another name with -o.",
				 shown);
	}
	if (!overwrite) {
		cannot(why, -EEXIST, p, "it exists already");
		return fail_hint(why, "Remove '%s' or choose another name with -o.", shown);
	}
	if (st.st_uid != owner && st.st_uid != geteuid()) {
		cannot(why, -EPERM, p, "the existing file belongs to another user");
		return fail_hint(why, "Choose another name with -o.");
	}
	if (st.st_nlink > 1) {
		cannot(why, -EMLINK, p, "the existing file has more than one name (hard links)");
		return fail_hint(why, "Choose another name with -o.");
	}
	if (name == p->base && !is_recording(p->fd, name, st.st_size)) {
		cannot(why, -EEXIST, p, "the existing file is not a recording");
		return fail_hint(why, "Only a recording is replaced: remove '%s' yourself or choose another name with -o.", shown);
	}
	return unlinkat(p->fd, name, 0) < 0 ? cannot(why, -errno, p, strerror(errno)) : 0;
}

static int clear_all(const struct place *p, uid_t owner, bool overwrite, struct fail *why)
{
	char name[NAME_MAX + 16];
	int err = clear_way(p, p->base, owner, overwrite, why);

	for (size_t i = 0; i < N_SIDECARS && !err; i++) {
		snprintf(name, sizeof(name), "%s%s", p->base, sidecars[i]);
		err = clear_way(p, name, owner, overwrite, why);
	}
	return err;
}

/* File systems on which several machines meet; their mmap is not coherent. */
static bool is_network(int fd)
{
	static const unsigned long types[] = { 0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */,
		0xfe534d42 /* SMB2 */, 0x01021997 /* 9P */, 0x5346414f /* AFS */, 0x00c36400 /* Ceph */ };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (((unsigned long)fs.f_type & 0xffffffffUL) == types[i])
			return true;
	return false;
}

static int make(struct recording_file *f, const struct place *p, struct fail *why)
{
	struct stat st;
	int fd, err = 0;

	fd = openat(p->fd, p->base, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		cannot(why, -errno, p, strerror(errno));
		return fail_hint(why, "Choose a directory that you may write to, with -o.");
	}
	if (fchmod(fd, 0600) < 0) /* the umask may have taken bits away */
		err = -errno;
	if (!err && (f->uid != geteuid() || f->gid != getegid()) && fchown(fd, f->uid, f->gid) < 0)
		err = -errno;
	if (!err && fstat(fd, &st) < 0)
		err = -errno;
	if (!err) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->uid = st.st_uid;
		f->network = is_network(fd);
	} else {
		unlinkat(p->fd, p->base, 0);
		cannot(why, err, p, strerror(-err));
	}
	close(fd);
	return err;
}

int recording_file_create(struct recording_file *ret, const char *path, bool overwrite, struct fail *why)
{
	struct recording_file f = { 0 };
	struct place p = { .fd = -1 };
	char shown[400], *dir;
	int err;

	escape_to(shown, sizeof(shown), path, strlen(path));
	p.given = shown;
	find_owner(&f);
	err = open_directory(&p, path, why);
	if (err)
		return err;
	err = clear_all(&p, f.uid, overwrite, why);
	if (!err)
		err = make(&f, &p, why);
	if (!err) {
		dir = realpath(p.dir, NULL);
		if (dir)
			f.path = xasprintf("%s/%s", strcmp(dir, "/") ? dir : "", p.base);
		else
			err = cannot(why, -errno, &p, strerror(errno));
		free(dir);
		if (err)
			unlinkat(p.fd, p.base, 0);
	}
	close(p.fd);
	if (!err)
		*ret = f;
	return err;
}

static int foreign(struct fail *why, const char *path, const char *reason)
{
	char shown[400];

	escape_to(shown, sizeof(shown), path, strlen(path));
	fail_set(why, -EPERM, FAIL_DATA, "could not create recording: '%s' %s", shown, reason);
	return fail_hint(why, "Somebody else writes to this directory: choose one of your own with -o.");
}

int recording_file_verify(const struct recording_file *f, struct fail *why)
{
	char path[PATH_MAX];
	struct stat st;

	if (lstat(f->path, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino || st.st_nlink != 1)
		return foreign(why, f->path, "was replaced while it was being created");
	for (size_t i = 0; i < N_SIDECARS; i++) {
		if (snprintf(path, sizeof(path), "%s%s", f->path, sidecars[i]) >= (int)sizeof(path))
			return foreign(why, f->path, "has a name that is too long");
		if (lstat(path, &st) < 0)
			continue;
		if (!S_ISREG(st.st_mode) || st.st_uid != f->uid || st.st_nlink != 1 || (st.st_mode & 077))
			return foreign(why, path, "is not a file of ours");
	}
	return 0;
}

void recording_file_remove(const struct recording_file *f)
{
	char path[PATH_MAX];
	struct stat st;

	if (!f->path || lstat(f->path, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino)
		return;
	unlink(f->path);
	for (size_t i = 0; i < N_SIDECARS; i++)
		if (snprintf(path, sizeof(path), "%s%s", f->path, sidecars[i]) < (int)sizeof(path))
			unlink(path);
}

void recording_file_done(struct recording_file *f)
{
	free(f->path);
	f->path = NULL;
}
