#pragma once
/* Numbers for things by what makes them one: the same bytes have the same number, counted from 0 in the order of first use.
 *     struct pool names = {0};
 *     uint32_t n = pool_number(&names, text, strlen(text), &is_new);
 *     if (is_new) …fill in what n stands for…
 *     pool_done(&names);
 * A key that is a struct has no padding, or zeroed padding.  Keys may come from a file: nobody can choose some that collide.
 *
 * Owns: copies of the keys; pool_key is valid until the next new one.  Context: one thread.  Errors: none (xalloc). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/util/vec.h"

struct pool_entry;
struct pool {
	vec(struct pool_entry) entries;
	vec(char) keys;
	uint32_t *slots; /* open hash of numbers + 1 */
	uint64_t n_slots, seed;
};

uint32_t pool_number(struct pool *p, const void *key, size_t n, bool *ret_new); /* ret_new: may be NULL */
#define POOL_NONE UINT32_MAX
uint32_t pool_find(const struct pool *p, const void *key, size_t n); /* POOL_NONE: not there */
const void *pool_key(const struct pool *p, uint32_t number, size_t *ret_n); /* followed by a NUL; ret_n: may be NULL */
void pool_done(struct pool *p);
static inline uint32_t pool_size(const struct pool *p)
{
	return (uint32_t)p->entries.n;
}
