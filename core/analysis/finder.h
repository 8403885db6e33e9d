#pragma once
/* What the rules of findings share: the numbers they look at, and the words they speak with.  findings.c has the table
 * and the rules about the recording and the machine, findings_gil.c those about the GIL, findings_locks.c those about other locks,
 * findings_loop.c that about event loops.
 * Owns: nothing; texts go into the arena, names in them are escaped and short. */
#include "core/analysis/findings.h"
#include "core/util/vec.h"

struct finder {
	const struct summary *s;
	const struct summary_process *p;
	struct arena *arena;
	const char *id; /* of the rule that runs */
	uint64_t gil_wait_ns; /* of all GILs of the process */
	vec(struct finding) found;
};

/* A new finding; texts are filled by the rule. */
struct finding *finder_add(struct finder *f, enum severity severity, enum certainty certainty);
void finder_cost(struct finder *f, struct finding *finding, uint64_t wait_ns);
const char *finder_text(struct finder *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *finder_name(struct finder *f, const char *name); /* of a thread */
const char *finder_line(struct finder *f, const struct summary_stack *stack); /* resize_image (app.py:38) */
/* With a margin on both sides, so that one sees what came before and after; within the recording. */
struct summary_place finder_place(const struct finder *f, const struct summary_place *place);
/* Thread-seconds lost each second: the mean number of threads it keeps waiting. */
double finder_rate(const struct finder *f, uint64_t ns);
/* Too little to be named at all. */
bool finder_negligible(const struct finder *f, uint64_t ns);
/* Critical from `critical` threads kept waiting on, warning from `warning` on, else info; info also
 * for a sliver of all waiting, because mending it would not be felt. */
enum severity finder_severity(const struct finder *f, uint64_t ns, double warning, double critical);

void rule_gil_saturated(struct finder *f);
void rule_convoy(struct finder *f);
void rule_held_while_blocked(struct finder *f);
void rule_holder_preempted(struct finder *f);
void rule_long_hold(struct finder *f);
void rule_starved_thread(struct finder *f);
void rule_forced_handoff_storm(struct finder *f);
void rule_gc_holding(struct finder *f);
void rule_gil_spin(struct finder *f);
void rule_wakeup_latency(struct finder *f);
void rule_lock_contention(struct finder *f);
void rule_stop_the_world(struct finder *f);
void rule_loop_stalled(struct finder *f);
