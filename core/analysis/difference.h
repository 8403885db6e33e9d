#pragma once
/* Two recordings side by side: what each thread name, lock and pair of functions waited, per second of its recording or per
 * unit of work.  Things are matched by name, since ids and addresses differ between runs; equal names are one row.
 * No judgement: one run of each says nothing about noise (regression.h compares many).
 *
 * Owns: its texts (raw bytes of the summaries are escaped in them).  Units: seconds of waiting per unit.
 * Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>

#include "core/analysis/summary.h"
#include "core/util/arena.h"

struct difference_side {
	bool there;
	double wait; /* seconds waited for GILs (a lock: for it) per unit */
	double waits; /* number, per unit */
	double caused; /* threads: waiting of others during its holds */
	double p99_s; /* of locks and threads; 0 without waits; of the worst when several share the name */
	double utilisation; /* locks; negative unknown */
};
struct difference_row {
	const char *name; /* a thread, a lock, or the waiter's function */
	const char *holder; /* of pairs: the holder's function; else NULL */
	struct difference_side base, head;
};
struct difference_rows { struct difference_row *items; size_t n; }; /* largest change first */

struct difference {
	struct arena arena;
	bool per_op;
	double base_units, head_units;
	struct difference_side base, head; /* all GILs together; p99_s of the GIL most waited for */
	struct difference_rows threads, locks, pairs;
};

/* ops: units of work done in each; 0 for both: per second. */
void difference_make(struct difference *ret, const struct summary *base, const struct summary *head, double base_ops, double head_ops);
void difference_done(struct difference *d);
