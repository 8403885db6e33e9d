/* See releases.h. */
#include "core/timeline/releases.h"

#include <stdlib.h>

#include "core/util/xalloc.h"

void releases_done(struct releases *r)
{
	free(r->items);
	*r = (struct releases){ 0 };
}

static struct release *at(struct releases *r, size_t i)
{
	return &r->items[(r->head + i) & (r->cap - 1)];
}

static void grow(struct releases *r)
{
	uint32_t cap = r->cap ? r->cap * 2 : 4;
	struct release *items = xrealloc_array(NULL, cap, sizeof(*items));

	for (uint32_t i = 0; i < r->n; i++)
		items[i] = *at(r, i);
	free(r->items);
	*r = (struct releases){ .items = items, .cap = cap, .n = r->n };
}

void releases_add(struct releases *r, const struct release *one)
{
	size_t i;

	if (r->n == RELEASES_MAX) {
		r->head = (r->head + 1) & (r->cap - 1);
		r->n--;
	} else if (r->n == r->cap) {
		grow(r);
	}
	for (i = r->n++; i && at(r, i - 1)->t > one->t; i--) /* the woken run in another order than they were woken */
		*at(r, i) = *at(r, i - 1);
	*at(r, i) = *one;
}

size_t releases_after(const struct releases *r, uint64_t t)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (releases_at(r, mid)->t <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
