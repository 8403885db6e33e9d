#pragma once
/* What a recording consists of, as store, analysis and viewers speak of it (wire types are in core/event).
 * Plain values.  Ids are dense numbers given in order of appearance, 0 is a valid id, MODEL_NONE means none.
 * Times are CLOCK_MONOTONIC nanoseconds; `stack` is the collector's 64-bit stack key in the stream and
 * becomes a stack id in the store (see store.h). */
#include <stdbool.h>
#include <stdint.h>

#define MODEL_NONE UINT32_MAX
#define MODEL_NAME_LEN 64

/* A complete partition of a thread's life: every nanosecond of it is in exactly one of these. */
enum thread_state {
	STATE_GIL, /* on a CPU, holding the GIL */
	STATE_NOGIL, /* on a CPU, not holding it */
	STATE_WAIT_GIL, /* from the first sleep on the GIL until it runs holding it (wake-up latency included) */
	STATE_WAIT_LOCK, /* asleep on another futex */
	STATE_BLOCKED, /* asleep in another system call */
	STATE_SLEEP, /* asleep for a time it asked for (nanosleep, select without descriptors …) */
	STATE_RUNNABLE, /* wants a CPU, has none: preempted, or woken but not yet running */
	STATE_UNKNOWN, /* not observed (before the first event of the thread, or around a loss) */
	STATE_N
};
extern const char *const thread_state_names[STATE_N]; /* "gil" … as in report-json */

enum interval_flags {
	INTERVAL_F_HELD = 1 << 0, /* the thread held its GIL meanwhile (for BLOCKED, SLEEP, WAIT_LOCK, RUNNABLE) */
	INTERVAL_F_INFERRED = 1 << 1, /* the state is concluded, not observed (gil/nogil between two observations) */
	INTERVAL_F_GC = 1 << 2, /* the collector ran */
	INTERVAL_F_UNFINISHED = 1 << 3, /* cut by the end of the recording */
	INTERVAL_F_AT_START = 1 << 4, /* cut by its begin */
};

struct proc_row {
	uint32_t proc;
	uint32_t pid; /* as in events */
	uint64_t start_ns; /* CLOCK_BOOTTIME birth */
};

struct thread_row {
	uint32_t thread, proc;
	uint32_t tid;
	uint64_t start_ns; /* CLOCK_BOOTTIME birth; (tid, start_ns) is the identity */
	uint64_t first_ns, last_ns; /* its life within the recording */
	uint64_t ident; /* pthread id, 0 unknown */
	bool is_main, exited;
	char comm[MODEL_NAME_LEN];
};

/* The first three are known from the events; what Python object a lock is, the stacks of its waiters tell (lock_place.h), or the
 * object itself when somebody has read it.  Appended to only: recordings hold the numbers. */
enum lock_kind {
	LOCK_GIL,
	LOCK_FUTEX, /* any other word */
	LOCK_MUTEX, /* a pthread mutex: it named a thread of the process as its owner */
	LOCK_PROCESS, /* a word that processes may share: multiprocessing's Lock, RLock, Semaphore */
	LOCK_LOCK, /* threading.Lock, also inside a queue or condition */
	LOCK_RLOCK,
	LOCK_SEMAPHORE,
	LOCK_IMPORT, /* of a module that another thread imports */
	/* what is waited for here is not that somebody lets go, but that something happens: nobody holds anything */
	LOCK_CONDITION,
	LOCK_EVENT,
	LOCK_BARRIER,
	LOCK_QUEUE_GET, /* the queue is empty */
	LOCK_QUEUE_PUT, /* it is full */
	LOCK_QUEUE_JOIN,
	LOCK_JOIN, /* a thread ends */
	LOCK_FUTURE,
	/* CPython 3.13 and newer */
	LOCK_PYMUTEX, /* a mutex of the interpreter or an extension; before 3.14 also one of Python's own locks that nobody has looked at */
	/* without the GIL: */
	LOCK_OBJECT, /* of one Python object: a critical section on it */
	LOCK_SECTION, /* another mutex that a critical section takes */
	LOCK_STW, /* another thread has stopped the world */
	LOCK_STW_REQUEST, /* it waits for all others to stop */
	LOCK_KIND_N
};
/* Waiting for it is idle time, no contention. */
static inline bool lock_kind_idle(enum lock_kind kind)
{
	return kind >= LOCK_CONDITION && kind <= LOCK_FUTURE;
}
/* Whatever the program was about to do: the function it stands in says nothing of it. */
static inline bool lock_kind_anywhere(enum lock_kind kind)
{
	return kind >= LOCK_OBJECT && kind <= LOCK_STW_REQUEST;
}
/* Each wait has a new lock of its own: what counts is where it is waited for, not the address. */
static inline bool lock_kind_fleeting(enum lock_kind kind)
{
	return lock_kind_idle(kind) || kind == LOCK_SEMAPHORE;
}
extern const char *const lock_kind_names[LOCK_KIND_N];

struct lock_row {
	uint32_t lock, proc;
	enum lock_kind kind;
	uint64_t addr;
	uint64_t first_stack; /* where it was first waited for */
};

