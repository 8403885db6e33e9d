#pragma once
/* The recording, read back (FORMAT.md): typed rows, named queries, stacks.  store.h is the writing half.
 * A recording is untrusted: what a callback is given has its enums in range, every id below the matching count of
 * struct reader_info or MODEL_NONE, t0 <= t1, and its text NUL-terminated (bytes as they are: viewers escape).
 * Times are absolute CLOCK_MONOTONIC nanoseconds again.  `stack` fields are stack ids for reader_stack, 0 = none or
 * its frames never came; stacks whose frames resolved to the same functions and lines have the same id here.
 *
 * Owns: reader_open returns an owned reader; callbacks borrow each row for the call only; names in frames and
 * reader_info live until reader_close.
 * Context: one thread per reader; a recording that is still being written can be read (a consistent snapshot).
 * Errors: 0, or what a callback returned (it stops the query), or -errno with reader_failure filled: -EBADMSG damaged,
 * -ETIME a query took too long, -EIO.  reader_open fills struct fail (FAIL_DATA). */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event/event.h"
#include "core/store/wait_quantile.h"
#include "core/timeline/model.h"
#include "core/util/fail.h"

struct reader;

struct reader_info {
	const char *path;
	const char *gilscope_version, *collector, *host, *kernel, *cpu_model, *command_line; /* "" unknown */
	const char *collector_choice; /* why that collector, "" unknown */
	uint32_t cpus, sample_hz;
	uint64_t start_mono_ns, start_real_ns;
	uint64_t end_ns; /* end of the recording; the last thing seen in it when it is incomplete */
	bool complete; /* false: cut off (killed, disk full); everything up to the last commit is there */
	const char *write_error; /* why it was cut off, when the writer could still say so; else NULL */
	uint64_t torn_stacks, truncated_stacks, missing_stacks; /* of the distinct ones */
	uint32_t procs, threads, locks, stacks; /* ids are below these */
};

int reader_open(const char *path, struct reader **ret, struct fail *why);
/* Another reader of what r reads, for another thread; of a recording that is still being written it sees no more credits
 * than r does, but may see more of other rows.  -ESTALE: another file has taken its place. */
int reader_open_again(struct reader *r, struct reader **ret, struct fail *why);
void reader_close(struct reader *r);
const struct reader_info *reader_info(const struct reader *r);
const struct fail *reader_failure(const struct reader *r);

/* Stacks */
struct reader_frame {
	const char *function, *file; /* "?" when not resolved */
	uint32_t line, first_line; /* 0 unknown; of native ones always */
	bool resolved;
	bool native; /* no Python: file is a library or program */
};
enum reader_stack_flags { READER_STACK_F_TRUNCATED = 1 << 0, READER_STACK_F_TORN = 1 << 1 };
/* Leaf first; *ret_frames is valid until the next call.  Returns the number of frames, 0 for stack 0.
 * Without the interpreter's and the C library's frames below the one that the stack is named by; whole: with them. */
unsigned reader_stack_whole(struct reader *r, uint64_t stack, const struct reader_frame **ret_frames, unsigned *ret_flags);
unsigned reader_stack(struct reader *r, uint64_t stack, const struct reader_frame **ret_frames, unsigned *ret_flags);

/* Rows, in order of id (processes, threads, locks, waits, credits) or as they were settled (roughly by end). */
struct reader_process {
	struct proc_row row;
	uint32_t shown_pid; /* as the user gave it */
	uint64_t switch_interval_ns; /* 0 unknown */
	const char *name, *command, *runtime; /* runtime NULL: no Python knowledge */
	const char *collector; /* it was recorded by, "" unknown */
	bool free_threaded;
	bool estimated; /* from samples: every duration of it is an estimate */
};
struct reader_gil {
	uint32_t pid;
	uint64_t addr;
	int64_t interp_id;
};
struct reader_thread {
	struct thread_row row;
	const char *python_name; /* "" unknown */
};
struct reader_lock {
	struct lock_row row; /* kind: as far as the lock itself tells, not its waiters' stacks (lock_place.h) */
	const char *name; /* what holds it in the program, "" unknown */
	uint64_t device, inode, offset; /* of a mapping that processes share; inode 0: none */
	int64_t interp_id; /* of a GIL; -1 unknown */
};
struct reader_looks { /* of one GIL, by a collector that samples */
	uint32_t pid;
	uint64_t gil, t0_ns, t1_ns, n, p50_ns, p99_ns, max_ns, switches, seen;
};
struct reader_own { uint64_t t_ns, cpu_ns, bpf_run_ns, bpf_runs, max_rss_bytes, events, db_bytes; };
struct reader_loss { uint64_t t0_ns, t1_ns, count; enum ev_loss_class cls; };
struct reader_level { uint64_t t_ns, min_off_ns, stack_period_ns; uint32_t level; enum ev_level_reason reason; };

