/* See file.h. */
#include "core/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

ssize_t file_read(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	ssize_t got = 0;
	int err;

	if (fd < 0)
		return -errno;
	while (n + 1 < size) {
		got = read(fd, ret + n, size - 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	err = errno;
	close(fd);
	if (got < 0)
		return -err;
	ret[n] = '\0';
	return (ssize_t)n;
}

ssize_t file_read_line(const char *path, char *ret, size_t size)
{
	ssize_t n = file_read(path, ret, size);
	char *end;

	if (n < 0)
		return n;
	end = strchr(ret, '\n');
	if (!end)
		return n;
	*end = '\0';
	return end - ret;
}
