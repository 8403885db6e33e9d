#pragma once
/* How much detail the bpf programs record: raises the dials when events, stacks or our own CPU use exceed their budget,
 * lowers them again when things are calm.  Degrades by levels rather than by losing data or slowing the target:
 * totals stay exact at every level, only single short stretches and their stacks are thinned: what is no wait for a GIL first,
 * then sleeps on a GIL of less than 50 us, and longer ones only under a load that nothing else helps against.
 * Pure: numbers in, dials out.
 *
 * Owns: nothing.  Context: the capture thread.  Errors: none. */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

/* One dial: a position in its table of steps, and how it came there. */
struct dial {
	unsigned step;
	uint64_t calm_ns; /* calm for so long at this step */
	uint64_t patience_ns; /* calm needed before detail returns; doubles when it was too early */
	uint64_t lowered_ns; /* time of the last return of detail, 0 never */
};

struct detail { /* zeroed to begin with */
	struct dial events, looks, stacks;
	uint64_t cpu_ns, cpu_span_ns; /* our own CPU time since it was last judged */
};

struct detail_load { /* since the last call */
	uint64_t now_ns, span_ns;
	uint64_t events, lost;
	uint64_t shorts; /* of the events: sleeps on a GIL of less than BPF_SHORT_NS */
	uint64_t looks; /* at the GIL's words */
	uint64_t frames; /* Python frames walked */
	uint64_t own_cpu_ns;
};

struct detail_dials {
	uint64_t min_wait_ns; /* sleeps on a GIL */
	uint64_t min_off_ns; /* waits for another lock, and whatever holds the GIL meanwhile */
	uint64_t min_other_ns; /* all else */
	uint64_t stack_period_ns;
	uint64_t look_period_ns; /* the GIL's words are read at most once per so long of a thread; 0 always */
	uint32_t level; /* as in struct ev_level */
	uint32_t reason; /* enum ev_level_reason of the last change */
};

/* True when the dials changed. */
bool detail_step(struct detail *d, const struct detail_load *load, struct detail_dials *ret);
