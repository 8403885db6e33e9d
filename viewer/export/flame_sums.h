#pragma once
/* Stacks with weights: what a flame graph is made of, summed by thread, stack and what stands below its innermost frame.
 * Owns: the sums.  Units: nanoseconds; sampled weights are samples times the sampling period, and say so.
 * Context: one thread.  Errors: those of the reader; FAIL_DATA in the reader's failure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/timeline/model.h"

struct reader;
struct roster;

enum flame_weight {
	FLAME_GIL, /* running with the GIL (sampled) */
	FLAME_NOGIL, /* running without it (sampled) */
	FLAME_WAIT, /* waiting for a GIL, by waiter stack */
	FLAME_BLAME, /* the same waiting, by the stacks of those who held it */
	FLAME_BLOCKED, /* blocked or asleep in a system call */
	FLAME_LOCKS, /* waiting for other locks, by waiter stack */
	FLAME_WEIGHT_N
};
extern const char *const flame_weight_names[FLAME_WEIGHT_N]; /* "gil" … */
/* FLAME_WEIGHT_N if there is none of that name. */
enum flame_weight flame_weight_find(const char *name);
bool flame_weight_sampled(enum flame_weight w);

struct flame_sum {
	uint32_t thread; /* whose stack it is; MODEL_NONE unknown */
	uint32_t lock; /* waited for, MODEL_NONE */
	uint64_t stack; /* for reader_stack, 0 none */
	uint32_t nr_known; /* 1: nr is a system call */
	int32_t nr;
	uint32_t holder_state; /* enum holder_state of FLAME_BLAME, else HOLDER_RUNNING */
	uint32_t pad;
	uint64_t n, ns;
};

struct flame_sums {
	struct flame_sum *items; /* most first */
	size_t n;
	uint64_t total_ns, total_n;
};

int flame_sums_load(struct flame_sums *ret, struct reader *r, struct roster *ro, enum flame_weight weight);
void flame_sums_done(struct flame_sums *s);

/* What stands below the innermost frame: "read()", "preempted", "[GIL wait]"; "" nothing. */
#define FLAME_LEAF_MAX 64
void flame_leaf(const struct flame_sum *s, enum flame_weight weight, const struct roster *ro, char ret[FLAME_LEAF_MAX]);
