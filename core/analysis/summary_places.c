/* Where on the timeline each kind of trouble is seen best: the worst second of what happens all the time, the costliest
 * hold of what happens in holds, the longest of what is a single event. */
#include "core/analysis/summary_priv.h"
#include "core/base/clock.h"

struct summary_place summary_place(const struct loader *l, uint64_t t0_ns, uint64_t t1_ns, uint32_t thread, uint32_t lock)
{
	uint64_t from = loader_relative_ns(l, t0_ns), to = loader_relative_ns(l, t1_ns), end = l->s->duration_ns;

	to = to < end ? to : end;
	return (struct summary_place){
		.known = true, .from_ns = from < to ? from : to, .to_ns = to, .thread = thread, .lock = lock,
	};
}

static struct summary_place worst_second(const struct loader *l, const struct worst_window *w, uint32_t lock)
{
	struct summary_place place = {.thread = MODEL_NONE, .lock = lock};

	place.known = worst_window_find(w, NS_PER_S, &place.from_ns, &place.to_ns);
	if (place.to_ns > l->s->duration_ns)
		place.to_ns = l->s->duration_ns;
	place.known = place.known && place.to_ns > place.from_ns;
	return place;
}

static double cost(const struct logged_hold *h, enum lock_trouble trouble)
{
	switch (trouble) {
	case TROUBLE_BLOCKED:
		return (double)h->waited_ns * h->blocked;
	case TROUBLE_PREEMPTED:
		return (double)h->waited_ns * h->preempted;
	case TROUBLE_GC:
		return h->gc ? (double)h->waited_ns : 0;
	default:
		return 0;
	}
}

void summary_lock_places(struct loader *l, struct load_lock *k)
{
	static const enum lock_trouble in_holds[] = {TROUBLE_BLOCKED, TROUBLE_PREEMPTED, TROUBLE_GC};

	k->lock->places[TROUBLE_FULL] = worst_second(l, &k->waited, k->lock->lock);
	k->lock->places[TROUBLE_FORCED] = worst_second(l, &k->forced, k->lock->lock);
	for (size_t kind = 0; kind < sizeof(in_holds) / sizeof(in_holds[0]); kind++) {
		const struct logged_hold *worst = NULL;

		for (size_t i = 0; i < k->log.holds.n; i++) {
			const struct logged_hold *h = &k->log.holds.items[i];

			if (cost(h, in_holds[kind]) > (worst ? cost(worst, in_holds[kind]) : 0))
				worst = h;
		}
		if (worst)
			k->lock->places[in_holds[kind]] = summary_place(l, worst->t0_ns, worst->t1_ns, worst->thread,
									k->lock->lock);
	}
}
