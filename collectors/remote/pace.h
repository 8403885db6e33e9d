#pragma once
/* When the next look is due: as often as asked for, as seldom as the bound on our CPU time demands, and never in step with what the
 * target does (each distance is drawn anew, from half the period to one and a half).
 * Owns: nothing.  Context: any, pure.  Errors: none. */
#include <stdint.h>

struct pace {
	uint64_t period_ns; /* asked for */
	double limit; /* of one CPU: 0.05 */
	uint64_t random; /* state, not 0 */
	uint64_t last_ns, last_own_ns, last_all_ns;
	double owed_ns; /* CPU time spent beyond the limit; negative: saved up */
	double look_ns; /* what a look costs, smoothed */
	double others; /* what is not looks uses of one CPU, smoothed */
};

struct pace_cost {
	uint64_t own_ns, all_ns; /* CPU time so far: of who looks, of all that the bound is on */
};

void pace_init(struct pace *p, uint64_t period_ns, double limit, uint64_t now_ns, const struct pace_cost *cost);
/* After a look that ended at now_ns.  Returns when the next one is due. */
uint64_t pace_next(struct pace *p, uint64_t now_ns, const struct pace_cost *cost);
