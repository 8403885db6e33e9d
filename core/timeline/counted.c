/* See counted.h. */
#include "core/timeline/counted.h"

enum {
	REMEMBERED = 256, /* samples; then the older ones count half */
	PRIOR = 8, /* samples' worth of what all threads of the GIL do */
	OWED_MAX_NS = 100000000,
};

static void add(struct counted_ratio *r, const struct counted_ratio *more)
{
	r->n += more->n;
	r->held += more->held;
	if (r->n >= REMEMBERED) {
		r->n /= 2;
		r->held /= 2;
	}
}

void counted_sample(struct counted *c, bool held)
{
	c->fresh.n++;
	c->fresh.held += held;
}

void counted_forget(struct counted *c)
{
	c->fresh = (struct counted_ratio){ 0 };
}

/* Part of its time on the CPU that it has the GIL; all of it where no sample ever told. */
static double part_held(const struct counted_ratio *own, const struct counted_ratio *threads)
{
	double prior = (threads->held + 1.0) / (threads->n + 1.0);

	return (own->held + PRIOR * prior) / (own->n + PRIOR);
}

/* Time off the CPU, and the part of it with the GIL. */
static uint64_t off_time(const struct ev_agg *e, uint64_t *ret_held)
{
	uint64_t off = 0, len = e->t1_ns - e->t0_ns;

	*ret_held = 0;
	for (int i = 0; i < EV_AGG_N; i++) {
		uint64_t ns = e->ns[i] < len - off ? e->ns[i] : len - off;

		off += ns;
		*ret_held += e->held_ns[i] < ns ? e->held_ns[i] : ns;
	}
	return off;
}

void counted_window(struct counted *c, struct counted_ratio *threads, struct history *h, uint32_t thread, uint64_t from,
		    const struct ev_agg *e, bool python)
{
	uint64_t len = e->t1_ns - from, held_off, off = off_time(e, &held_off);
	int64_t share;

	add(&c->all, &c->fresh);
	add(threads, &c->fresh);
	counted_forget(c);
	share = (int64_t)((double)(len - off) * part_held(&c->all, threads)) + (int64_t)held_off + c->owed_ns;
	share -= (int64_t)history_share(h, thread, from, e->t1_ns, share > 0 ? (uint64_t)share : 0, python);
	c->owed_ns = share > OWED_MAX_NS ? OWED_MAX_NS : share < -OWED_MAX_NS ? -OWED_MAX_NS : share;
}
