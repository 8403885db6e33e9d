#pragma once
/* Events as text, one a line, for replay tests and for reading a stream by eye:
 *     off tid=2 pid=1 out=1ms in=1.5ms flags=BLOCKED|FUTEX_WAIT|GIL_WAIT gil=0x100 waker=3 wake=1490us   # a comment
 * A field that is 0 is left out; pid is 1, nr is -1 (202, futex, with FUTEX_WAIT) and waker_pid the event's own pid unless given.
 * Numbers are decimal or 0x…; times take ns, us, ms or s, ns without a unit.
 *
 * Owns: nothing.  Context: hosted.  Errors: event_parse returns -EINVAL and says why in one line. */
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event/event.h"

union event_any {
	struct ev_hdr h;
	struct ev_off off;
	struct ev_stack stack;
	struct ev_sample sample;
	struct ev_thread thread;
	struct ev_exit exit;
	struct ev_fork fork;
	struct ev_exec exec;
	struct ev_agg agg;
	struct ev_loss loss;
	struct ev_level level;
	struct ev_hold hold;
	struct ev_looks looks;
	struct ev_native native;
};

enum { EVENT_NO_LINE = 1, EVENT_TEXT_LEN = 8192, EVENT_TIME_LEN = 40 };

/* 0, EVENT_NO_LINE (empty line or comment), -EINVAL with the reason in why. */
int event_parse(const char *line, union event_any *ret, char *why, size_t why_len);
/* Writes one line without its end, at most len bytes; returns ret. */
char *event_print(char *ret, size_t len, const struct ev_hdr *event);

/* Exact and short: 0, 870ns, 1.5ms, 2s. */
char *event_time_print(char ret[EVENT_TIME_LEN], uint64_t ns);
int event_time_parse(const char *text, size_t len, uint64_t *ret_ns);
