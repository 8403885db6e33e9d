#pragma once
/* What the steps of the timeline share.  An event takes this way:
 *   timeline.c   checks it and takes it apart; finds the thread (threads.c)
 *   episode.c    is a wait for the GIL going on, and did the thread get it?
 *   holder.c     what the event says about who held the GIL when
 *   counted.c    how much of a window that was only counted it held the GIL
 *   partition.c  the stretch on the CPU and the stretch off it become segments of the thread's life
 *   releases.c   who let go of a lock that is no GIL, as the waiters it woke tell
 *   line.c       segments, finished waits and tallies lie there for SETTLE_DELAY_NS; what other threads tell meanwhile
 *                still counts.  Then they are settled: rows go to the sink (credit.c splits waits by holders).
 *
 * Why the delay: a thread tells what it did when it comes back.  That a release was forced shows in the releaser's next
 * wait; whether a woken thread got the GIL shows in its next event. */
#include <uthash.h>

#include "core/timeline/callback.h"
#include "core/timeline/counted.h"
#include "core/timeline/holder.h"
#include "core/timeline/releases.h"
#include "core/timeline/timeline.h"

#define SETTLE_DELAY_NS UINT64_C(100000000)
#define TALLY_SUM_NS UINT64_C(250000000) /* tallies of one kind are added up for so long at most */
#define TALLY_SUMS 8 /* kinds at a time: state, held or not, lock */
#define MERGE_MAX_NS UINT64_C(1000000000) /* rows are given out at least this often, so that a live view moves */

enum {
	THREADS_MAX = 16384, /* known at once; events of more are dropped and counted */
	FUTEXES_MAX = 16384, /* futex words remembered; more are forgotten and get new ids */
	GILS_MAX = 1024, /* at once; threads of more are recorded without GIL knowledge */
	LINE_MAX = 32768, /* segments and waits waiting to be settled */
	SWEEP_EVENTS = 1024,
	LOSSES_MAX = 16, RUNS_MAX = 8,
};

struct proc {
	uint32_t pid, id, threads;
	uint64_t start_ns; /* of its main thread, 0 unknown */
	bool gone;
	UT_hash_handle hh;
};

struct lock_key {
	uint64_t addr;
	uint32_t proc, kind;
};

struct lock {
	struct lock_key key;
	uint32_t id;
	enum lock_kind kind; /* as its row says; what the key has until more is known */
	bool waited; /* its row tells where it was first waited for */
	uint64_t first_stack;
	struct history history; /* of a GIL */
	struct counted_ratio counted; /* of a GIL: of all its threads */
	struct releases releases; /* of another lock */
	uint32_t in_line; /* waits for it that are not settled */
	struct lock *next_gil;
	UT_hash_handle hh;
};

struct ident_key { uint64_t ident; uint32_t proc, pad; };

/* One wait for a GIL, while it goes on. */
struct episode {
	struct lock *lock; /* NULL: none */
	uint64_t t0, stack, asleep_ns, wake_latency_ns;
	uint64_t native; /* stack with native frames, 0 none: for rows; whether a thread went on is told by its Python stack */
	uint64_t number; /* gil.switch_number when it was last seen that another thread was the last holder */
	uint64_t wants_ns; /* a sample found it in take_gil still */
	uint32_t flags, sleeps, waker;
	bool number_known;
	bool number_fresh; /* read when it came back to the CPU, not before its sleep */
	bool in_drop; /* its last sleep was in drop_gil */
	uint32_t polls; /* its last sleep was one of these flags, EV_F_GIL_POLL or _QUEUE: that it comes back unwoken says nothing */
	uint32_t releaser; /* who woke it from the condition, MODEL_NONE */
	uint64_t release_ns, release_stack;
};

/* A piece of a thread's life, not yet given out. */
struct segment {
	uint64_t t0, t1;
	enum thread_state state; /* STATE_N: on the CPU, the holder history tells whether with the GIL */
	uint32_t flags;
	int32_t nr;
	bool on_cpu; /* short stretches off the CPU inside it may only have been counted */
	uint32_t lock;
	struct lock *gil; /* whose history tells, with STATE_N; may be NULL */
	uint64_t stack;
};

