/* See track.h. */
#include "collectors/remote/track.h"

#include <string.h>

#include "core/event/event.h"

#define FUTEX_NR 202 /* x86-64 */
#define FUTEX_CMD_MASK 127
enum { FUTEX_WAIT_OP = 0, FUTEX_WAIT_BITSET_OP = 9 };

static bool is_futex_wait(const struct track *t)
{
	uint32_t op = t->arg1 & FUTEX_CMD_MASK;

	return t->nr == FUTEX_NR && (op == FUTEX_WAIT_OP || op == FUTEX_WAIT_BITSET_OP);
}

static void fill(const struct track *t, uint64_t t_in_ns, struct ev_off *ret)
{
	uint32_t flags = EV_F_INFERRED | EV_F_SAMPLED | (t->tstate ? EV_F_PYTHON : 0) | (t->at_start ? EV_F_AT_START : 0);

	if (t->state != TRACK_CPU)
		flags |= EV_F_BLOCKED;
	if (t->state != TRACK_CPU && (is_futex_wait(t) || t->state == TRACK_GIL_WAIT))
		flags |= EV_F_FUTEX_WAIT;
	if (t->state == TRACK_GIL_WAIT)
		flags |= EV_F_GIL_WAIT;
	if (t->held)
		flags |= EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS;
	memset(ret, 0, sizeof(*ret));
	ret->h = (struct ev_hdr){ .kind = EV_OFF, .size = sizeof(*ret), .flags = flags, .pid = t->pid, .tid = t->tid };
	ret->t_out_ns = t->since_ns;
	ret->t_in_ns = t_in_ns;
	ret->arg0 = t->arg0;
	ret->arg1 = t->arg1;
	ret->nr = t->nr;
	ret->gil = t->gil;
	ret->own_stack = t->stack;
	ret->context = t->stack ? t->context : 0;
}

static bool same(const struct track *t, const struct track_sight *s)
{
	if (t->state != s->state || s->again)
		return false;
	return s->state != TRACK_OFF || (t->nr == s->nr && t->arg0 == s->arg0 && t->held == s->held);
}

/* It was found ready to run before, and since then it got a CPU, once or several times, for which it had waited so long: that ended just
 * now, and began so much earlier. */
static bool had_no_cpu(struct track *t, const struct track_sight *s, uint64_t until, struct ev_off *ret)
{
	uint64_t queued = t->queue_known && s->queue_known && s->queued_ns > t->queued_ns ? s->queued_ns - t->queued_ns : 0;
	uint64_t from = queued < until - t->since_ns ? until - queued : t->since_ns; /* what was before, it spent on its way out of a sleep */
	bool stood_still = from <= t->looked_ns; /* at the last look: what was seen then is so */

	if (!queued || until <= from)
		return false;
	t->at_start &= from == t->since_ns;
	fill(t, until, ret);
	ret->t_out_ns = from;
	if (!stood_still && !s->held)
		ret->h.flags &= ~(uint32_t)(EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS);
	if (t->sampled_ns < from)
		ret->own_stack = 0;
	t->since_ns = until;
	t->at_start = false;
	return true;
}

static void begin(struct track *t, const struct track_sight *s, uint64_t since_ns)
{
	t->state = (uint8_t)s->state;
	t->held = s->held;
	t->nr = s->nr;
	t->arg0 = s->arg0;
	t->arg1 = s->arg1;
	t->place = s->place;
	t->since_ns = since_ns;
	t->stack = 0;
}

bool track_look(struct track *t, const struct track_sight *s, struct ev_off *ret)
{
	uint64_t at = t->looked_ns ? track_between(t->looked_ns, s->t_ns) : s->t_ns;
	bool ended = false;

	if (t->looked_ns && t->state == TRACK_CPU)
		ended = had_no_cpu(t, s, at, ret);
	if (!t->looked_ns) {
		begin(t, s, at);
	} else if (!same(t, s)) {
		if (t->state != TRACK_CPU && at > t->since_ns) {
			fill(t, at, ret);
			ended = true;
		}
		t->at_start = false;
		begin(t, s, at);
	}
	if (s->state == TRACK_CPU)
		t->held = s->held;
	t->queued_ns = s->queued_ns;
	t->queue_known = s->queue_known;
	t->looked_ns = s->t_ns;
	return ended;
}

bool track_end(struct track *t, uint64_t t_ns, bool unfinished, struct ev_off *ret)
{
	bool off = t->looked_ns && t->state != TRACK_CPU && t_ns > t->since_ns;

	if (off) {
		fill(t, t_ns, ret);
		ret->h.flags |= unfinished ? EV_F_UNFINISHED : 0;
	}
	return off;
}