/* How many rows the large tables have, as far as their keys tell: a guess to plan with, not a promise. */
struct reader_counts { uint64_t intervals, waits, credits; };
struct reader_counts reader_counts(struct reader *r);
int reader_processes(struct reader *r, int (*row)(void *ctx, const struct reader_process *p), void *ctx);
int reader_gils(struct reader *r, int (*row)(void *ctx, const struct reader_gil *g), void *ctx);
int reader_threads(struct reader *r, int (*row)(void *ctx, const struct reader_thread *t), void *ctx);
int reader_locks(struct reader *r, int (*row)(void *ctx, const struct reader_lock *l), void *ctx);
/* thread: of that one only, in order of time; MODEL_NONE: all. */
int reader_intervals(struct reader *r, uint32_t thread, int (*row)(void *ctx, const struct interval *i), void *ctx);
int reader_tallies(struct reader *r, int (*row)(void *ctx, const struct tally *t), void *ctx);
int reader_waits(struct reader *r, int (*row)(void *ctx, const struct wait *w), void *ctx);
/* w: the wait it is of (its id, thread, lock, times and stack are set); NULL: that one's row is missing. */
int reader_credits(struct reader *r, int (*row)(void *ctx, const struct wait *w, const struct credit *c), void *ctx);
int reader_holds(struct reader *r, int (*row)(void *ctx, const struct hold *h), void *ctx);
int reader_handoffs(struct reader *r, int (*row)(void *ctx, const struct handoff *h), void *ctx);
int reader_samples(struct reader *r, int (*row)(void *ctx, const struct sample_row *s), void *ctx);
int reader_stalls(struct reader *r, int (*row)(void *ctx, const struct stall *s), void *ctx);
int reader_process_events(struct reader *r, int (*row)(void *ctx, const struct process_event *e), void *ctx);
int reader_losses(struct reader *r, int (*row)(void *ctx, const struct reader_loss *l), void *ctx);
int reader_levels(struct reader *r, int (*row)(void *ctx, const struct reader_level *l), void *ctx);
int reader_looks(struct reader *r, int (*row)(void *ctx, const struct reader_looks *l), void *ctx);
int reader_own(struct reader *r, int (*row)(void *ctx, const struct reader_own *o), void *ctx);
int reader_notes(struct reader *r, int (*row)(void *ctx, uint64_t t_ns, const char *text), void *ctx);

/* Named queries: sums over the whole recording.  Each scans its table when it is asked first, unless the rows were read
 * before with sums along. */

/* From now on a scan of all waits, intervals, credits, holds or hand-offs makes the sums of those on the way. */
void reader_sum_along(struct reader *r);
/* What `from`, another reader of the same recording (in another thread, maybe), summed up along its scan of the credits. */
void reader_take_credits(struct reader *r, struct reader *from);
void reader_take_failure(struct reader *r, const struct reader *from);

/* One row per (thread, state, held): intervals and tallies together. */
struct reader_state_sum {
	uint32_t thread;
	enum thread_state state;
	bool held; /* holding its GIL meanwhile (INTERVAL_F_HELD) */
	uint64_t n, ns; /* intervals + tallied stretches */
	uint64_t tally_ns; /* part of ns that was only counted, not placed in time */
	uint64_t inferred_ns, gc_ns; /* parts of ns with INTERVAL_F_INFERRED, INTERVAL_F_GC */
};
int reader_state_sums(struct reader *r, int (*row)(void *ctx, const struct reader_state_sum *s), void *ctx);

