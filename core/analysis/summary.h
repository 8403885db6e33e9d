#pragma once
/* Everything a report says about a recording, in one structure: the text, JSON and HTML views only lay it out.
 * Computed from the rows that core/store/reader.h delivers; no SQL, no formatting of numbers, no target.
 * Times are nanoseconds; t_ns, first_ns and the like count from the begin of the recording.
 *
 * Owns: the summary owns all it points to, and the reader it was loaded from; names are raw bytes (viewers escape),
 * titles and details of findings are already escaped.  Context: one caller; constant once loaded.
 * Errors: summary_load fills struct fail (FAIL_DATA). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event/event.h"
#include "core/timeline/model.h"
#include "core/util/fail.h"

struct summary_frame {
	const char *function, *file;
	uint32_t line; /* 0 unknown */
	bool resolved, native; /* native: a function of a library or program, which is the file; without a line */
};

struct summary_stack { /* leaf first; n 0: none was taken */
	const struct summary_frame *frames;
	unsigned n;
	bool truncated, torn; /* root end missing; leaf end only as far as it could be read */
};

/* Waits of a thread, or for a lock; n and ns are exact.  about: some waits were only counted by size class, and the percentile
 * falls among those of a class (a factor of two wide). */
struct summary_waits {
	uint64_t n, ns, p50_ns, p99_ns, max_ns;
	bool p50_about, p99_about;
};

/* Upper edges of the wait histogram: below a switch interval in decades, from there in multiples of it. */
#define SUMMARY_HIST_MAX 16
struct summary_hist {
	unsigned n;
	struct summary_bin {
		uint64_t from_ns, to_ns; /* to_ns of the last is UINT64_MAX */
		uint64_t waits, ns;
		unsigned multiple; /* from_ns is this many switch intervals, 0 below one */
	} bins[SUMMARY_HIST_MAX];
};

/* A piece of the timeline where something is seen best; times count from the begin of the recording. */
struct summary_place {
	bool known;
	uint64_t from_ns, to_ns;
	uint32_t thread, lock; /* what to look at there, MODEL_NONE */
};

/* Kinds of trouble with a GIL that have a place of their own: the hold that cost most of each, or the worst second. */
enum lock_trouble { TROUBLE_FULL, TROUBLE_FORCED, TROUBLE_BLOCKED, TROUBLE_PREEMPTED, TROUBLE_GC, TROUBLE_WAKING, TROUBLE_N };

struct summary_lock {
	uint32_t lock;
	enum lock_kind kind;
	int64_t interp_id; /* of a GIL, -1 unknown */
	uint64_t addr;
	struct summary_stack first_stack; /* where it was first waited for */
	struct summary_waits waits;
	uint64_t unfinished, asleep_ns, wake_latency_ns;
	uint64_t recorded_waits; /* those with a row each: what wake_latency_ns and asleep_ns are about */
	uint64_t forced_waits, forced_wait_ns; /* waits that ended because the waiter demanded the lock */
	uint64_t contended_ns; /* time in which at least one thread waited; waits.ns are thread-seconds delayed */
	uint64_t held_ns; /* time in which somebody held it */
	double utilisation; /* held_ns / duration; 0 to 1 */
	bool utilisation_known; /* holds are seen of GILs only */
	uint64_t handoffs, forced_handoffs;
	uint64_t gc_hold_ns, gc_wait_ns; /* holds during which the garbage collector ran, waiting inside them */
	struct summary_hist hist;
	struct summary_place places[TROUBLE_N]; /* of GILs */
};

/* Waits for anything but a GIL, by what is waited for.  A lock that outlives a wait is one; where each wait has a lock of its own
 * (lock_kind_fleeting) the place in the program is. */
