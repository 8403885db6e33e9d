/* See pace.h.  A bucket of CPU time fills at the rate of the limit; all that is spent is taken out.  While more was spent than there
 * was, looks are rare, but do not stop: a debt (of names that were looked up, of a burst of events) is paid back over seconds. */
#include "collectors/remote/pace.h"

#define SAVED_MAX_NS 5e6 /* so much may be spent at once after a calm time */
#define OWED_MAX_S 5 /* seconds of the limit that are remembered */
#define RARE 20 /* periods between two looks in debt, … */
#define RARE_SHARE 0.5 /* … or as many as let looks take this part of the limit */
#define SMOOTH 0.1

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

uint64_t pace_next(struct pace *p, uint64_t now_ns, const struct pace_cost *cost)
{
	double period = (double)p->period_ns, rare, wait = period;
	double own = (double)(cost->own_ns - p->last_own_ns), all = (double)(cost->all_ns - p->last_all_ns);

	p->look_ns += p->look_ns > 0 ? (own - p->look_ns) * SMOOTH : own;
	p->owed_ns = clamp(p->owed_ns + all - p->limit * (double)(now_ns - p->last_ns), -SAVED_MAX_NS, p->limit * OWED_MAX_S * 1e9);
	p->last_ns = now_ns;
	p->last_own_ns = cost->own_ns;
	p->last_all_ns = cost->all_ns;
	if (p->owed_ns > 0) {
		rare = p->look_ns / (p->limit * RARE_SHARE);
		rare = rare > period * RARE ? rare : period * RARE;
		wait = clamp(p->owed_ns / p->limit, period, rare);
	}
	return now_ns + (uint64_t)(wait * (0.5 + draw(p)));
}
