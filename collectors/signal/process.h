#pragma once
/* One process with the preloaded library in it, seen from gilscope: its shared memory, which is drained here, and what /proc tells of its
 * threads now and then.  A target may write anything into that memory at any time: all of it is copied first and checked then.
 *
 * Owns: the mapping and its file, the pidfd, its directory in /proc.  Context: the capture thread, but for signal_process_publish (the collector's
 * mutex is held) and signal_process_renew.  Errors: counted as losses, never fatal. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collectors/signal/preload/shared.h"
#include "core/util/vec.h"

struct signal_item { uint64_t t_ns, at; };

/* Events of all threads of all processes, until they can be given out in the order in which they were complete. */
struct signal_gathered {
	vec(struct signal_item) items;
	vec(uint8_t) bytes;
};

struct signal_thread { /* of a slot */
	uint32_t tid; /* 0: nobody */
	uint64_t lost_seen[EV_LOSS_QUEUE];
	uint64_t left_out_seen;
	struct signal_look { /* what /proc said last */
		uint64_t t_ns, arg0;
		int32_t nr; /* -1 none, or not to be read */
		uint32_t arg1;
		bool asleep;
	} look;
	char comm[EV_COMM_LEN];
};

struct signal_process {
	pid_t pid;
	int pidfd, proc, memfd; /* proc: /proc/PID */
	struct shared *shared;
	uint64_t arrived_ns;
	bool forked; /* it goes on with its parent's program */
	bool injected; /* it ran before the library came */
	int maps; /* … /proc/PID/maps as of then: empty once it runs another program; -1 not needed */
	bool python;
	uint32_t parent;
	uint32_t ready, spare, no_slot_seen; /* rings with memory; so many more than in use */
	struct signal_thread threads[SHARED_SLOTS];
	uint64_t lost[EV_LOSS_QUEUE], left_out; /* since they were last told; records that made no sense are lost ones of another kind */
	uint64_t looked_ns;
	uint32_t told; /* of what has been said about it: enum told in signal.c */
};

/* -errno */
int signal_process_new(struct signal_process **ret, pid_t pid, uint32_t sample_hz, bool follow);
void signal_process_free(struct signal_process *p);
void signal_process_renew(struct signal_process *p, uint64_t now); /* the lease */
void signal_process_publish(struct signal_process *p, const struct shared_config *config);

/* What the rings hold goes into *g; true if one was rather full. */
bool signal_process_drain(struct signal_process *p, struct signal_gathered *g);
void signal_process_losses(struct signal_process *p, uint64_t t0, uint64_t t1, struct signal_gathered *g, uint64_t *ret_left_out);
bool signal_process_ended(const struct signal_process *p);
bool signal_process_replaced(const struct signal_process *p); /* it was injected into, and runs another program now */

/* states.c: what threads do that the library cannot see, at a low rate. */
void signal_states_look(struct signal_process *p, uint64_t now, struct signal_gathered *g);
void signal_states_ran(const struct signal_process *p, const struct signal_thread *t, const struct shared_ran *ran, struct signal_gathered *g);
void signal_states_unfinished(struct signal_process *p, uint64_t now, struct signal_gathered *g);

void signal_gather(struct signal_gathered *g, const struct ev_hdr *e);
