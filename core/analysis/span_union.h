#pragma once
/* How much time a set of overlapping spans covers, without keeping them all: a sorted list of disjoint spans of
 * bounded length, whose oldest part is folded into a sum when it grows.  Spans may come in any order as long as one
 * does not begin before what was folded (that part of it is then not counted): rows come roughly in order of end.
 *     struct span_union u = {0};  span_union_add(&u, t0, t1);  …  ns = span_union_ns(&u);  span_union_done(&u);
 * Owns: its list.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span { uint64_t t0_ns, t1_ns; };

struct span_union {
	struct span *spans; /* disjoint, ascending, not even touching */
	size_t n, cap;
	uint64_t folded_ns, folded_until_ns, folded_longest_ns;
	size_t folded_n;
};

void span_union_add(struct span_union *u, uint64_t t0_ns, uint64_t t1_ns);
uint64_t span_union_ns(const struct span_union *u);
/* How many disjoint spans there are, and the longest. */
size_t span_union_count(const struct span_union *u, uint64_t *ret_longest_ns);
/* Part of t0..t1 that is covered (by spans that are not folded). */
uint64_t span_union_overlap(const struct span_union *u, uint64_t t0_ns, uint64_t t1_ns);
void span_union_done(struct span_union *u);