/* Waits of one lock (thread MODEL_NONE), or of one thread for one lock.  waits, wait_ns count recorded waits and
 * tallied ones, and so do the percentiles (nearest rank); from_class: read off a size class that tallied ones are in
 * (wait_quantile.h).  max is of the recorded ones, or without any the end of the largest class. */
#define READER_HIST_BUCKETS WAIT_CLASSES /* by wait_class */
struct reader_wait_stats {
	uint32_t lock, thread;
	uint64_t waits, wait_ns, tallied_waits, tallied_ns;
	uint64_t p50_ns, p99_ns, max_ns;
	bool p50_from_class, p99_from_class;
	uint64_t asleep_ns, wake_latency_ns; /* sums over the recorded */
	uint64_t ends[WAIT_END_N]; /* recorded waits by how they ended */
	uint64_t hist[READER_HIST_BUCKETS], hist_ns[READER_HIST_BUCKETS]; /* hist with tallied waits, hist_ns without */
};
int reader_lock_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx);
int reader_thread_waits(struct reader *r, int (*row)(void *ctx, const struct reader_wait_stats *s), void *ctx);

/* Blame: who made whom wait, sorted by ns.  Over one lock the ns of all rows add up to its wait_ns: waits without
 * credit and tallied ones come as rows with holder_state HOLDER_UNKNOWN (waits counts them too).  Waiters without a stack of a lock
 * that is no GIL have a row each. */
struct reader_blame {
	uint32_t lock;
	uint64_t waiter_stack, holder_stack; /* 0 unknown */
	enum holder_state holder_state;
	int32_t nr; /* system call the holder was blocked in, -1 */
	uint64_t ns, waits;
	const uint32_t *waiters, *holders; /* thread ids, ascending, at most READER_BLAME_THREADS each */
	unsigned n_waiters, n_holders;
};
#define READER_BLAME_THREADS 64
/* limit: at most so many rows, 0 = all. */
int reader_blame(struct reader *r, unsigned limit, int (*row)(void *ctx, const struct reader_blame *b), void *ctx);
/* Waiting time of others credited to each holder thread (holders that are known). */
struct reader_caused { uint32_t holder, lock; uint64_t ns, waits; };
int reader_caused(struct reader *r, int (*row)(void *ctx, const struct reader_caused *c), void *ctx);

struct reader_handoff_sum { uint32_t lock, from, to; uint64_t n, forced; uint64_t gap_ns; /* release to acquire, where seen */ };
int reader_handoff_sums(struct reader *r, int (*row)(void *ctx, const struct reader_handoff_sum *h), void *ctx);

struct reader_hold_sum { uint32_t lock, thread; uint64_t n, ns, blocked_ns, preempted_ns, max_ns, forced; };
int reader_hold_sums(struct reader *r, int (*row)(void *ctx, const struct reader_hold_sum *h), void *ctx);

/* Samples by thread, state, flags (enum sample_flags) and stack, most first. */
struct reader_sample_sum { uint32_t thread; enum thread_state state; uint32_t flags; uint64_t stack; uint64_t n; };
int reader_sample_sums(struct reader *r, int (*row)(void *ctx, const struct reader_sample_sum *s), void *ctx);

/* A view of FORMAT.md by name ("v_waits"), cell by cell, every row with the same columns.  A view without rows comes as
 * one call with kind READER_CELL_HEAD in every cell.  -EINVAL: no such view, the failure names those that are. */
enum reader_cell_kind { READER_CELL_NULL, READER_CELL_INT, READER_CELL_REAL, READER_CELL_TEXT, READER_CELL_HEAD };
struct reader_cell { enum reader_cell_kind kind; const char *name; int64_t i; double d; const char *text; };
int reader_view(struct reader *r, const char *view, int (*row)(void *ctx, const struct reader_cell *cells, unsigned n), void *ctx);
