/* See counted.h. */
#include "core/timeline/counted.h"

enum {
	REMEMBERED = 256, /* samples; then the older ones count half */
	PRIOR = 4, /* samples' worth of what all threads of the GIL do */
	LATELY_NS = 1000000000,
	OWED_MAX_NS = 10000000, OWING_MAX_NS = 100000000,
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

static struct counted_ratio take_fresh(struct counted *c)
{
	struct counted_ratio fresh = c->fresh;

	counted_forget(c);
	return fresh;
}

struct counted_time counted_window(struct counted *c, uint64_t from, const struct ev_agg *e, bool python)
{
	struct counted_time s = { .from = from, .to = e->t1_ns, .samples = take_fresh(c), .may_claim = python };
	uint64_t off = off_time(e, &s.held_off_ns);

	c->last_ns = s.to;
	s.on_ns = s.to - from > off ? s.to - from - off : 0;
	return s;
}

bool counted_lately(const struct counted *c, uint64_t t)
{
	return c->last_ns && t - c->last_ns < LATELY_NS;
}

struct counted_time counted_stretch(struct counted *c, uint64_t from, uint64_t to)
{
	return (struct counted_time){ .from = from, .to = to, .on_ns = to - from, .samples = take_fresh(c) };
}

void counted_settle(struct counted *c, struct counted_ratio *threads, struct history *h, uint32_t thread, const struct counted_time *s)
{
	int64_t share;

	add(&c->all, &s->samples);
	add(threads, &s->samples);
	share = (int64_t)((double)s->on_ns * part_held(&c->all, threads)) + (int64_t)s->held_off_ns + c->owed_ns;
	share -= (int64_t)history_share(h, thread, s->from, s->to, share > 0 ? (uint64_t)share : 0, s->may_claim);
	c->owed_ns = share > OWED_MAX_NS ? OWED_MAX_NS : share < -OWING_MAX_NS ? -OWING_MAX_NS : share;
}
