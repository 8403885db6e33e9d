/* See mapped_file.h.  The target's root and the files in it belong to strangers: every candidate is opened with O_PATH,
 * must be a regular file, with the inode of the mapping, and only then is opened for reading (a FIFO or device put in its place is
 * never opened). */
#include "core/target/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define DEBUG_ROOT "/usr/lib/debug"
#define DEBUG_FILES DEBUG_ROOT "/.build-id" /* XX/YYYY.debug: distributions' debug packages */
#define LINKED_MAX (512 << 20) /* half a second of reading */
#define BUILD_ID_MIN 4
#define BUILD_ID_MAX 64

static int open_in_root(int proc_fd, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int root = openat(proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(root);
	return fd;
}

/* Takes fd (O_PATH, or -errno) and gives one that reads, if it is the mapped file; map NULL: any regular one. */
static int verified(int fd, const struct proc_map *map)
{
	char self[64];
	struct stat st;
	int readable;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (map && st.st_ino != map->inode)) {
		close(fd);
		return -ESTALE;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	readable = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (readable < 0)
		readable = -errno;
	close(fd);
	return readable;
}

static int open_path(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int open_mapped_file(int proc_fd, const struct proc_map *map)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, map->start, map->end);
	fd = verified(open_path(proc_fd, link), map);
	if (fd < 0)
		fd = verified(open_path(proc_fd, "exe"), map);
	if (fd < 0 && map->path[0] == '/') {
		fd = verified(open_in_root(proc_fd, map->path), map);
		if (fd < 0) /* a chroot below our root: the kernel shows our path */
			fd = verified(open_path(AT_FDCWD, map->path), map);
	}
	return fd;
}

int open_debug_file(int proc_fd, const uint8_t *build_id, size_t n)
{
	char path[sizeof(DEBUG_FILES) + 2 * BUILD_ID_MAX + 16];
	size_t at = sizeof(DEBUG_FILES) - 1;
	int fd;

	if (n < BUILD_ID_MIN || n > BUILD_ID_MAX)
		return -ENOENT;
	at += (size_t)snprintf(path, sizeof(path), DEBUG_FILES "/%02x/", build_id[0]) - at;
	for (size_t i = 1; i < n; i++)
		at += (size_t)snprintf(path + at, sizeof(path) - at, "%02x", build_id[i]);
	snprintf(path + at, sizeof(path) - at, ".debug");
	fd = verified(open_in_root(proc_fd, path), NULL);
	return fd < 0 ? verified(open_path(AT_FDCWD, path), NULL) : fd;
}

/* The checksum of .gnu_debuglink is zlib's, of the whole file. */
static bool has_crc(int fd, uint32_t crc)
{
	unsigned char piece[16384];
	uLong sum = crc32(0, NULL, 0);
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0 || st.st_size > LINKED_MAX)
		return false;
	for (off_t at = 0; at < st.st_size; at += n) {
		n = pread(fd, piece, sizeof(piece), at);
		if (n <= 0)
			return false;
		sum = crc32(sum, piece, (uInt)n);
	}
	return sum == crc;
}

static int open_if_crc(int fd, uint32_t crc)
{
	if (fd >= 0 && !has_crc(fd, crc)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

int open_linked_debug_file(int proc_fd, const char *file, const char *link, uint32_t crc)
{
	/* where GDB and elfutils look, in their order */
	static const char *const places[][2] = { { "", "/" }, { "", "/.debug/" }, { DEBUG_ROOT, "/" } };
	const char *slash = strrchr(file, '/');
	char path[PATH_MAX];
	int fd = -ENOENT;

	if (*file != '/' || !*link || strchr(link, '/')) /* it is the name of a file, no path */
		return -ENOENT;
	for (size_t i = 0; fd < 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		int n = snprintf(path, sizeof(path), "%s%.*s%s%s", places[i][0], (int)(slash - file), file, places[i][1], link);

		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		fd = open_if_crc(verified(open_in_root(proc_fd, path), NULL), crc);
		if (fd < 0)
			fd = open_if_crc(verified(open_path(AT_FDCWD, path), NULL), crc);
	}
	return fd;
}
