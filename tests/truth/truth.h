#pragma once
/* The record of the truth tracer: one call of take_gil or drop_gil.  Shared by truth.bpf.c, truth.c and (by its
 * layout) compare.py.  Includes nothing: the includer provides __u32/__u64.
 * Times are CLOCK_MONOTONIC nanoseconds, as in gilscope.  Owns, context, errors: plain values. */
#define TRUTH_SITES 8 /* copies of the two functions */
enum truth_kind { TRUTH_TAKE, TRUTH_DROP, TRUTH_KINDS };

struct truth_call {
	__u32 pid, tid;
	__u32 kind; /* enum truth_kind */
	__u32 sleeps; /* switched out blocked (inside these functions: futex waits on the GIL's words); of drop_gil only once it has let go */
	__u32 preempts; /* switched out while runnable */
	__u32 pad;
	__u64 t_entry, t_return; /* as the probes saw them */
	__u64 t_held; /* take: has the GIL since (the probe's own time taken off); what follows counts the call up to here.  0: drop, or never got it */
	__u64 t_first_out; /* first switch-out blocked: exact begin of the sleep, 0 when it never slept */
	__u64 t_last_in; /* last switch-in of any kind inside the call */
	__u64 t_sleep_in; /* switch-in that ended the last sleep */
	__u64 asleep_ns; /* sum of the sleeps */
};

struct truth_totals { /* of all calls of take_gil by a thread, slept or not */
	__u64 calls, ns;
	__u64 slept, slept_ns;
	__u64 held_ns; /* from having the GIL to having let it go */
};
