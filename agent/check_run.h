#pragma once
/* One run of a command under this program's own `record`, as a process: sh -c COMMAND, its output into a log file, its input empty.
 * The run is a process group of its own; a signal that asks us to stop is passed on to it, and the run is then waited for, and
 * ended by force when it does not end.
 *
 * Owns: nothing.  Context: main thread.  Errors: struct fail when the run could not be started. */
#include <stdbool.h>

#include "core/util/fail.h"

struct check_run_options {
	const char *recorder; /* program to run, "/proc/self/exe" unless tests name another */
	const char *command, *recording, *log, *marks;
};
enum { RUN_STOPPED = 1 };
/* 0: it ran and *ret_status is its exit status (128 + signal when killed); RUN_STOPPED: a signal asked to end. */
int check_run(const struct check_run_options *o, int *ret_status, struct fail *why);
/* May this machine record at all, as `gilscope doctor` sees it? */
bool check_machine_can_record(const char *recorder);
