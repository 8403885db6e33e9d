/* See lanes.h. */
#include "viewer/export/lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util/xalloc.h"

enum { BUFFERED_ROWS = 64, READ_ROWS = 1024 };

static int open_spool(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		char path[] = "/tmp/gilscope-export-XXXXXX";

		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	return fd < 0 ? -errno : fd;
}

int lanes_init(struct lanes *l, size_t n, size_t row_size)
{
	memset(l, 0, sizeof(*l));
	l->fd = open_spool();
	if (l->fd < 0)
		return l->fd;
	l->n = n;
	l->row_size = row_size;
	l->items = xcalloc(n + 1, sizeof(*l->items));
	l->buffers = xcalloc(n + 1, BUFFERED_ROWS * row_size);
	return 0;
}

void lanes_count(struct lanes *l, size_t lane)
{
	if (lane < l->n)
		l->items[lane].n++;
}

void lanes_begin(struct lanes *l)
{
	uint64_t first = 0;

	for (size_t i = 0; i < l->n; i++) {
		l->items[i].first = first;
		first += l->items[i].n;
	}
}

static int write_all(int fd, const uint8_t *bytes, size_t n, uint64_t at)
{
	while (n) {
		ssize_t done = pwrite(fd, bytes, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		bytes += done;
		n -= (size_t)done;
		at += (size_t)done;
	}
	return 0;
}

static int flush_lane(struct lanes *l, size_t lane)
{
	struct lane *k = &l->items[lane];
	uint64_t at = k->first + k->put - k->buffered;
	int err = write_all(l->fd, l->buffers + lane * BUFFERED_ROWS * l->row_size, k->buffered * l->row_size, at * l->row_size);

	k->buffered = 0;
	return err;
}

int lanes_put(struct lanes *l, size_t lane, const void *row)
{
	struct lane *k;

	if (lane >= l->n)
		return 0;
	k = &l->items[lane];
	if (k->put == k->n)
		return -EPROTO;
	memcpy(l->buffers + (lane * BUFFERED_ROWS + k->buffered) * l->row_size, row, l->row_size);
	k->buffered++;
	k->put++;
	return k->buffered == BUFFERED_ROWS ? flush_lane(l, lane) : 0;
}

int lanes_flush(struct lanes *l)
{
	int err = 0;

	for (size_t i = 0; i < l->n && !err; i++)
		if (l->items[i].buffered)
			err = flush_lane(l, i);
	return err;
}

int lanes_read(struct lanes *l, size_t lane, int (*on_row)(void *ctx, const void *row), void *ctx)
{
	autofree uint8_t *chunk = xmalloc(READ_ROWS * l->row_size);
	const struct lane *k = &l->items[lane];
	int err = 0;

	for (uint64_t done = 0; done < k->put && !err;) {
		size_t want = k->put - done < READ_ROWS ? (size_t)(k->put - done) : READ_ROWS;
		ssize_t got = pread(l->fd, chunk, want * l->row_size, (off_t)((k->first + done) * l->row_size));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t)l->row_size)
			return got < 0 ? -errno : -EIO;
		for (size_t i = 0; i < (size_t)got / l->row_size && !err; i++)
			err = on_row(ctx, chunk + i * l->row_size);
		done += (size_t)got / l->row_size;
	}
	return err;
}

void lanes_done(struct lanes *l)
{
	if (l->items)
		close(l->fd);
	free(l->items);
	free(l->buffers);
	memset(l, 0, sizeof(*l));
}
