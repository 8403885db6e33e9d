#pragma once
/* Recordings of two versions side by side: what each thread name, lock and pair of functions waited, per second of its recordings
 * or per unit of work.  Things are matched by name, since ids and addresses differ between runs; equal names are one row.
 * Pairs are matched by function and the last part of its file's name, as the versions lie in different directories.
 * No judgement: one run of each says nothing about noise (regression.h compares many).
 *
 * Owns: its texts (raw bytes of the summaries are escaped in them); it needs no summary once that was added.
 * Units: seconds of waiting per unit, once finished.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/analysis/summary.h"
#include "core/util/arena.h"

struct difference_side {
	bool there;
	double wait; /* seconds waited for GILs (a lock: for it) per unit */
	double waits; /* number, per unit */
	double caused; /* threads: waiting of others during its holds */
	double p99_s; /* of locks and threads; 0 without waits; of the worst when several share the name */
	double utilisation; /* locks; negative unknown */
	const char *waiter_at, *holder_at; /* of pairs: "file:line", of the first recording that has it; NULL */
};
struct difference_row {
	const char *name; /* a thread, a lock, or the waiter's function */
	const char *holder; /* of pairs: the holder's function; else NULL */
	struct difference_side base, head;
};
struct difference_rows { struct difference_row *items; size_t n; }; /* largest change first */

/* How a time per unit changed; less than a tenth is the same. */
enum change { CHANGE_NONE, /* next to nothing in both */ CHANGE_NEW, CHANGE_GONE, CHANGE_MORE, CHANGE_LESS, CHANGE_SAME, CHANGE_N };
extern const char *const change_names[CHANGE_N];

/* What a side was made of. */
struct difference_runs {
	size_t n, cut_off;
	double seconds, ops; /* in all; ops 0: of one run at least they are not known */
	uint64_t lost_events;
	const char *path, *runtime, *kernel, *cpu_model, *collector; /* of the first one, escaped; "" unknown */
	uint32_t cpus;
};

struct difference {
	struct arena arena;
	struct difference_priv *priv; /* until it is finished */
	bool per_op;
	double base_units, head_units;
	double nothing; /* less per unit is next to nothing: a microsecond in a second of running */
	struct difference_runs base_runs, head_runs;
	struct difference_side base, head; /* all GILs together; p99_s of the GIL most waited for */
	struct difference_rows threads, locks, pairs;
};

void difference_start(struct difference *ret);
/* One more recording of a side; ops: units of work done in it, 0 unknown. */
void difference_add(struct difference *d, const struct summary *s, bool head, double ops);
/* Per unit of work where all are known on every side that has recordings, else per second. */
void difference_finish(struct difference *d);
void difference_done(struct difference *d);
enum change difference_change(double base, double head, double nothing);
