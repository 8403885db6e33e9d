#pragma once
/* /proc/PID/maps, parsed.  Paths were chosen by strangers: the kernel writes a newline as \012 and appends
 * " (deleted)"; both are undone here.  Lines that do not parse are skipped and counted.
 * Owns: proc_maps_parse takes over `text`; proc_maps_done frees all.  Context: hosted.  Errors: -errno. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proc_map {
	uint64_t start, end, offset, inode;
	uint32_t dev_major, dev_minor;
	bool readable, writable, executable, shared, deleted;
	const char *path; /* "" for anonymous memory */
};

struct proc_maps {
	char *text;
	struct proc_map *items;
	size_t n, skipped;
};

#define PROC_MAPS_MAX_BYTES (64u << 20)

/* text: malloc'ed, n bytes and one more that is writable. */
void proc_maps_parse(struct proc_maps *ret, char *text, size_t n);
int proc_maps_read(struct proc_maps *ret, int proc_fd); /* proc_fd: directory /proc/PID */
void proc_maps_done(struct proc_maps *m);
/* The mapping that holds addr, NULL if none. */
const struct proc_map *proc_maps_find(const struct proc_maps *m, uint64_t addr);
const char *proc_map_basename(const struct proc_map *m);
