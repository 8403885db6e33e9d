#pragma once
/* Python's str (and int) objects read from outside: any kind, compact or not, to valid UTF-8.
 * 2.7: str is bytes, taken as UTF-8; what is none is written as Python 3 would decode it (\\udc80).
 * What UTF-8 or a C string cannot hold is written as text: lone surrogates as \udc80, NUL as \x00.  Longer than
 * PYSTR_MAX bytes: cut at a character and ended with "…".
 * Owns: nothing.  Context: any, no allocation.  Errors: -errno of the read. */
#include <stddef.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

#define PYSTR_MAX 1024
#define PYSTR_SIZE (PYSTR_MAX + 1)

enum { PYSTR_NOT_ONE = 1 }; /* the bytes there are no str (freed, reused, torn) */
/* 0, PYSTR_NOT_ONE or -errno; ret is always terminated, size at least 16. */
int pystr_read(const struct layout *l, const struct mem *mem, uint64_t addr, char *ret, size_t size);
/* A non-negative int below 2^64; 0, PYSTR_NOT_ONE or -errno. */
int pylong_read(const struct layout *l, const struct mem *mem, uint64_t addr, uint64_t *ret);
