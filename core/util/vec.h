#pragma once
/* A growing array of any type:
 *     vec(struct wait) waits = {0};
 *     vec_push(&waits, w);
 *     for (size_t i = 0; i < waits.n; i++) … waits.items[i] …
 *     vec_done(&waits);
 * Pointers into it are valid until the next push.  One that is passed between functions needs a name:
 *     typedef vec(struct wait) wait_vec;
 *
 * Owns: its items' memory, not what they point to.  Context: one thread.  Errors: none (xalloc). */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define vec(type) struct { type *items; size_t n, cap; }

#define vec_reserve(v, want) \
	((want) > (v)->cap ? (void)((v)->items = vec_grow((v)->items, &(v)->cap, (want), sizeof(*(v)->items))) : (void)0)
#define vec_push(v, item) (vec_reserve(v, (v)->n + 1), (void)((v)->items[(v)->n++] = (item)))
/* A zeroed new item at the end, as a pointer. */
#define vec_add(v) \
	(vec_reserve(v, (v)->n + 1), memset(&(v)->items[(v)->n], 0, sizeof(*(v)->items)), &(v)->items[(v)->n++])
#define vec_last(v) (&(v)->items[(v)->n - 1])
#define vec_clear(v) ((void)((v)->n = 0))
#define vec_sort(v, compare) ((v)->n > 1 ? qsort((v)->items, (v)->n, sizeof(*(v)->items), (compare)) : (void)0)
/* Where the first item is whose member is not less than value, v->n when there is none; items ascend by it. */
#define vec_first_from(v, member, value) __extension__ ({ \
	size_t low_ = 0, high_ = (v)->n; \
	while (low_ < high_) { \
		size_t mid_ = low_ + (high_ - low_) / 2; \
		if ((v)->items[mid_].member < (value)) \
			low_ = mid_ + 1; \
		else \
			high_ = mid_; \
	} \
	low_; \
})
#define vec_done(v) (free((v)->items), (v)->items = NULL, (void)((v)->n = (v)->cap = 0))

void *vec_grow(void *items, size_t *cap, size_t want, size_t item_size);
