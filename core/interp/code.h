#pragma once
/* Code objects read from outside.  A code object may be freed and its address reused at any time: struct code_key is
 * what is compared to tell (first line, and which name, file and table objects it refers to).
 * Owns: code_read_linetable hands over memory, the rest nothing.  Context: hosted.  Errors: -errno of the read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"
#include "core/interp/pystr.h"

#define CODE_LINETABLE_MAX (1u << 20)

struct code_key {
	uint64_t name, file, linetable; /* addresses of objects */
	uint32_t first_line;
};

static inline bool code_key_equal(const struct code_key *a, const struct code_key *b)
{
	return a->name == b->name && a->file == b->file && a->linetable == b->linetable &&
	       a->first_line == b->first_line;
}

enum { CODE_NOT_ONE = 1 };
int code_read_key(const struct layout *l, const struct mem *mem, uint64_t code, struct code_key *ret);
/* Names; 0, CODE_NOT_ONE or -errno. */
int code_read_names(const struct layout *l, const struct mem *mem, const struct code_key *key,
		    char (*ret_function)[PYSTR_SIZE], char (*ret_file)[PYSTR_SIZE]);
/* malloc'ed table, at most CODE_LINETABLE_MAX of it. */
int code_read_linetable(const struct layout *l, const struct mem *mem, const struct code_key *key, uint8_t **ret,
			size_t *ret_n);
