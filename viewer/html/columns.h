#pragma once
/* The data block of a report: what the page's script reads (page/data/columns.ts is the other half).
 *
 * A block is the text of <script type="application/octet-stream" id="data-NAME">: base64 of a raw deflate stream.  A
 * *table* block holds columns, one after the other; a column is cut into chunks of COLUMN_CHUNK rows, and a chunk is
 *     one byte p, then p planes: the lowest byte of every row, then the next higher byte of every row, …
 * so that the bytes that hardly vary lie side by side.  Every value is an unsigned integer below 2^53, coded as
 *     u  as it is          s  signed: 0, -1, 1, -2, 2 … are 0, 1, 2, 3, 4 …
 *     d  the difference to the row before it (the first: to 0), signed as above
 * A *text* block holds JSON.  Which blocks there are, their rows, columns and codes is told by the directory, a JSON
 * block (id data-directory) after them:
 *     {"format": 1, "blocks": {"intervals": {"rows": 12, "bytes": 345, "columns": [["gap", "s"], …]}, "model": {"bytes": 99}}}
 * bytes is the length when inflated.
 *
 * Owns: block_done frees what block_init took.  Context: one thread.  Errors: kept, told by block_done. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/util/strbuf.h"

#define COLUMN_CHUNK 65536

struct block_writer;

/* The directory grows with each block.  Blocks are kept in memory, deflated, until there is somewhere to write them. */
struct block_writer *block_writer_new(void);
/* Writes what was kept; what comes goes there at once. */
void block_writer_open(struct block_writer *w, FILE *out);
/* Writes the directory and frees; extra: further members of it ("\"reduced\": …"), or NULL.  0 or -errno. */
int block_writer_done(struct block_writer *w, const char *extra);
void block_writer_free(struct block_writer *w); /* without a directory */

void block_text(struct block_writer *w, const char *name, const char *text, size_t n);
/* The same in pieces, for what is too long to stand in memory at once: begin, put, end. */
void block_begin(struct block_writer *w, const char *name);
void block_put(struct block_writer *w, const void *bytes, size_t n);
void block_end(struct block_writer *w);

/* A table: begin, its columns, end. */
void table_begin(struct block_writer *w, const char *name, size_t rows);
void table_column(struct block_writer *w, const char *name, char code, uint64_t (*value)(const void *ctx, size_t row),
		  const void *ctx); /* codes s and d: value is an int64_t */
void table_end(struct block_writer *w);

static inline uint64_t column_signed(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
