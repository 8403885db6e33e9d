#pragma once
/* The door at which preloaded libraries ask for shared memory: a thread that accepts them at once, for a program waits there before its
 * first instruction, and that renews the leases, so that a busy capture does not end them.
 * The kernel says who knocks (SO_PEERCRED); what the visitor says of itself is only who its parent was.
 *
 * Owns: its thread; processes until they are taken.  Context: any thread of ours.  Errors: -errno. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collectors/signal/process.h"

struct signal_door_options {
	int listener; /* borrowed */
	uid_t owner; /* whose processes may come in, besides ours */
	uint32_t sample_hz;
	bool follow; /* children too */
};

typedef vec(struct signal_process *) signal_process_vec;
struct signal_door;

int signal_door_open(struct signal_door **ret, const struct signal_door_options *options);
void signal_door_expect(struct signal_door *d, pid_t pid); /* it may come in, whether children are followed or not */
int signal_door_wake_fd(const struct signal_door *d); /* readable: somebody has come in */
/* The processes inside: the caller's thread alone adds to it and removes, by these two. */
signal_process_vec *signal_door_processes(struct signal_door *d);
bool signal_door_take(struct signal_door *d, struct signal_process **ret); /* the next newcomer, now in processes as the last one */
void signal_door_remove(struct signal_door *d, size_t i); /* frees it */
/* For any thread: tells the newest process of that number what is known of it.  False: there is none. */
bool signal_door_publish(struct signal_door *d, pid_t pid, const struct shared_config *config);
/* The newest process of that number, NULL none; for the thread that removes. */
const struct signal_process *signal_door_find(struct signal_door *d, pid_t pid);
void signal_door_close(struct signal_door *d); /* all processes too */
