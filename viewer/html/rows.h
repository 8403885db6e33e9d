#pragma once
/* A recording's rows in memory, small: what data.c codes as columns.  They come through a tap (core/analysis/row_tap.h).  Times
 * are nanoseconds since the begin of the recording, stacks are the reader's ids.  An order lists the rows of a table by
 * group (thread or lock), then t0.
 * The intervals are most of it, so they are let go as soon as somebody has used them (on_intervals).
 * Owns: rows_done frees.  Context: as the tap's; while credits come, waits and holds stay as they are.
 * Errors: what the reader returns (reader_failure tells). */
#include <stdbool.h>
#include <stdint.h>

#include "core/store/reader.h"
#include "core/util/arena.h"
#include "core/util/pool.h"
#include "core/util/vec.h"
#include "viewer/html/pieces.h"
#include "viewer/html/reduce.h"
#include "viewer/html/stack_table.h"
#include "viewer/lock_uses.h"

struct row_tap;

struct row_thread {
	const char *name; /* NULL: no such row */
	uint32_t process, tid;
	uint64_t first_ns, last_ns;
	bool main;
};
struct row_process { const char *name, *runtime; uint32_t pid; uint64_t switch_interval_ns; bool known; };

struct row_interval { uint64_t t0; uint32_t len, look; }; /* len UINT32_MAX: in longs */
struct row_look { uint32_t thread, kind, stack; }; /* what many intervals have in common */
struct row_kind { uint32_t state, flags, lock; int32_t nr; };
struct row_long { uint32_t row; uint64_t len; };
struct row_wait { uint64_t t0, t1, wake; uint32_t thread, lock, stack, sleeps, waker; unsigned char end, flags; };
struct row_hold { uint64_t t0, t1, blocked, preempted; uint32_t thread, lock, stack, flags; };
struct row_handoff { uint64_t release, acquire; uint32_t lock, from, to, stack; bool forced; }; /* release ROW_NEVER: not seen */
struct row_sample { uint64_t t; uint32_t thread, stack; unsigned char state, flags; };
struct row_tally { uint64_t t0, t1, n, ns; uint32_t thread, lock; unsigned char state, flags; };
#define ROW_NEVER UINT64_MAX

struct order {
	uint32_t *row; /* of the table, in this order */
	uint32_t *first; /* of each group, in row; one more than groups */
	size_t n, groups;
};

struct rows {
	struct reader *reader;
	struct arena names;
	struct stack_table *stacks; /* numbered while the tables are written */
	uint64_t start_ns, duration_ns;
	uint32_t n_processes, n_threads, n_locks;
	struct row_process *processes;
	struct row_thread *threads;
	struct lock_uses locks; /* what the rows call a lock is a use of one; all are known when the waits are read */
	vec(struct row_kind) kinds;
	vec(struct row_look) looks;
	struct pool kind_numbers, look_numbers;
	vec(struct row_interval) intervals; /* until on_intervals */
	vec(struct row_long) longs;
	vec(struct row_wait) waits; /* by id */
	vec(uint64_t) wait_ids;
	struct pieces pieces; /* the credits */
	struct { /* the wait whose credits are coming */
		vec(struct credit) credits;
		uint64_t id;
		uint32_t wait; /* row, MODEL_NONE: it is not among the rows */
	} run;
	vec(struct row_hold) holds;
	vec(struct row_handoff) handoffs;
	vec(struct row_sample) samples;
	vec(struct row_tally) tallies;
	struct reduce reduce;
	struct order by_thread, waits_by_thread, holds_by_lock, handoffs_by_lock, samples_by_thread, tallies_by_thread;
	/* All waits and holds are there; and all intervals, by thread, then t0 (by_thread.first says where each begins, its row is
	 * NULL), to be used for the last time. */
	void (*on_intervals)(struct rows *x);
};

/* limits and on_intervals are kept.  The reader is known from the tap's begin on. */
void rows_init(struct rows *ret, const struct reduce_limits *limits, void (*on_intervals)(struct rows *x));
struct row_tap rows_tap(struct rows *x);
/* After the last row: what is still to be put into order. */
void rows_finish(struct rows *x);
void rows_done(struct rows *x);
static inline const struct row_look *rows_look(const struct rows *x, uint32_t interval)
{
	return &x->looks.items[x->intervals.items[interval].look];
}
uint64_t rows_interval_len(const struct rows *x, uint32_t row);
/* The place in holds_by_lock of the lock's first hold that begins after t, the end of the lock's places without one. */
uint32_t rows_hold_after(const struct rows *x, uint32_t lock, uint64_t t);