#define SUMMARY_PARTIES_MAX 8
struct summary_party { /* who waits, or who had it */
	uint32_t tid, pid; /* 0 unknown; pid: of the process it is in */
	uint64_t ns;
	struct summary_stack stack; /* the first one seen */
	const struct summary_frame *where; /* the program's own innermost line, NULL unknown */
};
struct summary_other {
	enum lock_kind kind;
	bool idle, unknown; /* waits for something to happen: no contention, nobody held it; waits without a stack for any of several at an address */
	const char *name; /* what holds it in the program, NULL unknown */
	uint64_t addr; /* 0: many */
	const char *shared; /* device:inode:offset of the file it lies in, NULL: not shared by processes, as far as is known */
	const struct summary_frame *where; /* the program's own innermost line, where a thread waited longest in all; NULL unknown */
	struct summary_waits waits;
	uint64_t contended_ns, pauses, pause_max_ns; /* when at least one thread waited; of LOCK_STW how often that was, the longest */
	/* who had it meanwhile; of an idle one who ended the waits.  Most first. */
	struct summary_party waiters[SUMMARY_PARTIES_MAX], holders[SUMMARY_PARTIES_MAX];
	unsigned n_waiters, n_holders;
	uint64_t holder_known_ns; /* of waits.ns */
	bool holder_inferred; /* some of it from wake-ups, not from the lock itself */
};

struct summary_thread {
	uint32_t thread, tid;
	const char *name;
	bool is_main, exited;
	uint64_t first_ns, last_ns;
	uint64_t state_ns[STATE_N]; /* adds up to last_ns - first_ns */
	uint64_t held_ns, held_blocked_ns, held_preempted_ns; /* of its GIL; blocked: asleep in any way */
	uint64_t gc_ns;
	struct summary_waits waits; /* for a GIL */
	uint64_t long_waits, long_wait_ns; /* of about a switch interval or longer (recorded ones) */
	uint64_t caused_ns; /* waiting of others during its holds */
	uint64_t spin_ns; /* sampled: on a CPU inside take_gil */
	bool spin_known;
	uint64_t holds;
	struct summary_place longest_wait, convoy; /* for a GIL; where waits of about an interval are closest together */
};

struct summary_blame { /* one waiter stack by one holder stack */
	uint32_t lock;
	uint64_t ns, waits;
	struct summary_stack waiter, holder;
	const uint32_t *waiter_tids, *holder_tids;
	unsigned n_waiters, n_holders; /* of the tids listed, at most 64 each */
	enum holder_state state;
	int32_t nr; /* system call the holder was blocked in, -1 */
	uint32_t waiter_line, holder_line; /* innermost lines, numbered: the same function, file and line have the same number */
};

/* Blame by function: stacks with the same two leaf functions, whatever the line, the callers and the holder's state. */
struct summary_pair {
	const struct summary_blame *worst; /* the largest of them; its stacks are shown */
	uint64_t ns, waits, state_ns[HOLDER_STATE_N]; /* by what the holder did meanwhile; a wait counts with each stack */
	unsigned stacks; /* pairs of stacks in it */
	int32_t nr; /* system call the holder was blocked in most, -1 */
	uint64_t nr_ns;
	const uint32_t *waiter_tids, *holder_tids;
	unsigned n_waiters, n_holders;
};

/* Holds that did not end although somebody had demanded the GIL for long: native code, mostly. */
struct summary_long_hold {
	struct summary_stack stack; /* the costliest of those with the same innermost line */
	uint64_t n, excess_ns, max_ns; /* holds; waiting beyond one switch interval in them; the longest that met a waiter */
	struct summary_place place; /* of that one */
};

/* The waiting that would vanish if the holds at a line did not need the GIL (replay.h), and for whom. */
struct summary_saving {
	const struct summary_frame *waiter, *holder; /* who waits most for it; NULL: a place without a Python stack */
	uint64_t wait_ns, holds; /* credited to the line; its holds */
	uint64_t saved_ns, queue_ns; /* what vanishes of it; what shorter queues may save beside it */
};

/* The work of a process could be done so much faster at most, if all that is assumed is true. */
#define SUMMARY_BOUNDS_MAX 3
#define SUMMARY_ASSUMES_MAX 4
struct summary_bound {
	const char *id, *title;
	double speedup; /* 1 or more */
	const char *assumes[SUMMARY_ASSUMES_MAX];
	unsigned n_assumes;
};

