#pragma once
/* Python's dict objects read from outside: combined and split tables from 3.6 on, open tables (2.7).
 * The target changes them meanwhile: what is found is plausible, not certain; every count is bounded.
 * Owns: nothing.  Context: any, no allocation.  Errors: -errno of the read. */
#include <stddef.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

#define DICT_MAX_ENTRIES 65536
#define DICT_BATCH 64
#define DICT_ENTRY_MAX 24

struct dict_walk {
	const struct layout *l;
	const struct mem *mem;
	uint64_t entries, values; /* values 0: combined table */
	unsigned n, i, entry_size;
	uint8_t batch[DICT_BATCH * DICT_ENTRY_MAX];
};

enum { DICT_END = 1, DICT_ABSENT = 1, DICT_NOT_ONE = 2 };
int dict_walk_begin(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t dict);
/* The attributes of an instance: keys shared by its type, values its own. */
int dict_walk_begin_split(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t keys,
			  uint64_t values);
/* Next entry that has a value: 0, DICT_END or -errno. */
int dict_walk_next(struct dict_walk *w, uint64_t *ret_key, uint64_t *ret_value);
/* Walks on to the str key `name`: 0, DICT_ABSENT or -errno. */
int dict_walk_find(struct dict_walk *w, const char *name, uint64_t *ret_value);
int dict_find(const struct layout *l, const struct mem *mem, uint64_t dict, const char *name, uint64_t *ret_value);
