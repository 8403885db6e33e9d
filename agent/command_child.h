#pragma once
/* The command that `gilscope record -- COMMAND` runs: started as the user who called sudo, held until it is watched, then let go;
 * our signals are passed on to it, and its end is waited for.
 * Owns: the child, from start to wait; pipes.  Context: main thread, one at a time (the signal handlers know it).
 * Errors: struct fail; command_child_start tells by *ret_code what a shell would (126 cannot be run, 127 not found). */
#include <sys/types.h>

#include "core/util/fail.h"

enum { COMMAND_EXIT_OURS = 125, COMMAND_EXIT_CANNOT_RUN = 126, COMMAND_EXIT_NOT_FOUND = 127 };

struct command_child {
	pid_t pid;
	int go, told; /* pipes: writing lets it go; what it says when it cannot */
};

int command_child_start(struct command_child *ret, char **argv, int *ret_code, struct fail *why);
void command_child_release(void *child);
/* Its exit status as a shell has it (128 + signal).  One that was never released ends without having run.
 * *why is set, and the code is 126 or 127, when it could not be run after all. */
int command_child_wait(struct command_child *child, char **argv, struct fail *why);