struct thread {
	uint32_t tid;
	struct proc *proc;
	struct thread_row row;
	bool python, gone, observed;
	bool estimated; /* its events are concluded from samples (EV_F_INFERRED) */
	struct lock *gil; /* its own, as last seen */
	uint64_t cursor_ns; /* its life up to here lies in the line */
	uint64_t in_ns; /* it last came back to the CPU at, or was seen to have taken the GIL right after that; <= cursor_ns */
	uint64_t prev_on_ns, prev_out_ns; /* the stretch on the CPU before */
	struct { uint64_t t0, t1; } runs[RUNS_MAX]; /* on the CPU since it last blocked, the newest last */
	uint32_t n_runs;
	uint64_t woke_ns; /* it last woke a waiter of its GIL at */
	struct episode wait;
	struct segment tail; /* off the CPU when the recording ended */
	uint64_t wait_stack; /* of its last wait on wait_lock */
	uint32_t wait_lock;
	uint64_t futex_stack; /* the same of other locks */
	uint32_t futex_lock;
	struct { uint64_t ns, later_ns; } debt[2]; /* tallied time, without the GIL and with it, to be taken out of on-CPU segments; part of it from tallies still in the line */
	struct counted counted;
	struct tally *sums; /* TALLY_SUMS of them, being added up; NULL while it has none */
	uint32_t n_sums;
	struct callback callback; /* of an event loop */
	struct interval merge;
	struct ident_key ident_key;
	bool has_ident, has_tail, merging;
	UT_hash_handle hh_tid, hh_id, hh_ident;
};

enum item_kind { ITEM_SEGMENT, ITEM_WAIT, ITEM_TALLY, ITEM_SHARE, ITEM_END };

struct wait_item {
	struct wait row; /* without id */
	struct lock *gil; /* NULL: another lock */
	struct lock *other; /* which, with gil NULL */
	uint32_t owner; /* of it when the wait began, as it says itself; MODEL_NONE */
	enum { STOP_NOT, STOP_STALLED, STOP_ASKING } stop; /* of the world: by the owner; by the waiter itself */
	bool got;
	uint32_t releaser;
	uint64_t release_ns, release_stack;
};

struct item {
	enum item_kind kind;
	uint64_t at_ns; /* when it was put into the line */
	struct thread *thread;
	union {
		struct segment segment;
		struct wait_item wait;
		struct tally tally;
		struct { struct lock *gil; struct counted_time time; } share;
	};
};

struct line { /* first in, first out; a ring of a power of two */
	struct item *items;
	size_t cap, head, n;
};

struct loss_window { uint64_t t0, t1; };

struct timeline {
	struct timeline_config config;
	struct timeline_sink sink;
	struct timeline_oddities odd;
	struct proc *procs;
	struct thread *by_tid, *by_id, *by_ident;
	struct lock *locks, *gils;
	struct thread *last_thread; /* cache of by_tid */
	uint32_t next_proc, next_thread, next_lock, n_threads, n_futexes, n_gils, since_sweep;
	uint64_t next_wait;
	uint64_t now_ns, swept_ns;
	struct line line, shares; /* the latter settled earlier: segments and waits go by them */
	struct loss_window losses[LOSSES_MAX];
	uint32_t n_losses;
	bool finished;
};

/* What one event of a thread showed of a GIL. */
struct sight {
	uint64_t t;
	struct lock *gil;
	bool seen, locked, self, gc;
	struct thread *holder; /* other than the thread itself, if it is known */
	uint64_t stack, holder_stack;
	uint64_t native; /* stack with native frames, 0 none */
};

/* Where the thread stood when it left the CPU, for rows. */
static inline uint64_t stack_shown(const struct ev_off *e)
{
	return e->native ? e->native : e->own_stack;
}

