#pragma once
/* What a running recording shows: one line rewritten in place on a terminal, one line every ten seconds elsewhere.
 * Owns: nothing.  Context: main thread (session's progress callback).  Errors: none. */
#include <stdbool.h>

#include "agent/session.h"

struct progress {
	bool live; /* a terminal that can rewrite a line */
	bool drawn; /* a live line stands there now */
	uint64_t shown_ns; /* elapsed at the last line, not live */
	struct session_progress before; /* a second or so ago, for rates */
	double handoffs_per_s;
};

void progress_init(struct progress *p);
void progress_update(void *p, const struct session_progress *now);
void progress_end(struct progress *p); /* clears the live line */
