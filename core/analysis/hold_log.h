#pragma once
/* The holds of one lock in order of time, each with the wait that led to it and the waiting that went on during it: what
 * a replay needs (replay.h), and what tells where a kind of hold is seen best.
 *     hold_log_add(&log, hold, line) for each hold; hold_log_sort(&log); hold_log_wait(&log, wait) for each wait;
 *     hold_log_settle(&log); hold_log_credit(…) for each credit of a wait;  …  log.holds.items[i] …;  hold_log_done(&log);
 * Of a recording with more than HOLD_LOG_MAX holds only the first ones are kept; until_ns says up to when.
 *
 * Owns: its list.  Context: one thread.  Errors: none; a wait that led to no hold that is known is only counted. */
#include <stdbool.h>
#include <stdint.h>

#include "core/timeline/model.h"
#include "core/util/vec.h"

enum { HOLD_LOG_MAX = 1 << 18 };
#define HOLD_LOG_NO_WAIT UINT64_MAX
#define HOLD_LOG_NO_LINE UINT32_MAX

struct logged_hold {
	uint64_t t0_ns, t1_ns;
	uint64_t asked_ns; /* begin of the wait that ended with it, HOLD_LOG_NO_WAIT: it was free to take */
	uint64_t waited_ns; /* thread-seconds others waited during it, once settled */
	uint32_t thread, line; /* line: whatever the caller numbers; that of most of the waiting in it, once credited */
	uint32_t votes_us; /* for that line */
	int32_t waiters; /* that were there when it began, once settled */
	uint32_t first_waiter_ns; /* when the first of them came, counted from t0; UINT32_MAX: nobody */
	uint8_t blocked, preempted; /* parts of it not on a CPU, in 1/255 */
	bool forced, gc;
};

struct hold_log {
	vec(struct logged_hold) holds;
	uint64_t until_ns; /* waits that ended by then are in waits_ns */
	uint64_t waits_ns, unmatched_ns; /* of all waits; of those that led to no hold in the list */
	bool full;
};

void hold_log_add(struct hold_log *log, const struct hold *hold, uint32_t line);
void hold_log_sort(struct hold_log *log);
void hold_log_wait(struct hold_log *log, const struct wait *wait);
void hold_log_settle(struct hold_log *log);
/* A wait t0..t1 has `ns` credited to a line of that holder.  A hold is seen at one of its lines, mostly its last: which one it
 * kept the others waiting at is what the credits know. */
void hold_log_credit(struct hold_log *log, uint64_t t0_ns, uint64_t t1_ns, uint32_t holder, uint32_t line, uint64_t ns);
/* Holds that begin at or after t are of no line: nothing is known of their credits. */
void hold_log_forget_lines(struct hold_log *log, uint64_t t_ns);
void hold_log_done(struct hold_log *log);
