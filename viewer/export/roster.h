#pragma once
/* Who is who in a recording: processes, threads and locks by id, with names fit to show.
 * Owns: its arrays and names.  Context: one thread; constant once loaded.
 * Errors: those of the reader (roster_load); an id that is not there gives an entry with known = false. */
#include <stdbool.h>
#include <stdint.h>

#include "core/timeline/model.h"
#include "core/util/arena.h"
#include "viewer/lock_uses.h"

struct reader;

struct roster_process { bool known; uint32_t pid; const char *name; };
struct roster_thread { bool known, is_main; uint32_t proc, pid, tid; const char *name; uint64_t first_ns, last_ns; };
struct roster_lock { bool known; uint32_t proc; enum lock_kind kind; const char *name; /* "GIL", "GIL 1", "rlock __main__.GUARD", "futex 0x…" */ };

struct roster {
	struct arena arena;
	struct roster_process *processes;
	struct roster_thread *threads;
	vec(struct roster_lock) locks; /* uses of locks (lock_uses.h) */
	struct lock_uses uses;
	uint32_t n_processes, n_threads;
};

int roster_load(struct roster *ro, struct reader *r);
void roster_done(struct roster *ro);

const struct roster_thread *roster_thread(const struct roster *ro, uint32_t thread); /* never NULL */
const struct roster_lock *roster_lock(const struct roster *ro, uint32_t lock);
/* What a wait (its thread may be MODEL_NONE: one of several) was for, as an id for roster_lock. */
uint32_t roster_use(struct roster *ro, const struct wait *w);
const struct roster_process *roster_process(const struct roster *ro, uint32_t proc);
/* Escaped text in the arena. */
const char *roster_text(struct roster *ro, const char *raw);
