#pragma once
/* What the sampling child (sampler.c) and we (remote.c) share.  It outlives the child: when one waits for memory that does not answer
 * and is left behind, the next one goes on from the same threads and the same moment.
 * Owns: nothing.  Context: as each field says.  Errors: none. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collectors/remote/ring.h"
#include "collectors/remote/track.h"
#include "core/event/event.h"
#include "core/target/process_mem.h"
#include "core/target/read_child.h"

enum { REMOTE_PROCS_MAX = 1024, REMOTE_THREADS_MAX = 16384, REMOTE_NOTE_BYTES = 256, REMOTE_NOTES_MAX = 32 };

struct remote_slot { /* a process; written by us but for `ended` */
	atomic_uint asked; /* raised when it is to be looked at (again) for its Python */
	atomic_bool ready, ended;
	atomic_bool seen; /* by the child: a change of its program will be noticed from here on */
	int pid;
	bool threads_only, at_start;
	atomic_uint n_refused; /* places that did not answer */
	struct {
		uint64_t addr, len;
	} refused[PROCESS_MEM_GIVEN_UP_MAX];
};

struct remote_config {
	uint64_t period_ns;
	double cpu_limit; /* of one CPU, of all of gilscope */
	uint32_t sample_hz;
	bool follow;
};

struct remote_shared {
	struct remote_config config;
	struct read_watch watch;
	atomic_bool stop, armed;
	atomic_uint_fast64_t settled_ns; /* nothing that happened before comes any more */
	atomic_uint_fast64_t alive_ns; /* the child was here */
	atomic_uint_fast64_t cpu_ns; /* of it */
	atomic_uint_fast64_t others_cpu_ns; /* of the rest of gilscope */
	atomic_uint_fast64_t lost[EV_LOSS_N], stacks;
	atomic_uint n_slots;
	struct remote_slot slots[REMOTE_PROCS_MAX];
	atomic_uint n_notes;
	char notes[REMOTE_NOTES_MAX][REMOTE_NOTE_BYTES];
	/* the child's */
	uint32_t n_tracks;
	struct track tracks[REMOTE_THREADS_MAX];
	struct ring ring;
};

/* The child's work. */
void sampler_run(void *shared);
struct remote_slot *remote_slot_add(struct remote_shared *s, int pid, bool threads_only, bool at_start); /* either side; NULL: too many */
