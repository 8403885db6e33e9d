#pragma once
/* The processes a user named: -p 12 -p 13,14.  Each once, in the order given.
 * Owns: nothing, fixed size.  Context: main thread.  Errors: a FAIL_USAGE failure and EINVAL, as argp
 * parsers return it. */
#include <sys/types.h>

#include "core/util/fail.h"

enum { PID_LIST_MAX = 64 };

struct pid_list {
	pid_t pids[PID_LIST_MAX];
	unsigned n;
};

int pid_list_add(struct pid_list *list, const char *text, struct fail *why);
