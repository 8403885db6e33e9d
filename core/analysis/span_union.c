/* See span_union.h.  Nearly every span lands at the end of the list, so the search is a formality. */
#include "core/analysis/span_union.h"

#include <stdlib.h>
#include <string.h>

#include "core/util/xalloc.h"

/* 1 MiB a list; half of it is folded when it is full, so a late span may reach back 32,768 others. */
enum { SPANS_MAX = 1 << 16 };

/* Index of the first span that ends at or after t. */
static size_t first_ending_from(const struct span_union *u, uint64_t t)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->spans[mid].t1_ns < t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void fold(struct span_union *u)
{
	size_t n = u->n / 2;

	for (size_t i = 0; i < n; i++) {
		uint64_t ns = u->spans[i].t1_ns - u->spans[i].t0_ns;

		u->folded_ns += ns;
		u->folded_longest_ns = ns > u->folded_longest_ns ? ns : u->folded_longest_ns;
	}
	u->folded_n += n;
	u->folded_until_ns = u->spans[n - 1].t1_ns;
	u->n -= n;
	memmove(u->spans, u->spans + n, u->n * sizeof(*u->spans));
}

static void make_room(struct span_union *u)
{
	if (u->n == SPANS_MAX)
		fold(u);
	if (u->n == u->cap) {
		u->cap = u->cap ? u->cap * 2 : 64;
		u->spans = xrealloc_array(u->spans, u->cap, sizeof(*u->spans));
	}
}

void span_union_add(struct span_union *u, uint64_t t0_ns, uint64_t t1_ns)
{
	size_t first, last;

	make_room(u);
	if (t0_ns < u->folded_until_ns)
		t0_ns = u->folded_until_ns;
	if (t1_ns <= t0_ns)
		return;
	first = first_ending_from(u, t0_ns);
	for (last = first; last < u->n && u->spans[last].t0_ns <= t1_ns; last++) {
		t0_ns = t0_ns < u->spans[last].t0_ns ? t0_ns : u->spans[last].t0_ns;
		t1_ns = t1_ns > u->spans[last].t1_ns ? t1_ns : u->spans[last].t1_ns;
	}
	/* first..last-1 become one span: move the tail to just behind it */
	memmove(u->spans + first + 1, u->spans + last, (u->n - last) * sizeof(*u->spans));
	u->n = u->n - (last - first) + 1;
	u->spans[first] = (struct span){t0_ns, t1_ns};
}

uint64_t span_union_ns(const struct span_union *u)
{
	uint64_t ns = u->folded_ns;

	for (size_t i = 0; i < u->n; i++)
		ns += u->spans[i].t1_ns - u->spans[i].t0_ns;
	return ns;
}

size_t span_union_count(const struct span_union *u, uint64_t *ret_longest_ns)
{
	uint64_t longest = u->folded_longest_ns;

	for (size_t i = 0; i < u->n; i++) {
		uint64_t ns = u->spans[i].t1_ns - u->spans[i].t0_ns;

		longest = ns > longest ? ns : longest;
	}
	*ret_longest_ns = longest;
	return u->folded_n + u->n;
}

uint64_t span_union_overlap(const struct span_union *u, uint64_t t0_ns, uint64_t t1_ns)
{
	uint64_t ns = 0;

	for (size_t i = first_ending_from(u, t0_ns); i < u->n && u->spans[i].t0_ns < t1_ns; i++) {
		uint64_t from = u->spans[i].t0_ns > t0_ns ? u->spans[i].t0_ns : t0_ns;
		uint64_t to = u->spans[i].t1_ns < t1_ns ? u->spans[i].t1_ns : t1_ns;

		ns += to > from ? to - from : 0;
	}
	return ns;
}

void span_union_done(struct span_union *u)
{
	free(u->spans);
	*u = (struct span_union){0};
}
