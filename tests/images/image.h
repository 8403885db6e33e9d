#pragma once
/* Recorded memory: the byte ranges that the walkers read from a live interpreter under a known load, so that the same
 * walkers can be tested without it.  File: zlib stream of struct image_head, static_vars if it has no runtime address, then { u64 addr, u64 len, bytes }.
 * Owns: image_load gives an owned image, image_free ends it.  Context: tests.  Errors: -errno. */
#include <stdint.h>
#include <stdio.h>

#include "core/interp/mem.h"
#include "core/interp/statics.h"

struct image_range {
	uint64_t addr, len;
	unsigned char *bytes;
};

struct image {
	struct mem mem; /* reads the ranges; elsewhere -EFAULT */
	const struct mem *source; /* while recording: what is read is kept */
	uint64_t runtime_addr; /* 0: the variables instead */
	struct static_vars statics;
	uint32_t version_hex;
	struct image_range *ranges; /* sorted by address, apart */
	size_t n, cap;
};

struct runtime_origin;
void image_record(struct image *ret, const struct mem *source, const struct runtime_origin *from);
struct runtime_origin image_origin(const struct image *image);
int image_save(struct image *image, const char *path);
int image_load(struct image *ret, const char *path);
void image_free(struct image *image);

/* All that the walkers find, in the format of the truth (tests/images/load.py), and for the GIL holder "H name".
 * 0 or -errno of runtime_read. */
int image_walk(const struct mem *mem, const struct runtime_origin *from, FILE *out);
