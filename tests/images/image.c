/* See image.h. */
#include "tests/images/image.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/types.h>
#include <string.h>
#include <zlib.h>

#include "core/interp/runtime.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define MAGIC 0x31474d4947534c47ull
#define BYTES_MAX (64u << 20)

struct image_head {
	uint64_t magic, runtime_addr, version_hex, n;
};

static int image_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	const struct image *image = (const struct image *)mem;
	size_t low = 0, high = image->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (image->ranges[mid].addr + image->ranges[mid].len <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == image->n || addr < image->ranges[low].addr || len > image->ranges[low].len ||
	    addr - image->ranges[low].addr > image->ranges[low].len - len)
		return -EFAULT;
	memcpy(ret, image->ranges[low].bytes + (addr - image->ranges[low].addr), len);
	return 0;
}

static int record_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	struct image *image = (struct image *)(uintptr_t)mem;
	int r = mem_read(image->source, addr, ret, len);

	if (r == 0 && len) {
		struct image_range range = { addr, len, xmalloc(len) };

		memcpy(range.bytes, ret, len);
		image->ranges = image->n == image->cap ? vec_grow(image->ranges, &image->cap, image->n + 1, sizeof(range)) :
							  image->ranges;
		image->ranges[image->n++] = range;
	}
	return r;
}

void image_record(struct image *ret, const struct mem *source, const struct runtime_origin *from)
{
	*ret = (struct image){ .mem.read = record_read, .source = source, .runtime_addr = from->addr, .version_hex = from->version_hex };
	if (from->statics)
		ret->statics = *from->statics;
}

struct runtime_origin image_origin(const struct image *image)
{
	return (struct runtime_origin){ .addr = image->runtime_addr, .statics = image->runtime_addr ? NULL : &image->statics,
					.version_hex = image->version_hex };
}

static int compare_ranges(const void *a, const void *b)
{
	const struct image_range *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* The target stood still, so what overlaps is equal. */
static void merge_ranges(struct image *image)
{
	size_t to = 0;

	if (image->n == 0)
		return;
	qsort(image->ranges, image->n, sizeof(image->ranges[0]), compare_ranges);
	for (size_t i = 1; i < image->n; i++) {
		struct image_range *last = &image->ranges[to], *r = &image->ranges[i];
		uint64_t end = last->addr + last->len, r_end = r->addr + r->len;

		if (r->addr > end) {
			image->ranges[++to] = *r;
			continue;
		}
		if (r_end > end) {
			last->bytes = xrealloc_array(last->bytes, r_end - last->addr, 1);
			memcpy(last->bytes + (end - last->addr), r->bytes + (end - r->addr), r_end - end);
			last->len = r_end - last->addr;
		}
		free(r->bytes);
	}
	image->n = to + 1;
}

int image_save(struct image *image, const char *path)
{
	struct image_head head = { MAGIC, image->runtime_addr, image->version_hex, 0 };
	gzFile out;
	int r = 0;

	merge_ranges(image);
	head.n = image->n;
	out = gzopen(path, "wb9");
	if (!out)
		return -EIO;
	if (gzwrite(out, &head, sizeof(head)) != (int)sizeof(head))
		r = -EIO;
	if (r == 0 && !image->runtime_addr && gzwrite(out, &image->statics, sizeof(image->statics)) != (int)sizeof(image->statics))
		r = -EIO;
	for (size_t i = 0; i < image->n && r == 0; i++)
		if (gzwrite(out, &image->ranges[i], 16) != 16 ||
		    gzwrite(out, image->ranges[i].bytes, (unsigned)image->ranges[i].len) != (int)image->ranges[i].len)
			r = -EIO;
	return gzclose(out) == Z_OK ? r : -EIO;
}

int image_load(struct image *ret, const char *path)
{
	struct image_head head;
	gzFile in = gzopen(path, "rb");
	uint64_t total = 0;

	if (!in)
		return -ENOENT;
	*ret = (struct image){ .mem.read = image_read };
	if (gzread(in, &head, sizeof(head)) != (int)sizeof(head) || head.magic != MAGIC || head.n > BYTES_MAX / 16) {
		gzclose(in);
		return -EPROTO;
	}
	ret->runtime_addr = head.runtime_addr;
	ret->version_hex = (uint32_t)head.version_hex;
	if (!head.runtime_addr && gzread(in, &ret->statics, sizeof(ret->statics)) != (int)sizeof(ret->statics)) {
		gzclose(in);
		return -EPROTO;
	}
	ret->ranges = xcalloc(head.n + 1, sizeof(*ret->ranges));
	for (uint64_t i = 0; i < head.n; i++) {
		struct image_range *r = &ret->ranges[i];

		if (gzread(in, r, 16) != 16 || r->len > BYTES_MAX || (total += r->len) > BYTES_MAX)
			break;
		r->bytes = xmalloc(r->len + 1);
		ret->n++;
		if (gzread(in, r->bytes, (unsigned)r->len) != (int)r->len)
			break;
	}
	gzclose(in);
	if (ret->n == head.n)
		return 0;
	image_free(ret);
	return -EPROTO;
}

void image_free(struct image *image)
{
	for (size_t i = 0; i < image->n; i++)
		free(image->ranges[i].bytes);
	free(image->ranges);
	image->ranges = NULL;
	image->n = 0;
}
