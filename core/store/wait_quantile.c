/* See wait_quantile.h. */
#include "core/store/wait_quantile.h"

enum { CLASS_0_NS = 1024 };

unsigned wait_class(uint64_t ns)
{
	unsigned class = ns >= 2 * CLASS_0_NS ? 63 - (unsigned)__builtin_clzll(ns) - 10 : 0;

	return class < WAIT_CLASSES ? class : WAIT_CLASSES - 1;
}

void wait_sizes_add_mean(struct wait_sizes *s, uint64_t n, uint64_t ns)
{
	if (n)
		s->counted[wait_class(ns / n)] += n;
}

/* The first length that is not of a lower class. */
static size_t first_of(const struct wait_sizes *s, unsigned class)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (wait_class(s->lengths[mid]) < class)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t within(unsigned class, uint64_t rank, uint64_t n)
{
	const double from = class ? (double)((uint64_t)CLASS_0_NS << class) : 0, to = (double)((uint64_t)CLASS_0_NS << (class + 1));

	return (uint64_t)(from + (to - from) * (double)rank / (double)n);
}

uint64_t wait_quantile_ns(const struct wait_sizes *s, unsigned pct, bool *ret_from_class)
{
	uint64_t all = s->n, seen = 0, rank;

	for (unsigned b = 0; b < WAIT_CLASSES; b++)
		all += s->counted[b];
	rank = all / 100 * pct + (all % 100 * pct + 99) / 100;
	*ret_from_class = false;
	for (unsigned b = 0; b < WAIT_CLASSES && rank; b++) {
		const size_t from = first_of(s, b), to = b + 1 < WAIT_CLASSES ? first_of(s, b + 1) : s->n;
		const uint64_t here = to - from + s->counted[b];

		if (seen + here < rank) {
			seen += here;
			continue;
		}
		if (!s->counted[b])
			return s->lengths[from + (rank - seen) - 1];
		*ret_from_class = true;
		return within(b, rank - seen, here);
	}
	return 0;
}