/* threads.c: registries */
struct proc *proc_find(struct timeline *t, uint32_t pid);
void proc_leave(struct timeline *t, struct proc *p); /* its pid may be used again */
struct thread *thread_new(struct timeline *t, const struct ev_hdr *h, uint64_t start_ns, uint64_t now); /* NULL: too many */
void thread_learn(struct timeline *t, struct thread *th, const struct ev_thread *e);
void thread_emit(struct timeline *t, const struct thread *th);
struct thread *thread_by_tid(struct timeline *t, uint32_t tid);
struct thread *thread_by_id(struct timeline *t, uint32_t id);
struct thread *thread_by_ident(struct timeline *t, const struct proc *p, uint64_t ident, uint64_t at);
void thread_saw_gil(struct thread *th, struct lock *gil); /* others tell that it uses this one */
struct thread *thread_waker(struct timeline *t, const struct thread *woken, const struct ev_off *e); /* of the same process */
struct thread *thread_waker_anywhere(struct timeline *t, const struct thread *woken, const struct ev_off *e);
void thread_leave(struct timeline *t, struct thread *th); /* its tid may be used again; freed when its END is settled */
void thread_free(struct timeline *t, struct thread *th);
struct lock *lock_of(struct timeline *t, struct thread *th, enum lock_kind kind, uint64_t addr); /* NULL: too many GILs */
void lock_waited(struct timeline *t, struct lock *l, uint64_t stack);
void lock_is(struct timeline *t, struct lock *l, enum lock_kind kind); /* now that it is known */
void registries_free(struct timeline *t);

/* episode.c */
bool episode_is_sleep(const struct ev_off *e, const struct sight *s); /* on the GIL's words, without holding it */
enum episode_step { EPISODE_NONE, EPISODE_GOES_ON, EPISODE_GOT };
enum episode_step episode_decide(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s);
enum episode_step episode_decide_sample(struct timeline *t, struct thread *th, const struct ev_sample *e, const struct sight *s);
enum episode_step episode_decide_agg(struct timeline *t, struct thread *th, const struct ev_agg *e);
void episode_sleep(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s);
uint64_t episode_stack(const struct episode *w); /* where it waits, for its rows */
void episode_got(struct timeline *t, struct thread *th);
void episode_close(struct timeline *t, struct thread *th, uint64_t t1, enum wait_end end);
void episode_estimated(struct timeline *t, struct thread *th, const struct ev_off *e, struct lock *gil); /* a whole wait at once */
void episode_futex(struct timeline *t, struct thread *th, const struct ev_off *e, struct lock *l);

/* partition.c */
enum stretch_end { STRETCH_HOLDS, STRETCH_DROPPED, STRETCH_BLOCKS, STRETCH_RELEASED, STRETCH_NOTHING };
struct hold_rec *let_go_just_now(const struct thread *th, struct lock *gil, uint64_t t); /* its hold that ended hardly any CPU time before t */
void stretch_evidence(struct thread *th, const struct sight *s, enum stretch_end how);
void stretch_put(struct timeline *t, struct thread *th, uint64_t until, enum episode_step step);
void off_put(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s, enum episode_step step);
void tally_put(struct timeline *t, struct thread *th, const struct ev_agg *e);
void segment_settle(struct timeline *t, struct thread *th, struct segment *s);
void tally_settle(struct timeline *t, struct thread *th, struct tally *row);
void tally_flush(struct timeline *t, struct thread *th);
void merge_flush(struct timeline *t, struct thread *th);

/* estimate.c: what a collector that only samples tells */
void estimate_off(struct timeline *t, struct thread *th, const struct ev_off *e, const struct sight *s);
void estimate_sample(struct timeline *t, struct thread *th, const struct ev_sample *e);
void estimate_hold(struct timeline *t, struct thread *th, const struct ev_hold *e);

/* line.c */
struct item *line_add(struct timeline *t, enum item_kind kind, struct thread *th);
void line_add_share(struct timeline *t, struct thread *th, struct counted_time time); /* of its GIL */
void line_advance(struct timeline *t, uint64_t now);
void line_drain(struct timeline *t);
bool loss_within(const struct timeline *t, uint64_t t0, uint64_t t1, uint64_t *ret_until);
void holds_emit(struct timeline *t, struct lock *l, uint64_t upto_ns, bool even_doubted);

/* credit.c, timeline.c */
void wait_settle(struct timeline *t, struct wait_item *w);
void life_end(struct timeline *t, struct thread *th, uint64_t at);

static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
