#pragma once
/* Rows of fixed size put in order of the lane (thread) they belong to, in bounded memory: formats want a thread's events together,
 * a recording has them in order of time and no index.  Counted first, then spooled to an unlinked temporary file:
 *     lanes_init(&l, threads, sizeof(row));  … lanes_count(&l, lane) for each row;
 *     lanes_begin(&l);                       … lanes_put(&l, lane, &row) for each row, same order and number;
 *     lanes_flush(&l);  lanes_read(&l, lane, on_row, ctx), as often as wanted.
 * Owns: the file ($TMPDIR, else /var/tmp: /tmp may be memory).  Context: one thread.
 * Errors: -errno of the file; -EPROTO when more rows came than were counted (a recording that lies about itself). */
#include <stddef.h>
#include <stdint.h>

struct lane { uint64_t first, n, put; size_t buffered; };
struct lanes {
	struct lane *items;
	uint8_t *buffers;
	size_t n, row_size;
	int fd;
};

int lanes_init(struct lanes *l, size_t n, size_t row_size);
void lanes_count(struct lanes *l, size_t lane); /* lanes beyond n are ignored, here and in lanes_put */
void lanes_begin(struct lanes *l);
int lanes_put(struct lanes *l, size_t lane, const void *row);
int lanes_flush(struct lanes *l);
/* What on_row returns other than 0 stops it and is returned. */
int lanes_read(struct lanes *l, size_t lane, int (*on_row)(void *ctx, const void *row), void *ctx);
void lanes_done(struct lanes *l);
