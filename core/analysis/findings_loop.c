/* Rules about event loops: a callback that does not come back keeps all the others waiting. */
#include "core/analysis/finder.h"
#include "core/analysis/stalls.h"
#include "core/base/clock.h"
#include "core/util/human.h"

enum { STALLS_TOLD = 3 };
/* Of the loop's time: a hundredth is noticed by whoever waits for an answer, a fifth is an outage. */
static const double STALL_COSTLY = 0.01, STALL_VERY_COSTLY = 0.2;
static const double MOST = 0.5;

static const char *line(struct finder *f, const struct summary_frame *frame)
{
	return finder_line(f, &(struct summary_stack){ .frames = frame, .n = frame != NULL });
}

static bool most(const struct summary_stall *s, uint64_t ns)
{
	return (double)ns > MOST * (double)s->ns;
}

static const char *advice(const struct summary_stall *s)
{
	if (most(s, s->wait_gil_ns))
		return "The callback is short by itself: see who holds the GIL meanwhile, and run fewer computing threads beside the loop.";
	if (most(s, s->runnable_ns))
		return "The callback is short by itself: the loop's thread had no CPU. Give the process more, or let fewer compete.";
	if (most(s, s->asleep_ns))
		return "Await what blocks: use a call made for event loops, or asyncio.to_thread().";
	return "Compute in a thread or process (loop.run_in_executor), or in pieces with an await asyncio.sleep(0) in between.";
}

static const char *parts(struct finder *f, const struct summary_stall *s)
{
	uint64_t off = s->wait_gil_ns + s->asleep_ns + s->runnable_ns, ran = s->ns > off ? s->ns - off : 0;
	char cpu[HUMAN_LEN], asleep[HUMAN_LEN], gil[HUMAN_LEN], ready[HUMAN_LEN];

	return finder_text(f, "%s of it on a CPU, %s asleep, %s waiting for the GIL, %s without a CPU",
			   human_pct(cpu, (double)ran, (double)s->ns), human_pct(asleep, (double)s->asleep_ns, (double)s->ns),
			   human_pct(gil, (double)s->wait_gil_ns, (double)s->ns), human_pct(ready, (double)s->runnable_ns, (double)s->ns));
}

static void stalled(struct finder *f, const struct summary_stall *s)
{
	const struct summary_frame *leaf = s->stack.n ? s->stack.frames : NULL, *own = s->own < s->stack.n ? &s->stack.frames[s->own] : leaf;
	double rate = finder_rate(f, s->ns);
	char max[HUMAN_LEN], n[HUMAN_LEN], ns[HUMAN_LEN];
	struct finding *x;

	x = finder_add(f, rate >= STALL_VERY_COSTLY ? SEVERITY_CRITICAL : rate >= STALL_COSTLY ? SEVERITY_WARNING : SEVERITY_INFO, CERTAINTY_MEASURED);
	finder_cost(f, x, s->ns);
	x->share = 0; /* it is no waiting for the GIL */
	x->thread = s->place.thread;
	x->place = finder_place(f, &s->place);
	x->title = finder_text(f, "%s stops its event loop for up to %s", line(f, own), human_ns(max, s->max_ns));
	x->detail = finder_text(f, "%s callback%s%s%s took %s or more, at least %s in all: %s%s%s.", human_count(n, s->n), s->n == 1 ? "" : "s",
				s->task ? " of " : "", s->task ? finder_name(f, s->task->function) : "", "100 ms", human_ns(ns, s->ns),
				parts(f, s), leaf != own ? "; inside " : "", leaf != own ? line(f, leaf) : "");
	x->advice = advice(s);
}

void rule_loop_stalled(struct finder *f)
{
	for (size_t i = 0; i < f->p->n_stalls && i < STALLS_TOLD; i++)
		stalled(f, &f->p->stalls[i]);
}
