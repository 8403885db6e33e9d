/* See detail.h.  Three dials, each a walk along a table of steps: up at once when over budget, down one step after some
 * seconds of calm.  A step down that has to be taken back doubles the patience, so the dials settle instead of swinging. */
#include "collectors/bpf/detail.h"

#include "core/base/clock.h"
#include "core/event/event.h"

/* Measured on a 2-core VM: an event costs user space about 3 us until it is in the file, a look at the GIL costs the target up to
 * 0.7 us, a walked frame 0.1 us.  The budgets are what stays under 1 % of one CPU each. */
#define EVENTS_PER_S 10000
#define EVENTS_PER_S_HARD 60000 /* beyond KEPT_STEP */
#define LOOKS_PER_S 12000
#define FRAMES_PER_S 40000
#define OWN_CPU_SHARE_PCT 2 /* of one CPU … */
#define OWN_CPU_OVER_NS NS_PER_S /* … on average over so long: a tick alone is noise … */
#define OWN_CPU_FAR_PCT 6 /* … but for one that is far over it */
#define OWN_CPU_TWICE_PCT 4 /* from here on waits go for it that are worth keeping */

#define US NS_PER_US
static const struct {
	uint64_t wait_ns, off_ns; /* min_wait_ns, min_off_ns */
} event_steps[] = {
	{ 0, 0 }, { 0, 5 * US }, { 0, 20 * US }, { 0, 50 * US }, { 5 * US, 100 * US }, { 10 * US, 200 * US }, { 20 * US, 500 * US },
	{ 50 * US, 1000 * US }, { 100 * US, 1000 * US }, { 200 * US, 1000 * US }, { 1000 * US, 1000 * US }, { 5000 * US, 5000 * US },
};
#define CPU_STEP 3 /* up to here, where every sleep on a GIL is kept, our own CPU time thins whatever there is … */
#define CPU_SHORT_STEP 6 /* … up to here (20 us) only where there are short sleeps on a GIL … */
#define CPU_TWICE_STEP 9 /* … and up to here (200 us) only if it is twice its share */
#define SHORTS_PER_S 1000 /* fewer than these (BPF_SHORT_NS) are not what costs: without them there is hardly less */
#define KEPT_STEP 10 /* waits of 1 ms and more are kept one by one, unless there are EVENTS_PER_S_HARD */
static const uint64_t look_steps[] = { 0, 100 * US, 300 * US, 1000 * US, 3000 * US };
static const uint64_t stack_steps[] = { 0, 100 * US, 500 * US, 1000 * US, 2000 * US, 5000 * US, 10000 * US };
#define N_STEPS(table) (sizeof(table) / sizeof((table)[0]))

#define OTHER_FACTOR 10 /* stretches that neither wait for a lock nor hold the GIL are thinned so much earlier */
#define THINNED_STACK_PERIOD_NS (1000 * US) /* a stack keeps its stretch from being merely counted: not more often than this */
#define PATIENCE_MIN (2 * NS_PER_S)
#define PATIENCE_MAX (120 * NS_PER_S)
#define TOO_EARLY_NS (5 * NS_PER_S) /* a return of detail that lasted less was one */

static bool rise(struct dial *d, size_t n, unsigned by, uint64_t now)
{
	d->calm_ns = 0;
	if (d->step + 1 >= n)
		return false;
	if (d->lowered_ns && now - d->lowered_ns < TOO_EARLY_NS)
		d->patience_ns = d->patience_ns * 2 > PATIENCE_MAX ? PATIENCE_MAX : d->patience_ns * 2;
	d->step = d->step + by < n ? d->step + by : (unsigned)n - 1;
	return true;
}

static bool sink(struct dial *d, const struct detail_load *load)
{
	if (!d->patience_ns)
		d->patience_ns = PATIENCE_MIN;
	d->calm_ns += load->span_ns;
	if (!d->step || d->calm_ns < d->patience_ns)
		return false;
	d->calm_ns = 0;
	d->step--;
	d->lowered_ns = load->now_ns;
	return true;
}

