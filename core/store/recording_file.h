#pragma once
/* The file of a new recording, created so that nobody can lead us elsewhere: never through a symlink, never into a
 * FIFO, a device or another's file, 0600, and under sudo owned by the user who called sudo.  Only the file: what is
 * in it is store.c's.
 *
 * Owns: recording_file_done frees the path.  Context: any hosted thread.
 * Errors: struct fail (FAIL_DATA), nothing is left behind on failure. */
#include <stdbool.h>
#include <sys/types.h>

#include "core/util/fail.h"

struct recording_file {
	char *path; /* real path, no symlink in it */
	uid_t uid; /* expected owner */
	gid_t gid;
	dev_t dev;
	ino_t ino;
	bool network; /* on a network file system: no shared memory for the WAL index */
};

int recording_file_create(struct recording_file *ret, const char *path, bool overwrite, struct fail *why);
/* The file is still the one we made, and SQLite's -wal and -shm beside it are ours too. */
int recording_file_verify(const struct recording_file *f, struct fail *why);
/* Removes what was created (a start that failed). */
void recording_file_remove(const struct recording_file *f);
void recording_file_done(struct recording_file *f);
