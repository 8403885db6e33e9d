#pragma once
/* Which of two conditions a thread waits for that sleeps on a word of its own stack.  musl's condition begins a list of its waiters, the newest
 * first, and each of them is (src/thread/pthread_cond_timedwait.c, 1.2.3 and 1.2.6)
 *     struct waiter { prev (a newer one), next; int state, barrier; int *notify }     on the waiter's stack; it sleeps on `barrier`
 * so from the waiter it is as many steps to the condition as others began to wait since: a moment ago, mostly none.  Who signals it
 * takes it off the list before waking it.  Freestanding, as frame_walk.h, with whose WALK_READ it is compiled.
 *
 * Owns: nothing.  Context: any, BPF included; the thread sleeps.  Untrusted: every pointer and value.  Bounded: COND_STEPS and two reads. */
#include <linux/types.h>

#define COND_STEPS 32
#define COND_WITHIN 4096 /* bytes from the stack pointer to the word */

struct cond_waiter {
	__u64 prev, next;
	__u32 state, barrier; /* WAITING 0, SIGNALED 1, LEAVING 2 */
};
#define COND_WORD 20 /* of barrier */
#define COND_SIGNALED 1

enum cond_found {
	COND_NONE, /* of these */
	COND_FIRST,
	COND_SECOND,
	COND_WOKEN, /* of which cannot be told any more: it has just been signalled */
};

/* Can it be such a word?  It costs nothing to ask. */
static inline int cond_may_list(__u64 word, __u64 sp)
{
	return word - sp < COND_WITHIN && (word & 7) == (COND_WORD & 7);
}

#ifdef WALK_READ
/* first, second: addresses of the beginnings of the lists. */
WALK_FN enum cond_found cond_find(__u64 first, __u64 second, __u64 word)
{
	struct cond_waiter w = { 0 };
	__u64 at = word - COND_WORD, heads[2] = { 0 };

	if (WALK_READ(&w, sizeof(w), at))
		return COND_NONE;
	if (w.state == COND_SIGNALED)
		return COND_WOKEN;
	if (WALK_READ(&heads[0], sizeof(heads[0]), first) || WALK_READ(&heads[1], sizeof(heads[1]), second))
		return COND_NONE;
	for (int i = 0; i < COND_STEPS; i++) {
		if (at == heads[0])
			return COND_FIRST;
		if (at == heads[1])
			return COND_SECOND;
		at = w.prev;
		if (!at || WALK_READ(&w.prev, sizeof(w.prev), at))
			return COND_NONE;
	}
	return COND_NONE;
}
#endif
