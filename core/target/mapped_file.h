#pragma once
/* Files that a process has mapped, and the separate debug files of such files, opened inside the process's root whatever lies there.
 * Owns: the descriptor returned is the caller's.  Context: hosted.  Errors: -errno; -ESTALE another file lies in its place.
 * Untrusted: the root and all that is in it. */
#include <stddef.h>
#include <stdint.h>

#include "core/target/proc_maps.h"

/* A mapped file, proven by its inode to be that file: regular, read-only. */
int open_mapped_file(int proc_fd, const struct proc_map *map);
/* The file of that build id below /usr/lib/debug, of the process's root or else of ours: regular, read-only.  What is in it is to be
 * compared with the build id by the caller. */
int open_debug_file(int proc_fd, const uint8_t *build_id, size_t n);
/* The one that the mapped file's .gnu_debuglink names, of that checksum: beside the file, in .debug there, or below /usr/lib/debug; of the
 * process's root or else of ours: regular, read-only, of 512 MiB at most. */
int open_linked_debug_file(int proc_fd, const char *file, const char *link, uint32_t crc);
