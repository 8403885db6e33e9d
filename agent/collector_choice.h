#pragma once
/* Which collector records: one table, the best first, with what each needs and sees; used by record, check and doctor alike, so
 * that doctor foretells what record will do.
 * Owns: the table is static, a choice holds its own text.  Context: main thread, before a session.
 * Errors: struct fail; FAIL_USAGE for a name that is none. */
#include "collectors/collector.h"

#define COLLECTOR_AUTO "auto"

struct collector_offer {
	const char *name;
	const struct collector_ops *ops; /* NULL: not in this build */
	const char *needs, *sees; /* a few words each */
	bool start_only; /* it can only record what it starts … */
	bool injects; /* … but for a running process that may be asked to load something of ours */
};

extern const struct collector_offer collector_offers[]; /* the best first; ends with a NULL name */

struct collector_choice {
	const struct collector_ops *ops;
	char said[1024]; /* one line: which one and why no better one */
};

/* Can this one be used here for this request?  0, or -errno and why not. */
int collector_offer_usable(const struct collector_offer *offer, const struct collector_request *request, struct fail *why);
/* Is it a name that --collector takes? */
bool collector_name_known(const char *name);
/* name: NULL or "auto" for the best that can be used here. */
int collector_choose(struct collector_choice *ret, const char *name, const struct collector_request *request, struct fail *why);
