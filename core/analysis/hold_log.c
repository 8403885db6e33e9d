/* See hold_log.h.  A wait can last for thousands of holds: it is noted at the two it begins and ends in, and added up over
 * those between in one pass at the end. */
#include "core/analysis/hold_log.h"

/* A hold begins when its wait ends, or a little later: the timeline moves it behind the end of the hold before. */
enum { HOLD_AFTER_WAIT_NS = 500000 };

enum { HOLDS_VOTING = 64 }; /* of one wait, so that a credit costs a bounded time */

static uint8_t part(uint64_t ns, uint64_t length)
{
	return length ? (uint8_t)((ns < length ? (double)ns / (double)length : 1) * 255 + 0.5) : 0;
}

void hold_log_add(struct hold_log *log, const struct hold *hold, uint32_t line)
{
	const uint64_t length = hold->t1_ns - hold->t0_ns;

	if (log->holds.n == HOLD_LOG_MAX) {
		log->full = true;
		return;
	}
	vec_push(&log->holds, ((struct logged_hold){
		.t0_ns = hold->t0_ns, .t1_ns = hold->t1_ns, .asked_ns = HOLD_LOG_NO_WAIT, .thread = hold->thread, .line = line,
		.first_waiter_ns = UINT32_MAX, .blocked = part(hold->blocked_ns, length),
		.preempted = part(hold->preempted_ns, length), .forced = hold->flags & HOLD_F_FORCED,
		.gc = hold->flags & HOLD_F_GC,
	}));
	log->until_ns = hold->t1_ns > log->until_ns ? hold->t1_ns : log->until_ns;
}

static int compare(const void *pa, const void *pb)
{
	const struct logged_hold *a = pa, *b = pb;

	if (a->t0_ns != b->t0_ns)
		return a->t0_ns < b->t0_ns ? -1 : 1;
	return (a->t1_ns > b->t1_ns) - (a->t1_ns < b->t1_ns);
}

/* They mostly come in that order already. */
void hold_log_sort(struct hold_log *log)
{
	bool sorted = true;

	for (size_t i = 1; i < log->holds.n && sorted; i++)
		sorted = compare(&log->holds.items[i - 1], &log->holds.items[i]) <= 0;
	if (!sorted)
		vec_sort(&log->holds, compare);
	if (!log->full)
		log->until_ns = UINT64_MAX;
}

/* The first hold that begins at or after t. */
static size_t first_from(const struct hold_log *log, uint64_t t)
{
	return vec_first_from(&log->holds, t0_ns, t);
}

static uint64_t overlap(const struct logged_hold *h, uint64_t t0, uint64_t t1)
{
	uint64_t from = h->t0_ns > t0 ? h->t0_ns : t0, to = h->t1_ns < t1 ? h->t1_ns : t1;

	return to > from ? to - from : 0;
}

static void note_waiter(struct logged_hold *h, uint64_t since_ns)
{
	uint64_t off = since_ns > h->t0_ns ? since_ns - h->t0_ns : 0;

	if (off < h->first_waiter_ns)
		h->first_waiter_ns = (uint32_t)off;
}

/* In the hold it begins in and the one it ends in a wait is a part; `waiters` is for now the change of their number. */
static void note_during(struct hold_log *log, uint64_t t0, uint64_t t1)
{
	size_t first = first_from(log, t0 + 1), end = first_from(log, t1);
	struct logged_hold *holds = log->holds.items;

	if (first > 0 && holds[first - 1].t1_ns > t0) {
		holds[first - 1].waited_ns += overlap(&holds[first - 1], t0, t1);
		note_waiter(&holds[first - 1], t0);
	}
	if (first >= end)
		return;
	if (holds[end - 1].t1_ns > t1) { /* only a part of the last one */
		end--;
		holds[end].waited_ns += overlap(&holds[end], t0, t1);
		note_waiter(&holds[end], t0);
	}
	if (first >= end)
		return;
	holds[first].waiters++;
	if (end < log->holds.n)
		holds[end].waiters--;
}

void hold_log_wait(struct hold_log *log, const struct wait *wait)
{
	size_t i;

	if (wait->t1_ns > log->until_ns)
		return;
	log->waits_ns += wait->t1_ns - wait->t0_ns;
	note_during(log, wait->t0_ns, wait->t1_ns);
	for (i = first_from(log, wait->t1_ns); i < log->holds.n; i++) {
		struct logged_hold *h = &log->holds.items[i];

		if (h->t0_ns > wait->t1_ns + HOLD_AFTER_WAIT_NS)
			break;
		if (h->thread != wait->thread || h->asked_ns != HOLD_LOG_NO_WAIT)
			continue;
		h->asked_ns = wait->t0_ns;
		return;
	}
	log->unmatched_ns += wait->t1_ns - wait->t0_ns;
}

void hold_log_settle(struct hold_log *log)
{
	int32_t waiters = 0;

	for (size_t i = 0; i < log->holds.n; i++) {
		struct logged_hold *h = &log->holds.items[i];

		waiters += h->waiters;
		h->waiters = waiters;
		if (waiters <= 0)
			continue;
		h->waited_ns += (uint64_t)waiters * (h->t1_ns - h->t0_ns);
		h->first_waiter_ns = 0;
	}
}

/* The line that wins is the one with more than half of the votes, if there is one (Boyer and Moore, with weights). */
static void vote(struct logged_hold *h, uint32_t line, uint64_t ns)
{
	uint64_t us = ns / 1000, votes = h->votes_us;

	if (h->line == line) {
		votes = votes + us;
	} else if (votes > us) {
		votes -= us;
	} else {
		h->line = line;
		votes = us - votes;
	}
	h->votes_us = votes < UINT32_MAX ? (uint32_t)votes : UINT32_MAX;
}

void hold_log_credit(struct hold_log *log, uint64_t t0_ns, uint64_t t1_ns, uint32_t holder, uint32_t line, uint64_t ns)
{
	size_t first = first_from(log, t0_ns + 1), end;
	uint64_t held = 0;

	first -= first > 0;
	for (end = first; end < log->holds.n && log->holds.items[end].t0_ns < t1_ns && end - first < HOLDS_VOTING; end++)
		if (log->holds.items[end].thread == holder)
			held += overlap(&log->holds.items[end], t0_ns, t1_ns);
	for (size_t i = first; i < end && held; i++) {
		struct logged_hold *h = &log->holds.items[i];

		if (h->thread == holder)
			vote(h, line, (uint64_t)((double)ns * (double)overlap(h, t0_ns, t1_ns) / (double)held));
	}
}

void hold_log_forget_lines(struct hold_log *log, uint64_t t_ns)
{
	for (size_t i = first_from(log, t_ns); i < log->holds.n; i++)
		log->holds.items[i].line = HOLD_LOG_NO_LINE;
}

void hold_log_done(struct hold_log *log)
{
	vec_done(&log->holds);
}
