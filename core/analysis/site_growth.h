#pragma once
/* Which waiting has grown: pairs of functions (who waits, who holds) of head beside those of base, as means over the runs of each
 * per unit of work, or per second where units are not known.  It says where to look; what has regressed is regression.h's to say.
 * Functions are matched by name and by the last part of their file's, as base and head lie in different directories.
 *
 * Owns: site_growth_make returns an array to free; its texts are the runs'.  Units: seconds per unit.  Context: any.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>

#include "core/analysis/metrics.h"

struct site_growth {
	const char *waiter, *holder; /* "function (file:line)", escaped; as in head where it is there */
	const char *waiter_key, *holder_key;
	const char *file; /* of the holder, raw; "" unknown */
	uint32_t line;
	double base, head;
};

/* per_op: every run's ops are known.  Most grown first. */
struct site_growth *site_growth_make(const struct run_metrics *base, size_t n_base, const struct run_metrics *head, size_t n_head,
				     bool per_op, size_t *ret_n);
