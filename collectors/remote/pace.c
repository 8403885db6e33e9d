/* See pace.h.  The distance follows from what a look costs and from what the others leave of the limit, and changes slowly: estimates are worst
 * where looks are uneven.  A bucket of CPU time fills at the rate of the limit, all that is spent is taken out: what is in it, or owed (for
 * names that were looked up, a burst of events), makes the distance shorter or longer until that is even.  Looks never stop. */
#include "collectors/remote/pace.h"

#define SAVED_MAX_NS 5e6 /* so much may be spent at once after a calm time */
#define OWED_MAX_S 5 /* seconds of the limit that are remembered */
#define REPAY_NS 2e9 /* as much as the limit gives in this time doubles the distance */
#define RARE 20 /* periods between two looks at most, … */
#define RARE_SHARE 0.5 /* … or as many as let looks take this part of the limit */
#define LEFT_MIN 0.2 /* part of the limit that is for looks, whatever the others use */
#define SMOOTH 0.05
#define OTHERS_NS 1e9 /* the use of the others is a mean of about so long */

void pace_init(struct pace *p, uint64_t period_ns, double limit, uint64_t now_ns, const struct pace_cost *cost)
{
	*p = (struct pace){ .period_ns = period_ns, .limit = limit, .random = now_ns | 1, .last_ns = now_ns, .last_own_ns = cost->own_ns,
			    .last_all_ns = cost->all_ns };
}

/* xorshift64 (Marsaglia 2003), as a share of 1 */
static double draw(struct pace *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (double)(p->random >> 11) / (double)(UINT64_C(1) << 53);
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* What is spent since the last look. */
static void account(struct pace *p, uint64_t now_ns, const struct pace_cost *cost)
{
	double own = (double)(cost->own_ns - p->last_own_ns), all = (double)(cost->all_ns - p->last_all_ns), time = (double)(now_ns - p->last_ns);

	p->look_ns += p->look_ns > 0 ? (own - p->look_ns) * SMOOTH : own;
	p->others += (all - own) / OTHERS_NS - p->others * clamp(time / OTHERS_NS, 0, 1);
	p->owed_ns = clamp(p->owed_ns + all - p->limit * time, -SAVED_MAX_NS, p->limit * OWED_MAX_S * 1e9);
	p->last_ns = now_ns;
	p->last_own_ns = cost->own_ns;
	p->last_all_ns = cost->all_ns;
}

uint64_t pace_next(struct pace *p, uint64_t now_ns, const struct pace_cost *cost)
{
	double period = (double)p->period_ns, even, wait, rare;

	account(p, now_ns, cost);
	even = p->look_ns / clamp(p->limit - p->others, p->limit * LEFT_MIN, p->limit);
	even = even > period ? even : period;
	rare = p->look_ns / (p->limit * RARE_SHARE);
	rare = rare > period * RARE ? rare : period * RARE;
	if (p->owed_ns > 0)
		wait = even * (1 + p->owed_ns / (p->limit * REPAY_NS));
	else
		wait = even + (period - even) * (-p->owed_ns / SAVED_MAX_NS);
	return now_ns + (uint64_t)(clamp(wait, period, rare) * (0.5 + draw(p)));
}
