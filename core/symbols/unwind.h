#pragma once
/* Unwinds copied C stacks of one process by the call frame information of the files mapped into it (elfutils' libdwfl), and names what it
 * finds by their symbol tables and those of their separate debug files.  Where a file has none, frame pointers are followed, as far as they lead.
 * The files are the target's and so is the copy: libdwfl reads both, and nobody promises that it survives every one.  So this runs in a
 * disposable process (unwind_child.h), never in one that matters.  Nothing is read from the target but /proc/PID/maps.
 * Owns: unwind_new returns an owned object.  Context: one thread.
 * Errors: -errno from opening; unwind_run -ENOENT when not a single frame could be told. */
#include <sys/types.h>

#include "core/event/event.h"
#include "core/symbols/unwound.h"

struct unwind;

int unwind_new(struct unwind **ret, pid_t pid);
void unwind_free(struct unwind *u);
int unwind_run(struct unwind *u, const struct ev_native *copy, struct unwound *ret);
