#pragma once
/* One recording from attach to close: targets are opened, the collector feeds the timeline, the store is written.
 * Called by cmd_record; knows nothing of terminals and options.
 *
 * Owns: nothing of the caller's; everything it opens it closes, whatever happens.
 * Context: called from the main thread, starts its own threads; `progress` is called about twice a second from the
 * calling thread.  Errors: struct fail of whatever could not be done; *ret is filled as far as it went, so a
 * recording that ended badly still says what its file holds. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/util/fail.h"

struct collector_ops;

struct session_progress {
	uint64_t elapsed_ns;
	uint64_t waits, handoffs, events, lost; /* since the start */
	uint64_t own_cpu_ns, db_bytes;
	uint32_t level; /* detail level of the recording, see ev_level */
};

struct session_options {
	const pid_t *pids; /* as the user gave them */
	unsigned n_pids;
	uint64_t duration_ns; /* 0: until stopped or the processes named have ended */
	const struct collector_ops *collector;
	void *prepared; /* what its prepare made, with a command; borrowed */
	const char *collector_choice; /* why that one, for the recording; may be NULL */
	const char *output;
	const char *command_line; /* ours, for the recording's meta data; may be NULL */
	bool overwrite, no_python, quiet;
	bool native; /* C stacks too; with a collector that can copy them */
	bool children; /* child processes are recorded too */
	bool command; /* the one process is ours: it waits to be released, and what it is shows when it has replaced its program */
	void (*release)(void *ctx); /* it may go on now: everything is watched.  With `command` */
	void *release_ctx;
	void (*begun)(void *ctx); /* attached to everything, recording; may be NULL */
	void *begun_ctx;
	uint32_t sample_hz; /* 0: no on-CPU samples */
	uint32_t look_hz; /* looks a second of a collector that samples; 0: its default */
	double cpu_limit; /* … of one CPU; 0: its default */
	void (*progress)(void *ctx, const struct session_progress *now); /* may be NULL */
	void *progress_ctx;
	const volatile sig_atomic_t *stop; /* becomes nonzero: finish in good order */
};

enum session_end { SESSION_END_DURATION, SESSION_END_STOPPED, SESSION_END_TARGETS, SESSION_END_ERROR };

struct session_result {
	struct session_progress total;
	enum session_end end;
	bool file_created; /* a file is at `output` */
	bool complete; /* … and was closed in good order */
};

int session_run(const struct session_options *options, struct session_result *ret, struct fail *why);
