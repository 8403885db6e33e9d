#pragma once
/* When a lock that is no GIL was let go, and by whom, as far as somebody was woken by it: the only trace such a lock leaves.
 * The last RELEASES_MAX, in order of time.
 * Owns: releases_done frees.  Context: pure.  Errors: none. */
#include <stddef.h>
#include <stdint.h>

enum { RELEASES_MAX = 1024 };

struct release {
	uint64_t t, stack; /* of who let go, 0 unknown */
	uint32_t thread;
};

struct releases { /* a ring that grows */
	struct release *items;
	uint32_t cap, head, n;
};

void releases_done(struct releases *r);
void releases_add(struct releases *r, const struct release *one);
size_t releases_after(const struct releases *r, uint64_t t); /* the first one later than t; r->n if there is none */
static inline const struct release *releases_at(const struct releases *r, size_t i)
{
	return &r->items[(r->head + i) & (r->cap - 1)];
}
