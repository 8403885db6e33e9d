#pragma once
/* A bounded queue of letters between two threads of a recording.  A letter is a heap block that begins with struct letter.
 * Bounded by bytes: a post that does not fit is refused, so a slow reader costs detail (which is counted), never memory.
 *
 * Owns: letters posted and not yet taken; a taken letter is the taker's, free() it.
 * Context: any threads.  Errors: mailbox_post returns false when full or closed (the letter stays the caller's). */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct letter {
	struct letter *next;
	uint32_t kind; /* the users' own enum */
	size_t bytes; /* of the whole block */
};

struct mailbox {
	pthread_mutex_t mutex;
	pthread_cond_t arrived;
	struct letter *first, **last;
	size_t bytes, max_bytes;
	bool closed;
};

void mailbox_init(struct mailbox *m, size_t max_bytes);
void mailbox_done(struct mailbox *m);
bool mailbox_post(struct mailbox *m, struct letter *l);
/* All letters waiting, oldest first, linked by next; waits up to timeout_ns for the first one.  NULL: none came. */
struct letter *mailbox_take(struct mailbox *m, uint64_t timeout_ns);
/* No more letters are accepted; takers no longer wait. */
void mailbox_close(struct mailbox *m);
bool mailbox_closed(struct mailbox *m);
