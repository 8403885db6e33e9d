#pragma once
/* The recording: one SQLite file (FORMAT.md).  This header is the writing half; reader.h the reading half.
 * One writer connection, WAL, everything of a batch in one transaction; the caller commits at least every 250 ms.
 *
 * Owns: store_create returns an owned store.  Context: the writer thread only.
 * Errors: create/close fill struct fail (FAIL_DATA); the rest latch the first error, which store_error shows,
 * and count what could not be written (EV_LOSS_WRITE): a full disk stops the recording, it never aborts. */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event/event.h"
#include "core/timeline/timeline.h"
#include "core/util/fail.h"

struct store;

struct store_meta { /* of the recording */
	const char *gilscope_version, *collector, *host, *kernel, *cpu_model, *command_line;
	const char *collector_choice; /* why that collector and no better one, a sentence; may be NULL */
	bool estimated; /* the collector samples: durations are estimates */
	uint32_t cpus, sample_hz;
	uint64_t start_mono_ns, start_real_ns;
};

struct store_process { /* what is known of a target beyond the event stream */
	uint32_t pid; /* as in events */
	uint32_t shown_pid; /* as the user gave it */
	uint64_t switch_interval_ns; /* 0 unknown */
	const char *name, *command, *runtime; /* "CPython 3.11.2", NULL with --no-python */
	bool free_threaded;
};

struct store_gil { /* ties a GIL's address to an interpreter */
	uint32_t pid;
	uint64_t addr;
	int64_t interp_id;
};

struct store_lock { /* what is known of a lock that is no GIL beyond the event stream */
	uint32_t pid;
	uint64_t addr;
	enum lock_kind kind; /* LOCK_FUTEX: unknown */
	const char *name; /* what holds it in the program; NULL unknown */
	uint64_t device, inode, offset; /* of the mapping it lies in, when processes share it; inode 0: none */
};

struct store_own { /* one reading of our own cost */
	uint64_t t_ns, cpu_ns, bpf_run_ns, bpf_runs, max_rss_bytes, events, db_bytes;
};

struct store_symbol { /* resolved frame */
	const char *function, *file;
	uint32_t line, first_line;
	bool resolved;
};

/* Creates the file: O_CREAT|O_EXCL|O_NOFOLLOW 0600, owned by SUDO_UID/SUDO_GID when run under sudo.  An existing
 * regular file of ours is replaced only with overwrite; a symlink, FIFO, device or other's file never. */
struct store_create_options { bool overwrite; };
int store_create(struct store **ret, const char *path, const struct store_create_options *options,
		 const struct store_meta *meta, struct fail *why);
/* The timeline writes here.  Stack keys in rows are translated to stack ids by what store_stack was told; a key not
 * seen yet gets an id at once whose frames follow when its ev_stack arrives. */
const struct timeline_sink *store_sink(struct store *s);
/* Interns a stack as parent-linked nodes (root first).  For each frame (pid, code, lasti, check) never seen before
 * want_symbol is called with the new frame id; the answer comes later through store_symbol. */
void store_stack(struct store *s, const struct ev_stack *stack,
		 void (*want_symbol)(void *ctx, uint32_t frame_id, uint32_t pid, const struct ev_frame *frame), void *ctx);
void store_symbol(struct store *s, uint32_t frame_id, const struct store_symbol *symbol);
/* A native frame and its name, before the first stack that has it; again does nothing. */
void store_native_frame(struct store *s, uint32_t pid, const struct ev_frame *frame, const struct store_symbol *symbol);
void store_process(struct store *s, const struct store_process *p);
void store_gil(struct store *s, const struct store_gil *g);
void store_lock(struct store *s, const struct store_lock *l);
void store_thread_name(struct store *s, uint32_t pid, uint32_t tid, uint64_t start_ns, const char *python_name);
void store_loss(struct store *s, const struct ev_loss *loss);
void store_level(struct store *s, const struct ev_level *level);
void store_looks(struct store *s, const struct ev_looks *looks);
void store_own(struct store *s, const struct store_own *own);
void store_note(struct store *s, uint64_t t_ns, const char *text); /* degraded modes, refusals, in words */
int store_commit(struct store *s); /* 0 or the latched -errno (-ENOSPC disk full) */
const char *store_error(const struct store *s); /* NULL while all is well */
/* complete: the recording ended in good order.  Folds the WAL back so that one file remains. */
int store_close(struct store *s, bool complete, uint64_t end_ns, struct fail *why);
