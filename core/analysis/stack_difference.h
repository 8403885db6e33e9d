#pragma once
/* Stacks of two versions in one tree: what a differential flame graph is made of.  Each node has the time of base and of head beside
 * each other, so that what is new and what is gone stand where they belong.  Frames are matched by function and the last part of
 * the file's name: lines move from one version to the next, and so do directories.
 *
 * Owns: its texts (escaped); it needs no summary once that was added.  Units: seconds in all, per unit once finished.
 * Context: one thread.  Errors: stack_difference_add fills struct fail (FAIL_DATA) when samples cannot be read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/util/arena.h"
#include "core/util/fail.h"

enum stack_graph {
	STACKS_WAIT, /* waiting for a GIL, by who waits */
	STACKS_HOLD, /* the same waiting, by who holds the GIL meanwhile */
	STACKS_LOCKS, /* waiting for other locks, by who waits */
	STACKS_GIL, /* on a CPU with the GIL: samples */
	STACKS_NOGIL, /* on a CPU without it: samples */
	STACKS_N
};

struct stack_time { double base, head; };

struct stack_node {
	const char *function, *file; /* file: its last part; "" none */
	const char *at; /* "path/file:line", of head where it is there; "" unknown */
	struct stack_time all, own; /* own: innermost here */
	struct stack_node *first, *next; /* callees, by name */
	bool of_head; /* at is */
};

/* Own time by function, wherever it was called from. */
struct stack_function { const char *function, *file, *at; struct stack_time own; };
struct stack_functions { struct stack_function *items; size_t n; }; /* largest change first */

struct stack_difference {
	struct arena arena;
	struct stack_priv *priv; /* until it is finished */
	struct stack_node roots[STACKS_N];
	struct stack_functions functions[STACKS_N];
};

struct summary;
void stack_difference_start(struct stack_difference *ret);
int stack_difference_add(struct stack_difference *d, const struct summary *s, bool head, struct fail *why);
void stack_difference_finish(struct stack_difference *d, double base_units, double head_units);
void stack_difference_done(struct stack_difference *d);
