#pragma once
/* Code objects to names and lines, read from the target, cached per process and checked against reuse:
 * a cached code object is valid only while its firstlineno, name and filename pointers still read the same.
 *
 * Owns: the cache; returned strings live until symbols_free.  Context: one thread (the resolver).
 * Errors: symbols_frame always answers; what could not be read says so (resolved false, function "?"). */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event/event.h"

struct target;
struct symbols;

struct symbol {
	const char *function; /* qualified name where the version has it; valid UTF-8, raw (viewers escape), <= 1 KiB */
	const char *file;
	uint32_t line; /* 0 unknown */
	uint32_t first_line;
	bool resolved;
};

struct symbols *symbols_new(struct target *t);
void symbols_free(struct symbols *s);
/* frame.check is compared with the code object's co_firstlineno: a mismatch means the code object was freed and its
 * address reused, the answer is then unresolved. */
void symbols_frame(struct symbols *s, const struct ev_frame *frame, struct symbol *ret);
