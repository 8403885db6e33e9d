#pragma once
/* One process that is sampled: its GILs, its threads, what a look at it shows.  Private to the sampling child.
 * Owns: the target it opened, descriptors of its threads.  Context: the child only.  Errors: outcomes, as said. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "collectors/remote/shared.h"
#include "core/base/clock.h"
#include "core/interp/runtime.h"
#include "core/target/proc_task.h"

#define PROC_NOBODY UINT32_MAX /* instead of a track */
enum { PROC_DISTANCES = 1024 };

struct proc_gil {
	uint64_t addr;
	uint64_t last_holder, number; /* as of the last look */
	bool seen;
	uint32_t holder; /* track that has it, PROC_NOBODY none or unknown */
	uint64_t held_ns; /* its hold is told up to here */
	uint64_t since_ns, n, switches, changes; /* since the last ev_looks */
	/* Threads inside its conditions or semaphore: as the lock counts them, and of those that sleep there. */
	unsigned inside, asleep;
	bool inside_known;
	uint8_t refs_at; /* where it counts: offset in pthread_cond_t, 0 not known yet */
	bool switched; /* in this look it was not at the same turn as in the one before */
	unsigned waiters; /* in this look */
};

struct proc_seen { /* of a thread, in this look */
	struct proc_syscall call;
	struct proc_gil *gil; /* that it sleeps on */
	enum inside_answer inside;
	bool woken; /* inside take_gil, not asleep any more */
};

struct proc_files { /* of a thread in /proc, -1 not open */
	int syscall, schedstat;
};

struct proc {
	struct remote_shared *shared;
	uint32_t slot;
	unsigned asked; /* of the slot, when it was opened */
	struct target *target; /* NULL: could not be opened */
	int task_fd;
	unsigned refused; /* of the slot's places */
	unsigned links; /* of /proc/PID/task: threads + 2 */
	uint32_t *tracks; /* indices */
	struct proc_seen *seen;
	struct proc_files *files; /* of each; both in step with tracks, which proc_threads.c keeps */
	uint32_t n_tracks, cap_tracks;
	struct proc_gil gils[RUNTIME_MAX_INTERPS];
	unsigned n_gils;
	uint64_t looked_ns, listed_ns, list_cost_ns, checked_ns, told_ns;
	bool list_wanted, queue_noted, many_noted;
	uint64_t children_ns, children_cost_ns, births; /* proc_children.c */
	bool children_again;
	uint64_t distances[PROC_DISTANCES];
	uint64_t n_distances;
};

/* Used by us: what took long on a busy machine need not have cost much. */
static inline uint64_t proc_cpu_ns(void)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

enum proc_end { PROC_GOES_ON, PROC_ENDED };
struct proc *proc_new(struct remote_shared *shared, uint32_t slot);
void proc_free(struct proc *p);
/* One look at everything in it; emits what follows from it.  births: of births_look. */
enum proc_end proc_look(struct proc *p, uint64_t births);
/* Everything open ends here. */
void proc_finish(struct proc *p, bool unfinished);
