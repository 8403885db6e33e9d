#pragma once
/* Small files of /proc and /sys, whole.
 * Owns: nothing.  Context: any; blocks as long as the file system does.  Errors: -errno. */
#include <stddef.h>
#include <sys/types.h>

/* Up to size-1 bytes, terminated; returns how many. */
ssize_t file_read(const char *path, char *ret, size_t size);
/* Its first line without the newline. */
ssize_t file_read_line(const char *path, char *ret, size_t size);
