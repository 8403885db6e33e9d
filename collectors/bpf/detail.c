/* See detail.h.  Two dials, each a walk along a table of steps: up at once when over budget, down one step after some
 * seconds of calm.  A step down that has to be taken back doubles the patience, so the dials settle instead of swinging. */
#include "collectors/bpf/detail.h"

#include "core/event/event.h"

#define SECOND 1000000000ULL
#define US 1000ULL

/* Measured on a 2-core VM: an event costs user space about 3 us until it is in the file, a walked frame costs the target about 0.1 us. */
static const uint64_t off_steps[] = { 0,	 5 * US,   10 * US,  20 * US,	50 * US,
				      100 * US, 200 * US, 500 * US, 1000 * US, 5000 * US };
static const uint64_t stack_steps[] = { 0, 100 * US, 500 * US, 1000 * US, 2000 * US, 5000 * US, 10000 * US };
#define N_STEPS(table) (sizeof(table) / sizeof((table)[0]))

#define EVENTS_PER_S 6000 /* while the threshold may still rise to OFF_STEP_FREE */
#define OFF_STEP_FREE 4 /* 50 us: waits longer than this are kept one by one … */
#define EVENTS_PER_S_HARD 60000 /* … until so many events come */
#define FRAMES_PER_S 40000 /* Python frames walked: about 0.1 us each, in the target's time */
#define OWN_CPU_SHARE_PCT 2 /* of one core, beyond which events are thinned up to OFF_STEP_FREE */
#define OTHER_FACTOR 10 /* stretches that neither wait for a lock nor hold the GIL are thinned so much earlier */
#define THINNED_STACK_PERIOD_NS (1000 * US) /* a stack keeps its stretch from being merely counted: not more often than this */
#define THINNED_LOOK_PERIOD_NS (100 * US)
#define PATIENCE_MIN (2 * SECOND)
#define PATIENCE_MAX (120 * SECOND)

static bool rise(unsigned *step, unsigned n, uint64_t *calm, uint64_t *patience, uint64_t lowered_ns, uint64_t now,
		 unsigned by)
{
	*calm = 0;
	if (*step + 1 >= n)
		return false;
	if (lowered_ns && now - lowered_ns < 5 * SECOND) {
		*patience = *patience * 2 > PATIENCE_MAX ? PATIENCE_MAX : *patience * 2;
	}
	*step = *step + by < n ? *step + by : n - 1;
	return true;
}

static bool sink(unsigned *step, uint64_t *calm, uint64_t *patience, uint64_t *lowered_ns, const struct detail_load *load)
{
	if (!*patience)
		*patience = PATIENCE_MIN;
	*calm += load->span_ns;
	if (!*step || *calm < *patience)
		return false;
	*calm = 0;
	--*step;
	*lowered_ns = load->now_ns;
	return true;
}

static bool step_events(struct detail *d, const struct detail_load *load, uint64_t per_s, uint32_t *reason)
{
	uint64_t cpu_pct = load->own_cpu_ns * 100 / load->span_ns;
	bool over = false;

	if (load->lost) {
		over = true;
		*reason = EV_LEVEL_LOSS;
	} else if (per_s > (d->off_step < OFF_STEP_FREE ? EVENTS_PER_S : EVENTS_PER_S_HARD)) {
		over = true;
		*reason = EV_LEVEL_EVENT_RATE;
	} else if (d->off_step < OFF_STEP_FREE && cpu_pct > OWN_CPU_SHARE_PCT && per_s > EVENTS_PER_S / 2) {
		over = true;
		*reason = EV_LEVEL_OWN_CPU;
	}
	if (over)
		return rise(&d->off_step, N_STEPS(off_steps), &d->off_calm_ns, &d->off_patience_ns, d->off_lowered_ns,
			    load->now_ns, per_s > 4 * EVENTS_PER_S && d->off_step + 2 <= OFF_STEP_FREE ? 2 : 1);
	if (per_s > EVENTS_PER_S / 2)
		return false;
	if (!sink(&d->off_step, &d->off_calm_ns, &d->off_patience_ns, &d->off_lowered_ns, load))
		return false;
	*reason = EV_LEVEL_RECOVERED;
	return true;
}

static bool step_stacks(struct detail *d, uint64_t per_s, const struct detail_load *load, uint32_t *reason)
{
	if (per_s > FRAMES_PER_S) {
		*reason = EV_LEVEL_STACK_RATE;
		return rise(&d->stack_step, N_STEPS(stack_steps), &d->stack_calm_ns, &d->stack_patience_ns, d->stack_lowered_ns,
			    load->now_ns, 1);
	}
	if (per_s > FRAMES_PER_S / 2)
		return false;
	if (!sink(&d->stack_step, &d->stack_calm_ns, &d->stack_patience_ns, &d->stack_lowered_ns, load))
		return false;
	*reason = EV_LEVEL_RECOVERED;
	return true;
}

bool detail_step(struct detail *d, const struct detail_load *load, struct detail_dials *ret)
{
	uint32_t reason = EV_LEVEL_START;
	bool changed;

	if (!load->span_ns)
		return false;
	changed = step_stacks(d, load->frames * SECOND / load->span_ns, load, &reason);
	if (step_events(d, load, load->events * SECOND / load->span_ns, &reason))
		changed = true;
	if (!changed)
		return false;
	*ret = (struct detail_dials){
		.min_off_ns = off_steps[d->off_step],
		.min_other_ns = off_steps[d->off_step] * OTHER_FACTOR,
		.stack_period_ns = stack_steps[d->stack_step],
		.look_period_ns = d->off_step ? THINNED_LOOK_PERIOD_NS : 0,
		.level = d->off_step ? 1 : d->stack_step ? 2 : 3,
		.reason = reason,
	};
	if (d->off_step && ret->stack_period_ns < THINNED_STACK_PERIOD_NS)
		ret->stack_period_ns = THINNED_STACK_PERIOD_NS;
	return true;
}
