/* What a collector tells that only samples (EV_F_SAMPLED).  Its events are estimates, and each says all there is to say: a wait comes as
 * one stretch from its begin to its end, who had the GIL when comes in pieces of holds.  So nothing is concluded from one event about
 * another, as is done for what the scheduler tells: between two samples anything may have happened. */
#include "core/timeline/timeline_priv.h"

/* The stretch on the CPU before it, then the stretch itself; the times are clipped to the thread's cursor. */
void estimate_off(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s)
{
	bool waits = s->gil && (e->h.flags & EV_F_GIL_WAIT);
	struct segment wait = { .t0 = e->t_out_ns, .t1 = e->t_in_ns, .state = STATE_WAIT_GIL, .nr = -1, .stack = e->own_stack,
				.flags = INTERVAL_F_INFERRED };

	if (s->gil)
		th->gil = s->gil;
	episode_close(t, th, th->in_ns, WAIT_END_UNKNOWN); /* one that a collector which does not only sample has begun */
	stretch_put(t, th, e->t_out_ns, EPISODE_NONE);
	if (!waits) {
		off_put(t, th, e, s, EPISODE_NONE);
	} else {
		wait.lock = s->gil->id;
		wait.flags |= e->h.flags & EV_F_AT_START ? INTERVAL_F_AT_START : 0;
		wait.flags |= e->h.flags & EV_F_UNFINISHED ? INTERVAL_F_UNFINISHED : 0;
		if (wait.t1 > wait.t0)
			line_add(t, ITEM_SEGMENT, th)->segment = wait;
		th->cursor_ns = e->t_in_ns;
		episode_estimated(t, th, e, s->gil);
	}
	th->in_ns = e->t_in_ns;
}

void estimate_sample(struct timeline *t, struct thread *th, const struct ev_sample *e)
{
	struct lock *gil = e->gil ? lock_of(t, th, LOCK_GIL, e->gil) : NULL;

	th->observed = th->estimated = true;
	th->python |= e->h.flags & EV_F_PYTHON;
	if (gil && (e->h.flags & EV_F_SELF_HOLDS))
		history_add_sight(&gil->history, th->row.thread, e->t_ns, e->stack, 0);
}

void estimate_hold(struct timeline *t, struct thread *th, const struct ev_hold *e)
{
	struct lock *gil = e->gil ? lock_of(t, th, LOCK_GIL, e->gil) : NULL;

	if (!gil)
		return;
	th->observed = th->estimated = th->python = true;
	th->gil = gil;
	history_estimated(&gil->history, th->row.thread, e->t0_ns, e->t1_ns);
}
