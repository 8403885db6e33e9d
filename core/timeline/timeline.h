#pragma once
/* Events in; thread-state intervals, waits, holds, hand-offs and credits out.  Pure: no I/O, no clock, no target.
 * Fed in order of completion (ev_off by t_in_ns, others by t_ns); small disorder is the caller's to sort.
 * Output goes to a sink as soon as it is settled; nothing already given is taken back.
 *
 * Owns: its state; the sink borrows each record for the call only.  Context: one thread (the writer).
 * Errors: none; implausible or contradictory events are counted (timeline_oddities) and leave intervals UNKNOWN. */
#include <linux/types.h>

#include "core/event/event.h"
#include "core/timeline/model.h"

struct timeline_sink {
	void *ctx; /* first argument of each; a NULL member is not called */
	void (*proc)(void *ctx, const struct proc_row *row);
	void (*thread)(void *ctx, const struct thread_row *row); /* first seen, renamed, and at its end (last_ns) */
	void (*lock)(void *ctx, const struct lock_row *row); /* first seen, and again at its first wait with a stack */
	void (*interval)(void *ctx, const struct interval *row);
	void (*tally)(void *ctx, const struct tally *row);
	void (*wait)(void *ctx, const struct wait *row);
	void (*credit)(void *ctx, const struct credit *row); /* after its wait */
	void (*hold)(void *ctx, const struct hold *row);
	void (*handoff)(void *ctx, const struct handoff *row);
	void (*sample)(void *ctx, const struct sample_row *row);
	void (*stall)(void *ctx, const struct stall *row);
	void (*process_event)(void *ctx, const struct process_event *row);
};

struct timeline_config {
	uint64_t start_ns; /* begin of the recording */
	uint32_t sample_hz; /* 0: no samples taken */
};

struct timeline_oddities { /* each is a rule that an event broke */
	uint64_t out_of_order, unknown_thread, overlapping, holder_unknown, two_holders, duplicate;
};

struct timeline;
struct timeline *timeline_new(const struct timeline_config *config, const struct timeline_sink *sink);
void timeline_free(struct timeline *t);
void timeline_feed(struct timeline *t, const struct ev_hdr *event);
/* Ends everything open at end_ns: unfinished waits, holds and states of living threads. */
void timeline_finish(struct timeline *t, uint64_t end_ns);
const struct timeline_oddities *timeline_oddities(const struct timeline *t);
