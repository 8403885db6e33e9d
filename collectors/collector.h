#pragma once
/* A way to obtain events from targets.  Implementations: bpf/, signal/, remote/; agent/collector_choice.h says which is taken.
 * A collector knows nothing of stores, reports or terminals; it hands raw events to `emit` in roughly the order
 * they happened and keeps its own cost and losses countable.
 *
 * Owns: the collector owns its kernel objects; all of them are tied to file descriptors of this process.
 * Context: usable from any thread before start, every other call from one thread (the capture loop); emit is called from inside poll.
 * Errors: start/add fill struct fail; poll returns 0 or negative errno. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/util/fail.h"

struct ev_hdr;
struct target;

/* What is to be recorded, before anything of it is opened. */
struct collector_request {
	bool start; /* a command that we start; else processes that run already */
	const pid_t *pids; /* those; none with `start` */
	unsigned n_pids;
	uint32_t sample_hz;
	bool threads_only, follow_children, native;
	bool inject; /* those that run may be asked to load something of ours */
};

struct collector_options {
	uint32_t sample_hz; /* 0: no on-CPU samples */
	uint32_t look_hz; /* of a collector that samples: looks a second, at most; 0: its default */
	double cpu_limit; /* … of one CPU, on all of gilscope; 0: its default */
	bool follow_children; /* a child process of a target is a target from its first moment */
	bool threads_only; /* no Python knowledge: thread states and locks by address */
	bool native; /* C stacks are copied, to be unwound: ev_native.  Collectors that cannot leave it */
	void (*emit)(void *ctx, const struct ev_hdr *event);
	void (*note)(void *ctx, const char *text); /* a sentence for the recording: what could not be seen, and why */
	void *ctx;
	void *prepared; /* by prepare; NULL without a command */
};

struct collector_cost {
	uint64_t bpf_run_ns, bpf_runs; /* 0 where unknown */
	uint64_t stacks_sent, events;
	uint64_t native_skipped; /* C stacks that were not copied, to keep the cost down */
	uint64_t cpu_ns; /* of processes of its own that still run */
};

struct collector_ops {
	const char *name; /* as in --collector and in recordings */
	bool estimates; /* it samples: every duration is an estimate, its events carry EV_F_INFERRED */
	bool copies_stacks; /* collector_options.native means something to it */
	/* Can it be used on this machine, with these rights, for this request?  0, or -errno and *why, with a hint.  Costs little,
	 * leaves nothing behind.  That a target cannot be attached to at all is not its business: target_open says that. */
	int (*usable)(const struct collector_request *request, struct fail *why);
	/* Only where what is started must find something of ours (all three NULL elsewhere): before the command is forked, as which user
	 * it will run (NULL: as we do), our environment is made its; after the fork it is ours again; when the command has ended what was
	 * prepared is taken away. */
	int (*prepare)(void **ret_prepared, const uid_t *owner, const gid_t *group, struct fail *why);
	void (*forked)(void *prepared);
	void (*unprepare)(void *prepared);
	int (*start)(void **ret_self, const struct collector_options *options, struct fail *why);
	/* Also again after target_refresh, and for a child that is followed; once armed any thread may call it, and it answers
	 * -ESRCH for a process that has ended.  A target that has replaced its program meanwhile is taken as no Python. */
	int (*add_target)(void *self, struct target *target, struct fail *why);
	int (*arm)(void *self, struct fail *why); /* from here on events are emitted: what is so already, then what happens */
	int (*poll)(void *self, int timeout_ms); /* drains what is there; adapts the detail level */
	uint64_t (*settled_ns)(void *self); /* nothing that happened before comes any more; NULL: before the last poll */
	int (*stop)(void *self); /* no new events; emits what is unfinished; poll once more to drain */
	void (*cost)(void *self, struct collector_cost *ret);
	void (*free)(void *self);
};

/* Declared whether or not this build has them: agent/collector_choice.c names those that are there. */
extern const struct collector_ops collector_bpf, collector_signal, collector_remote;