/* A rate against its budget: over it the dial rises, under half of it for a while it sinks. */
static bool step_rate(struct dial *d, size_t n, const struct detail_load *load, uint64_t per_s, uint64_t budget,
		      enum ev_level_reason why_up, uint32_t *reason)
{
	if (per_s > budget) {
		*reason = why_up;
		return rise(d, n, per_s > 6 * budget ? 4 : per_s > 3 * budget ? 2 : 1, load->now_ns);
	}
	if (per_s > budget / 2 || !sink(d, load))
		return false;
	*reason = EV_LEVEL_RECOVERED;
	return true;
}

/* How far our own CPU time is over its share. */
enum cpu_use { CPU_WITHIN, CPU_OVER, CPU_TWICE };

static enum cpu_use cpu_use(struct detail *d, const struct detail_load *load)
{
	enum cpu_use use = load->own_cpu_ns * 100 > OWN_CPU_FAR_PCT * load->span_ns ? CPU_TWICE : CPU_WITHIN;

	d->cpu_ns += load->own_cpu_ns;
	d->cpu_span_ns += load->span_ns;
	if (use == CPU_WITHIN && d->cpu_span_ns >= OWN_CPU_OVER_NS) {
		if (d->cpu_ns * 100 > OWN_CPU_TWICE_PCT * d->cpu_span_ns)
			use = CPU_TWICE;
		else if (d->cpu_ns * 100 > OWN_CPU_SHARE_PCT * d->cpu_span_ns)
			use = CPU_OVER;
	}
	if (use != CPU_WITHIN || d->cpu_span_ns >= OWN_CPU_OVER_NS)
		d->cpu_ns = d->cpu_span_ns = 0;
	return use;
}

static bool step_events(struct dial *d, const struct detail_load *load, uint64_t per_s, enum cpu_use cpu, uint32_t *reason)
{
	bool shorts = load->shorts * NS_PER_S / load->span_ns > SHORTS_PER_S;
	unsigned cpu_step = !shorts ? CPU_STEP : cpu == CPU_TWICE ? CPU_TWICE_STEP : CPU_SHORT_STEP;
	bool kept = d->step >= KEPT_STEP;

	if (load->lost) {
		*reason = EV_LEVEL_LOSS;
		return rise(d, N_STEPS(event_steps), 1, load->now_ns);
	}
	if (d->step < cpu_step && cpu != CPU_WITHIN && per_s > EVENTS_PER_S / 4) {
		*reason = EV_LEVEL_OWN_CPU;
		return rise(d, N_STEPS(event_steps), 1, load->now_ns);
	}
	if (!shorts && d->step >= CPU_STEP && per_s <= EVENTS_PER_S_HARD && per_s > EVENTS_PER_S)
		return false;
	if (kept && per_s <= EVENTS_PER_S_HARD && per_s > EVENTS_PER_S / 2)
		return false;
	return step_rate(d, N_STEPS(event_steps), load, per_s, kept ? EVENTS_PER_S_HARD : EVENTS_PER_S, EV_LEVEL_EVENT_RATE,
			 reason);
}

bool detail_step(struct detail *d, const struct detail_load *load, struct detail_dials *ret)
{
	uint32_t reason = EV_LEVEL_START;
	bool changed = false;

	if (!load->span_ns)
		return false;
	changed |= step_rate(&d->stacks, N_STEPS(stack_steps), load, load->frames * NS_PER_S / load->span_ns, FRAMES_PER_S,
			     EV_LEVEL_STACK_RATE, &reason);
	changed |= step_rate(&d->looks, N_STEPS(look_steps), load, load->looks * NS_PER_S / load->span_ns, LOOKS_PER_S,
			     EV_LEVEL_EVENT_RATE, &reason);
	changed |= step_events(&d->events, load, load->events * NS_PER_S / load->span_ns, cpu_use(d, load), &reason);
	if (!changed)
		return false;
	*ret = (struct detail_dials){
		.min_wait_ns = event_steps[d->events.step].wait_ns,
		.min_off_ns = event_steps[d->events.step].off_ns,
		.min_other_ns = event_steps[d->events.step].off_ns * OTHER_FACTOR,
		.stack_period_ns = stack_steps[d->stacks.step],
		.look_period_ns = look_steps[d->looks.step],
		.level = d->events.step ? 1 : d->stacks.step || d->looks.step ? 2 : 3,
		.reason = reason,
	};
	if (d->events.step && ret->stack_period_ns < THINNED_STACK_PERIOD_NS)
		ret->stack_period_ns = THINNED_STACK_PERIOD_NS;
	return true;
}
