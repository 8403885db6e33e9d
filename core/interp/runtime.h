#pragma once
/* A found interpreter runtime: where its GILs are and how to walk its frames, checked against live memory.
 * Filled by runtime_read (core/interp/runtime.c) from the base address of _PyRuntime and a layout; used by the bpf
 * collector (which copies what BPF needs into a map), by dump and by the symbolizer.
 *
 * Owns: nothing.  Context: any hosted thread.  Errors: runtime_read fills struct fail and returns -errno:
 * -ENOTSUP unknown version, -EPROTO memory contradicts the layout (with the contradiction in words). */
#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "core/interp/frame_walk.h"
#include "core/interp/gil_choice.h"
#include "core/interp/mem.h"
#include "core/util/fail.h"

struct layout;
struct libc;
struct static_vars;

#define RUNTIME_MAX_INTERPS 32

/* One interpreter and the GIL it uses; several interpreters may name the same GIL. */
struct interp_place {
	uint64_t interp; /* PyInterpreterState */
	int64_t id;
	uint64_t gil; /* struct _gil_runtime_state it follows; 0: none (free-threaded with the GIL off) */
	uint64_t gc_collecting; /* address of the int that is 1 while the collector runs, 0 unknown */
};

struct runtime {
	const struct layout *layout;
	struct layout *own_layout; /* set when made from the target's debug offsets; freed by runtime_done */
	char version[48]; /* "CPython 3.11.2" */
	char how[160]; /* which way it was found, for doctor */
	bool free_threaded;
	enum gil_choice gil_choice; /* of a free-threaded build */
	uint64_t addr; /* of _PyRuntime, or of the lowest static variable */
	uint64_t switch_interval_ns; /* of the first GIL */
	uint32_t tss_key; /* autoTSSkey: pthread key whose value is the thread's PyThreadState; UINT32_MAX unset */
	struct walk_layout walk;
	struct interp_place interps[RUNTIME_MAX_INTERPS];
	unsigned n_interps;
	bool more_interps; /* there were more than fit */
	uint64_t modules; /* how many were imported when asyncio was last looked for */
	uint64_t task_table; /* address of its .AsyncioDebug, 0 not found */
	bool loops_in_c; /* uvloop is imported: its callbacks have no Python frame of their own, but for those of tasks */
	bool wants_task_table; /* asyncio is there, and that is all that is missing */
};

/* Where it begins, and PY_VERSION_HEX if known from the file (Py_Version, name), 0 if not. */
struct runtime_origin {
	uint64_t addr; /* of _PyRuntime */
	const struct static_vars *statics; /* instead, before 3.7; NULL */
	const struct layout *layout; /* of this very build, from its debug information; NULL: the row of its version */
	unsigned n_differ; /* fields in which it differs from that row */
	uint32_t version_hex;
};
int runtime_read(struct runtime *ret, const struct mem *mem, const struct runtime_origin *from, struct fail *why);
/* Reads interpreters and GILs again; returns 0 or RUNTIME_CHANGED, or -errno. */
enum { RUNTIME_CHANGED = 1 };
int runtime_refresh(struct runtime *r, const struct mem *mem);
/* Which C library its process has: where its waiters sleep follows from that. */
void runtime_set_libc(struct runtime *r, const struct libc *libc);
/* The GIL that a thread sleeps on, by its futex word and its stack pointer; 0 none. */
uint64_t runtime_gil_slept_on(const struct runtime *r, const struct mem *mem, uint64_t word, uint64_t sp);
/* Its table was looked for; what it tells comes with the next refresh. */
void runtime_set_task_table(struct runtime *r, uint64_t addr);
/* Its distinct GILs, each by the first interpreter that names it; returns how many. */
unsigned runtime_gils(const struct runtime *r, const struct interp_place *ret[RUNTIME_MAX_INTERPS]);
void runtime_done(struct runtime *r);
/* What frame_walk.h needs of a layout; -EPROTO when it does not fit the walk's fields. */
int runtime_walk_layout(const struct layout *l, struct walk_layout *ret);
