#pragma once
/* The file a report is written to: under a temporary name beside it, renamed when it is whole, so that nobody ever sees
 * half of one.  Never through a symbolic link, never over a recording, a device or another's file; 0600, and under sudo
 * owned by the user who called sudo.  "-" is standard output.
 *
 * Owns: output_file_finish or output_file_drop frees and closes.  Context: main thread.
 * Errors: struct fail (FAIL_OTHER, FAIL_USAGE for a place that cannot be meant); nothing is left behind on failure. */
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "core/util/fail.h"

struct output_file {
	FILE *out;
	char *path, *temporary; /* NULL for standard output */
	char *shown; /* path, escaped, for messages */
	int dir;
};

int output_file_open(struct output_file *ret, const char *path, struct fail *why);
int output_file_finish(struct output_file *f, struct fail *why);
void output_file_drop(struct output_file *f);

/* Who called sudo; false when nobody did. */
bool invoking_user(uid_t *ret_uid, gid_t *ret_gid);