struct summary_what_if {
	uint64_t recorded_ns, replayed_ns; /* waiting for GILs as recorded, and as the replay with nothing removed has it */
	double error; /* of the replay, as a share */
	bool trusted; /* small enough to predict with; else there are no savings */
	uint64_t until_ns; /* the replay is of the time up to it, UINT64_MAX all */
	struct summary_saving *savings; /* most saved first */
	struct summary_bound *bounds;
	size_t n_savings, n_bounds;
};

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITY_N };
extern const char *const severity_names[SEVERITY_N];
enum certainty { CERTAINTY_MEASURED, CERTAINTY_INFERRED, CERTAINTY_SAMPLED, CERTAINTY_N };
extern const char *const certainty_names[CERTAINTY_N];

struct finding {
	const char *id;
	enum severity severity;
	enum certainty certainty;
	const char *title, *detail, *advice; /* escaped */
	uint64_t wait_ns; /* thread-seconds it costs */
	bool wait_known;
	double share; /* wait_ns of all waiting for GILs in the process; 0 where that says nothing */
	uint32_t thread, lock; /* what it is about, MODEL_NONE */
	struct summary_place place; /* where to look for it */
};

struct summary_process {
	uint32_t proc, pid, parent; /* parent: pid of the process here that forked it while recording, 0 none */
	const char *name, *command, *runtime; /* runtime NULL: no Python knowledge */
	const char *collector; /* it was recorded by */
	/* of one that was sampled: looks, the distance between two (half are below p50), how often the GIL went to another, and was seen to */
	struct { uint64_t n, p50_ns, p99_ns, max_ns, switches, seen; } looks;
	bool free_threaded, estimated; /* estimated: from samples, every duration and share */
	uint64_t switch_interval_ns; /* 0 unknown */
	struct summary_lock *locks; /* most waited for first */
	struct summary_other *others; /* contention before idle ones, most waited for first */
	struct summary_thread *threads; /* most waiting first */
	struct summary_blame *blame; /* most first; over a lock they add up to its waits.ns */
	struct summary_pair *pairs; /* of GILs only, most first */
	struct summary_long_hold *long_holds; /* most excess first */
	struct summary_stall *stalls; /* stalls.h; costliest first */
	struct summary_what_if what_if;
	struct finding *findings; /* gravest first; those of the whole recording are in each process */
	size_t n_locks, n_others, n_threads, n_blame, n_pairs, n_long_holds, n_stalls, n_findings;
	const struct summary_lock *gil; /* the GIL most waited for, NULL without one */
	uint64_t life_ns, gil_wait_ns; /* of all threads, of all GILs together */
};

struct summary_level {
	uint64_t t_ns, min_off_ns, stack_period_ns;
	uint32_t level;
	const char *reason;
};

struct summary_own {
	bool known, bpf_known;
	uint64_t cpu_ns, bpf_run_ns, bpf_runs, max_rss_bytes, events;
};

struct summary {
	const char *path, *gilscope_version, *collector, *host, *kernel, *cpu_model;
	const char *collector_choice; /* why that one, "" unknown */
	uint32_t cpus, sample_hz;
	uint64_t start_real_ns, duration_ns;
	bool complete, estimated; /* estimated: some process is */
	const char *write_error; /* why it is not complete, when the writer could still say so; else NULL */
	uint64_t lost[EV_LOSS_N], lost_events; /* by class, and all */
	struct summary_place worst_loss;
	uint64_t torn_stacks, truncated_stacks, missing_stacks;
	struct summary_level *levels;
	const char **notes;
	struct summary_process *processes; /* in the order they were named or appeared */
	size_t n_levels, n_notes, n_processes;
	struct summary_own own;
	struct summary_priv *priv;
};

struct reader; struct row_tap;
int summary_load(struct summary **ret, const char *path, struct fail *why);
int summary_load_tapped(struct summary **ret, const char *path, const struct row_tap *tap, struct fail *why); /* row_tap.h */
/* Takes the reader over (also when it fails). */
int summary_read(struct summary **ret, struct reader *r, struct fail *why);
/* The recording it was read from, for what a summary leaves out. */
struct reader *summary_reader(const struct summary *s);
void summary_free(struct summary *s);
