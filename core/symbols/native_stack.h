#pragma once
/* Python and native frames in one stack, in order.
 * A call of the evaluation loop stands in the C stack as one native frame and runs one or more Python frames: these take its place.  The
 * interpreter's and the C library's own frames are shown below the innermost Python frame only (that is where one waits for the GIL or works
 * for long); between Python frames they would be calling machinery.  Frames of extensions and libraries are shown wherever they are.
 * Pure.  Owns: nothing.  Context: any.  Untrusted: both inputs, whatever they say.  Errors: false: no native frame to show. */
#include <stdbool.h>

#include "core/event/event.h"
#include "core/symbols/unwound.h"

struct native_stack {
	struct ev_stack stack; /* key, frames, flags, inner, pid, tid, size: ready to be stored */
	const struct unwound_frame *native[EV_MAX_FRAMES]; /* of each frame, NULL of a Python one */
	bool partial; /* not every Python frame's place was found: those that are left stand at the outer end */
};

bool native_stack_merge(const struct ev_native *copy, const struct unwound *u, struct native_stack *ret);
