/* See columns.h.  Nothing of a block stands in memory but one chunk of one column and what deflate gave: values come from a
 * callback, and the markup (base64, a third longer) is made when it is written. */
#include "viewer/html/columns.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "core/util/vec.h"
#include "core/util/xalloc.h"

enum { LEVEL = 6, OUT_BYTES = 3 << 14 };

struct kept_block { /* made before there was anywhere to write it */
	char name[16];
	size_t from, to; /* in kept_bytes */
};

struct block_writer {
	FILE *out; /* NULL: keep */
	vec(struct kept_block) kept;
	vec(unsigned char) kept_bytes;
	struct strbuf directory;
	z_stream z;
	bool failed;
	uint64_t bytes; /* of the block, before deflate */
	size_t rows, n_out, n_columns;
	unsigned char deflated[OUT_BYTES];
	char text[OUT_BYTES / 3 * 4];
	uint64_t values[COLUMN_CHUNK];
	unsigned char plane[COLUMN_CHUNK];
};

struct block_writer *block_writer_new(void)
{
	struct block_writer *w = xcalloc(1, sizeof(*w));

	strbuf_init(&w->directory);
	strbuf_adds(&w->directory, "{\"format\":1,\"blocks\":{");
	return w;
}

static size_t base64(char *ret, const unsigned char *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = ret;
	size_t i;

	for (i = 0; i + 2 < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = digits[v >> 6 & 63];
		*out++ = digits[v & 63];
	}
	if (i < n) {
		uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0);

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	return (size_t)(out - ret);
}

static void write_base64(struct block_writer *w, const unsigned char *bytes, size_t n)
{
	for (size_t part; n; bytes += part, n -= part) {
		size_t length;

		part = n < OUT_BYTES ? n : OUT_BYTES;
		length = base64(w->text, bytes, part);
		if (fwrite(w->text, 1, length, w->out) != length)
			w->failed = true;
	}
}

static void flush(struct block_writer *w)
{
	if (w->out) {
		write_base64(w, w->deflated, w->n_out);
	} else {
		vec_reserve(&w->kept_bytes, w->kept_bytes.n + w->n_out);
		memcpy(w->kept_bytes.items + w->kept_bytes.n, w->deflated, w->n_out);
		w->kept_bytes.n += w->n_out;
	}
	w->n_out = 0;
}

static void open_markup(struct block_writer *w, const char *name)
{
	fprintf(w->out, "<script type=\"application/octet-stream\" id=\"data-%s\">", name);
}

static void close_markup(struct block_writer *w)
{
	fputs("</script>\n", w->out);
}

void block_writer_open(struct block_writer *w, FILE *out)
{
	w->out = out;
	for (size_t i = 0; i < w->kept.n; i++) {
		const struct kept_block *b = &w->kept.items[i];

		open_markup(w, b->name);
		write_base64(w, w->kept_bytes.items + b->from, b->to - b->from);
		close_markup(w);
	}
	vec_done(&w->kept);
	vec_done(&w->kept_bytes);
}

/* The buffer is a multiple of three bytes, so only the last flush of a block is padded. */
static void pump(struct block_writer *w, int how)
{
	int rc;

	do {
		w->z.next_out = w->deflated + w->n_out;
		w->z.avail_out = (uInt)(OUT_BYTES - w->n_out);
		rc = deflate(&w->z, how);
		w->n_out = OUT_BYTES - w->z.avail_out;
		if (w->n_out == OUT_BYTES)
			flush(w);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			w->failed = true;
	} while (!w->failed && (w->z.avail_in || (how == Z_FINISH && rc != Z_STREAM_END)));
}

void block_begin(struct block_writer *w, const char *name)
{
	w->z = (z_stream){ 0 };
	if (deflateInit2(&w->z, LEVEL, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		w->failed = true;
	w->n_out = 0;
	w->bytes = 0;
	if (w->out) {
		open_markup(w, name);
	} else {
		struct kept_block *b = vec_add(&w->kept);

		snprintf(b->name, sizeof(b->name), "%s", name);
		b->from = w->kept_bytes.n;
	}
	strbuf_addf(&w->directory, "%s\"%s\":{", w->directory.s[w->directory.n - 1] == '{' ? "" : ",\n", name);
}

void block_put(struct block_writer *w, const void *bytes, size_t n)
{
	if (w->failed || !n)
		return;
	w->bytes += n;
	w->z.next_in = (z_const Bytef *)bytes;
	w->z.avail_in = (uInt)n;
	pump(w, Z_NO_FLUSH);
}

void block_end(struct block_writer *w)
{
	if (!w->failed)
		pump(w, Z_FINISH);
	flush(w);
	deflateEnd(&w->z);
	if (w->out)
		close_markup(w);
	else
		vec_last(&w->kept)->to = w->kept_bytes.n;
	strbuf_addf(&w->directory, "\"bytes\":%" PRIu64 "}", w->bytes);
}

void block_text(struct block_writer *w, const char *name, const char *text, size_t n)
{
	block_begin(w, name);
	block_put(w, text, n);
	block_end(w);
}

void table_begin(struct block_writer *w, const char *name, size_t rows)
{
	block_begin(w, name);
	w->rows = rows;
	w->n_columns = 0;
	strbuf_addf(&w->directory, "\"rows\":%zu,\"columns\":[", rows);
}

static void put_chunk(struct block_writer *w, size_t n)
{
	uint64_t all = 0;
	unsigned char planes = 0;

	for (size_t i = 0; i < n; i++)
		all |= w->values[i];
	for (; all; all >>= 8)
		planes++;
	block_put(w, &planes, 1);
	for (unsigned p = 0; p < planes; p++) {
		for (size_t i = 0; i < n; i++)
			w->plane[i] = (unsigned char)(w->values[i] >> 8 * p);
		block_put(w, w->plane, n);
	}
}

void table_column(struct block_writer *w, const char *name, char code, uint64_t (*value)(const void *ctx, size_t row),
		  const void *ctx)
{
	uint64_t last = 0;
	size_t n = 0;

	strbuf_addf(&w->directory, "%s[\"%s\",\"%c\"]", w->n_columns++ ? "," : "", name, code);
	for (size_t row = 0; row < w->rows; row++) {
		uint64_t v = value(ctx, row);

		w->values[n++] = code == 'u' ? v : column_signed((int64_t)(code == 'd' ? v - last : v));
		last = v;
		if (n == COLUMN_CHUNK || row + 1 == w->rows) {
			put_chunk(w, n);
			n = 0;
		}
	}
}

void table_end(struct block_writer *w)
{
	strbuf_adds(&w->directory, "],");
	block_end(w);
}

void block_writer_free(struct block_writer *w)
{
	if (w) {
		strbuf_done(&w->directory);
		vec_done(&w->kept);
		vec_done(&w->kept_bytes);
	}
	free(w);
}

int block_writer_done(struct block_writer *w, const char *extra)
{
	int err;

	fprintf(w->out, "<script type=\"application/json\" id=\"data-directory\">%s}%s%s}</script>\n", w->directory.s,
		extra ? "," : "", extra ? extra : "");
	err = w->failed || ferror(w->out) ? -EIO : 0;
	block_writer_free(w);
	return err;
}
