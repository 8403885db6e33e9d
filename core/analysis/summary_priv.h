#pragma once
/* What the files of the summary share: summary.c (order of work, the finished arrays), summary_rows.c (one callback per
 * kind of row), summary_waits.c (passes over waits, holds and credits), blame.c (stacks, pairs of lines),
 * summary_family.c (who forked whom), summary_credits.c (their scan), summary_places.c (where to look), summary_what_if.c.
 * A loader lives as long as summary_load runs; what it leaves behind is in the summary's arena. */
#include <uthash.h>

#include "core/analysis/hold_log.h"
#include "core/analysis/lock_words.h"
#include "core/analysis/row_tap.h"
#include "core/analysis/span_union.h"
#include "core/analysis/stalls.h"
#include "core/analysis/summary.h"
#include "core/analysis/worst_window.h"
#include "core/store/reader.h"
#include "core/util/arena.h"
#include "core/util/vec.h"

struct stack_entry {
	uint64_t id;
	struct summary_stack stack;
	uint32_t line; /* of its leaf: the same for equal function, file and line */
	UT_hash_handle hh;
};

struct line_entry {
	const char *name; /* all of it in one string */
	uint32_t line;
	const struct summary_frame *frame; /* NULL: no stack */
	UT_hash_handle hh;
};

struct summary_priv {
	struct reader *reader;
	struct arena arena;
	struct stack_entry *stacks; /* by id */
	struct line_entry *lines; /* by name */
};

enum { STALL_PLACES = 256 }; /* of a process; more are counted with the last */
enum { CONVOY_SEEN = 8 }; /* so many waits of about an interval, close together, show a convoy */

struct load_thread {
	struct summary_thread *thread; /* NULL: no such row */
	uint32_t proc;
	uint64_t inferred_ns[STATE_N], samples_wanting;
	uint64_t long_wait_t0[CONVOY_SEEN]; /* the last ones, by long_waits modulo */
};

/* A hold that ran for longer than one that heeds demands could; what waits it delayed is added up in the waits pass. */
struct load_hold {
	uint64_t t0_ns, t1_ns, stack;
	double running; /* share of it on a CPU */
	uint32_t thread;
	uint64_t waits, excess_ns, max_ns;
};

struct load_lock {
	struct summary_lock *lock; /* NULL: no such row */
	uint32_t proc;
	uint64_t first_stack;
	struct span_union held, waiting, gc;
	vec(struct load_hold) long_holds; /* by t0 once the holds are in */
	uint64_t longest_hold_ns; /* of long_holds */
	struct hold_log log; /* of a GIL */
	struct worst_window waited, forced;
	uint64_t slowest_wake_ns;
	const char *name, *shared; /* of another lock than a GIL; NULL unknown */
	struct other *other; /* of its last wait with a stack, which was this one */
	uint64_t other_stack;
	struct other *unseen; /* of those before any with a stack */
};

struct load_long_hold {
	uint64_t stack;
	uint64_t n, excess_ns, max_ns;
	struct summary_place place;
	UT_hash_handle hh;
};

struct load_proc {
	uint32_t kernel_pid;
	struct summary_process process;
	bool known;
	vec(struct summary_blame) blame;
	struct load_long_hold *long_holds;
	vec(struct summary_stall) stalls;
	struct other *others; /* by key */
};

struct loader {
	struct summary *s;
	struct reader *r;
	const struct row_tap *tap; /* NULL: nobody else wants the rows */
	struct arena *arena;
	uint64_t start_ns;
	struct load_proc *procs;
	struct load_thread *threads;
	struct load_lock *locks;
	uint32_t n_procs, n_threads, n_locks;
	vec(struct other *) uses; /* of locks that are no GIL, by their numbers */
	struct lock_words words;
	uint64_t samples, worst_loss;
	size_t credits;
	bool credits_voted; /* for the lines of holds, enough of them */
	uint64_t credited_until_ns; /* beyond, holds have no line */
	vec(struct summary_level) levels;
	vec(const char *) notes;
};

/* NULL when the id is of nothing known: rows about it are passed over. */
struct load_thread *loader_thread(struct loader *l, uint32_t thread);
struct load_lock *loader_lock(struct loader *l, uint32_t lock);
struct load_proc *loader_proc(struct loader *l, uint32_t proc);
/* 0 without a switch interval: no Python, or not readable. */
uint64_t loader_switch_interval_ns(struct loader *l, uint32_t proc);
static inline uint64_t loader_relative_ns(const struct loader *l, uint64_t t_ns)
{
	return t_ns > l->start_ns ? t_ns - l->start_ns : 0;
}

/* The scan of the credits, which takes as long as all else together: in a thread of its own when there are many.  It begins
 * after the waits, and until it is finished nobody else may ask for stacks and lines. */
struct credit_scan *credit_scan_start(struct loader *l);
int credit_scan_finish(struct credit_scan *scan, bool stop);

int summary_rows_load(struct loader *l); /* processes, threads, locks, losses … */
int summary_family_load(struct loader *l); /* after these, too */
int summary_waits_load(struct loader *l); /* after these */
int summary_sums_load(struct loader *l); /* after the waits, whose scans the sums come along with */
int summary_blame_load(struct loader *l);
int summary_stalls_load(struct loader *l); /* once the credits are scanned */
int summary_compare_leaf(const struct summary_stack *a, const struct summary_stack *b); /* by function */
bool summary_same_line(const struct summary_stack *a, const struct summary_stack *b);
struct summary_stack summary_stack(struct loader *l, uint64_t stack);
uint32_t summary_line(struct loader *l, uint64_t stack); /* number of its leaf's line */
void summary_pairs(struct loader *l, struct summary_process *p);
void summary_what_if(struct loader *l, struct summary_process *p);
struct summary_place summary_place(const struct loader *l, uint64_t t0_ns, uint64_t t1_ns, uint32_t thread, uint32_t lock);
/* other_locks.c */
void summary_other_wait(struct loader *l, struct load_lock *k, const struct wait *row);
void summary_other_blame(struct loader *l, struct load_lock *k, const struct reader_blame *row); /* once the waits are in */
void summary_others(struct loader *l, struct load_proc *p); /* lays them out */
void summary_others_done(struct load_proc *p);
void summary_lock_places(struct loader *l, struct load_lock *k); /* once its waits are in */
