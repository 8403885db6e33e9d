#pragma once
/* Who held one GIL when: a sorted list of holds that never overlap, and what was seen of them meanwhile.
 *
 * Evidence arrives late and out of order (a thread tells what it did when it comes back), so every operation names its
 * time and works on the hold that covers it.  Three strengths, from strong to weak: an end of a wait or a wake-up says exactly when;
 * a look at the GIL's words says who held it at one moment (seen_ns is the latest such moment); a *claim* only says that a
 * Python thread which ran and then blocked most likely held the lock until it blocked.  Stronger evidence cuts weaker.
 * A hold that was given out (emitted) is never changed any more.
 *
 * Owns: its lists.  Context: one thread.  Errors: none; contradictions are counted in *two_holders. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/timeline/model.h"
#include "core/util/vec.h"

#define TIME_OPEN UINT64_MAX

/* What the dropper of a GIL does right after a forced switch: it waits for the same GIL again, within this CPU time.  The
 * way from drop_gil to the sleep in take_gil takes a few us; on the clock it may be much, for the thread it woke takes its CPU. */
#define REWAIT_NS UINT64_C(100000)

/* take_gil between two sleeps (pthread calls, the drop request) costs a few us.  A thread that ran longer in one go was through. */
#define TAKE_GIL_NS UINT64_C(30000)
#define TAKE_GIL_STAYED_NS UINT64_C(100000) /* the same, with interrupts and a busy hypervisor, for EV_F_STAYED */
#define TAKE_GIL_SLOW_NS UINT64_C(500000) /* the same where nothing speaks for its having had the GIL */

struct hold_rec {
	uint64_t t0, t1; /* t1 TIME_OPEN: holds it still, as far as known; only the last one */
	uint64_t seen_ns; /* last moment at which it certainly held */
	uint64_t told_ns; /* its end before it was shortened (history_share): what was seen of its thread up to there is of this hold */
	uint64_t rewait_ns; /* when its thread came to wait for the lock again, 0 not within REWAIT_NS of CPU time */
	uint32_t thread;
	uint32_t flags; /* enum hold_flags */
	bool claim; /* never seen holding */
	bool asked; /* a waiter slept a whole interval during it, and so asked for the lock */
	bool emitted;
};

static inline uint64_t hold_sights_until(const struct hold_rec *r)
{
	return r->told_ns > r->t1 ? r->told_ns : r->t1;
}

struct sight_rec { /* a stack of whoever held the lock at t */
	uint64_t t, stack;
	uint64_t native; /* the same with native frames; 0: only its own thread can tell them, others see the Python stack */
	uint32_t thread;
};

struct off_rec { /* the holder was off the CPU */
	uint64_t t0, t1;
	uint32_t thread;
	enum holder_state state;
	int32_t nr;
};

enum { HISTORY_MAX = 8192, /* at 5,000 hand-offs/s 1.6 s */ HISTORY_MIN = 256, HISTORY_SIGHTS = 4 };

struct history {
	vec(struct hold_rec) holds;
	vec(struct sight_rec) sights;
	vec(struct off_rec) offs;
	size_t limit; /* of holds and offs; HISTORY_SIGHTS times as many sights */
	size_t first_kept; /* holds before it are emitted */
	bool natives; /* there are sights with native frames */
	uint64_t free_ns; /* last seen held by nobody */
	uint64_t floor_ns; /* older holds were dropped: nothing can be said before */
	uint64_t *two_holders;
};

void history_init(struct history *h, uint64_t *two_holders);
void history_done(struct history *h);

#define HISTORY_NONE SIZE_MAX
/* The last hold that starts at or before t, or HISTORY_NONE. */
size_t history_at(const struct history *h, uint64_t t);
/* The hold of `thread` that ends in [t - within, t], or NULL. */
struct hold_rec *history_ended(struct history *h, uint32_t thread, uint64_t t, uint64_t within);
bool history_covers(const struct history *h, uint32_t thread, uint64_t t);

/* It got the lock exactly at t, after a wait. */
void history_acquire(struct history *h, uint32_t thread, uint64_t t);
/* It held the lock at t; it ran since since_ns, so it cannot have taken it earlier unless it held it already. */
void history_seen(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t);
/* What was seen of its hold at t. */
void history_mark(struct history *h, uint32_t thread, uint64_t t, uint32_t flags);
/* It let go exactly at t. */
void history_release(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t);
/* It held the lock all the time t0..t1, off the CPU. */
void history_through(struct history *h, uint32_t thread, uint64_t since_ns, uint64_t t0, uint64_t t1);
/* It did not hold the lock at t.  until_seen: it may have let go any time since it was last seen holding. */
void history_lost(struct history *h, uint32_t thread, uint64_t t, bool until_seen);
/* A waiter slept t0..t1 and was not woken: whoever held the lock all that time is asked to drop it. */
void history_asked(struct history *h, uint64_t t0, uint64_t t1);
/* As estimated: nothing is concluded beyond it.  A piece that begins where the thread's last one ended belongs to the same hold. */
void history_estimated(struct history *h, uint32_t thread, uint64_t t0, uint64_t t1);
/* Nobody held it at t. */
void history_free_at(struct history *h, uint64_t t);
/* It ran a..b and then blocked: what of it is not held by others was probably its own.  holder: who was seen to hold the lock at b,
 * MODEL_NONE if it was free; `seen` false if nobody looked. */
void history_claim(struct history *h, uint32_t thread, uint64_t a, uint64_t b, uint32_t holder, bool seen);
/* Its holds within a..b are made to add up to ns, as far as what is known exactly allows: inferred ends and starts give way, or
 * what nobody holds is claimed (may_fill).  Returns what they add up to. */
uint64_t history_share(struct history *h, uint32_t thread, uint64_t a, uint64_t b, uint64_t ns, bool may_fill);
/* As hold number i, which must be its place in the order of time. */
void history_put(struct history *h, size_t i, const struct hold_rec *r);

void history_add_sight(struct history *h, uint32_t thread, uint64_t t, uint64_t stack, uint64_t native);
/* The stack of sight i, which lies in the hold: with native frames if the same Python stack was seen with them at any time during it. */
uint64_t history_sight_stack(const struct history *h, const struct hold_rec *r, size_t i);
void history_add_off(struct history *h, const struct off_rec *off);
/* One of the stacks seen during a hold (the last), 0 if there is none. */
uint64_t history_stack(const struct history *h, const struct hold_rec *r);
/* Time of a hold spent off the CPU. */
void history_off_time(const struct history *h, const struct hold_rec *r, uint64_t *ret_blocked, uint64_t *ret_preempted);
/* Index of the first sight at or after t; of the first off stretch that ends after t. */
size_t history_first_sight(const struct history *h, uint64_t t);
size_t history_first_off(const struct history *h, uint64_t t);
void history_finish(struct history *h, uint64_t end_ns);
/* Makes room: the index up to which holds must be emitted before they are dropped, 0 if there is room. */
size_t history_crowded(const struct history *h);
void history_drop(struct history *h, size_t n);
