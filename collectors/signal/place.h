#pragma once
/* Where a command finds the library that is preloaded into it: a private directory with the library, which this program carries in
 * itself, and the door (a socket) at which it asks for shared memory.  Made before the command is started; what the command needs in its
 * environment is put into ours for the moment of the fork.
 *
 * Owns: the directory and all in it; signal_place_free takes them away.  Context: main thread.  Errors: struct fail, FAIL_MACHINE. */
#include <stdbool.h>
#include <sys/types.h>

#include "core/util/fail.h"
#include "core/util/vec.h"

#define PLACE_PREFIX "gilscope-"
#define PLACE_RANDOM 6 /* characters behind it, by mkdtemp */

struct signal_place {
	char dir[80], library[128], door[108];
	int listener;
	uid_t owner; /* who runs the command */
	char *preload_before; /* LD_PRELOAD as it was, NULL none */
	vec(int) left; /* pidfds of processes that had the library when the recording ended: while one lives it stays where they find it */
};

/* owner, group: of the command, when that is not us.  library: its name there. */
int signal_place_new(struct signal_place **ret, const char *library, const uid_t *owner, const gid_t *group, struct fail *why);
void signal_place_enter(struct signal_place *p); /* from here on what is started finds it … */
void signal_place_leave(struct signal_place *p); /* … until here */
void signal_place_free(struct signal_place *p);
