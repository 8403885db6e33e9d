#pragma once
/* What is known of a C library: where a thread keeps its number and its thread-specific data, and where it sleeps that waits for a condition.
 * Which one a process has is told by its effect, on a living thread; so in a static program as well.
 * Owns: rows are static.  Context: any.  Errors: none. */
#include <stddef.h>
#include <stdint.h>

struct libc {
	const char *name;
	/* struct pthread, from the pthread id, which is the thread pointer too */
	uint16_t tid; /* the kernel's number of the thread, as its own pid namespace counts */
	/* value of a pthread key: there, or from where the pointer at that offset leads */
	uint16_t tss_pointer; /* 0: there */
	uint16_t tss_first, tss_step, tss_keys; /* so many keys are kept so */
	/* pthread_cond_t: offset of the list of its waiters, who sleep each on a word of its own stack (cond_list.h); 0: they sleep in it */
	uint8_t cond_list;
};

extern const struct libc libcs[];
extern const size_t n_libcs;