struct interval {
	uint32_t thread;
	uint64_t t0_ns, t1_ns;
	enum thread_state state;
	uint32_t flags; /* enum interval_flags */
	int32_t nr; /* system call of BLOCKED/SLEEP, else -1 */
	uint32_t lock; /* of WAIT_GIL, WAIT_LOCK, and the one held with F_HELD or GIL */
	uint64_t stack;
};

/* State time of a thread that was only counted: belongs to t0..t1 but not placed within it. */
struct tally {
	uint32_t thread;
	uint64_t t0_ns, t1_ns;
	enum thread_state state;
	uint32_t flags; /* F_HELD or 0 */
	uint32_t lock;
	uint64_t n, ns;
	uint32_t hist[16]; /* WAIT_GIL only: bucket b is [2^b, 2^(b+1)) * 1024 ns */
};

enum wait_end { WAIT_VOLUNTARY, WAIT_FORCED, WAIT_UNFINISHED, WAIT_GAVE_UP, WAIT_END_UNKNOWN, WAIT_END_N };
extern const char *const wait_end_names[WAIT_END_N];
enum wait_flags {
	WAIT_F_AT_START = 1 << 0, /* already waiting when the recording began */
	WAIT_F_AFTER_FORCED = 1 << 1, /* the waiter had itself just been made to give the GIL up */
	WAIT_F_STACK_CARRIED = 1 << 2, /* stack taken at an earlier wait of this thread (stacks are thinned) */
	WAIT_F_LOSS = 1 << 3, /* events were lost inside it */
	WAIT_F_HOLDER_INFERRED = 1 << 4, /* not a GIL: its credits go to who woke a waiter of the lock next, so most likely had it */
	WAIT_F_INFERRED = 1 << 5, /* concluded from samples: its begin and end are estimates */
};

/* One episode: from the first sleep on the lock until the thread has it or gives up; 5 ms re-waits are inside. */
struct wait {
	uint64_t wait; /* id, in order of end */
	uint32_t thread, lock;
	uint64_t t0_ns, t1_ns;
	uint64_t stack;
	enum wait_end end;
	uint32_t flags; /* enum wait_flags */
	uint32_t sleeps; /* futex sleeps in it */
	uint64_t asleep_ns; /* in those sleeps */
	uint64_t wake_latency_ns; /* last wake-up until running */
	uint32_t waker; /* thread that woke it last, MODEL_NONE if unknown */
};

enum holder_state { HOLDER_RUNNING, HOLDER_BLOCKED, HOLDER_PREEMPTED, HOLDER_UNKNOWN, HOLDER_STATE_N };
extern const char *const holder_state_names[HOLDER_STATE_N];

/* Part of a wait, credited to who held the lock then.  The credits of a wait add up to t1-t0. */
struct credit {
	uint64_t wait;
	uint32_t holder; /* thread, MODEL_NONE if unknown */
	enum holder_state state;
	int32_t nr; /* system call of HOLDER_BLOCKED */
	uint64_t stack; /* holder's, 0 unknown */
	uint64_t ns;
};

enum hold_flags {
	HOLD_F_START_INFERRED = 1 << 0, /* taken at some time up to t0 without a wait */
	HOLD_F_END_INFERRED = 1 << 1, /* given up without waking anybody: end is its last possible moment */
	HOLD_F_FORCED = 1 << 2, /* ended by a drop request */
	HOLD_F_UNFINISHED = 1 << 3,
	HOLD_F_GC = 1 << 4,
};
struct hold {
	uint32_t thread, lock;
	uint64_t t0_ns, t1_ns;
	uint64_t blocked_ns, preempted_ns; /* parts of it not on a CPU */
	uint32_t flags;
	uint64_t stack; /* one seen during it, 0 none */
};

struct handoff {
	uint32_t lock, from, to; /* threads; from may be MODEL_NONE */
	uint64_t t_release_ns, t_acquire_ns; /* release 0 if not seen */
	bool forced;
	uint64_t stack; /* releaser's */
};

struct sample_row {
	uint32_t thread;
	uint64_t t_ns;
	enum thread_state state; /* GIL or NOGIL */
	uint32_t flags; /* enum sample_flags */
	uint64_t stack;
};
enum sample_flags { SAMPLE_F_WANTS_GIL = 1 << 0, SAMPLE_F_KERNEL = 1 << 1, SAMPLE_F_GC = 1 << 2 };

/* One callback of an asyncio event loop that took long: the loop did nothing else from t0 to t1, and perhaps a little longer. */
struct stall {
	uint32_t thread;
	uint64_t t0_ns, t1_ns;
	uint64_t wait_gil_ns, asleep_ns, runnable_ns; /* parts of it off the CPU: for the GIL, in any other sleep, for a CPU */
	uint32_t looks; /* how often it was seen in it */
	uint64_t stack; /* where it was for most of the time */
};

enum process_event_kind { PROCESS_FORK, PROCESS_EXEC, PROCESS_EXIT };
struct process_event {
	uint32_t proc;
	uint64_t t_ns;
	enum process_event_kind kind;
	uint32_t other_pid; /* child of a fork */
	int32_t code; /* wait status of an exit */
	char text[MODEL_NAME_LEN]; /* new program of an exec */
};
