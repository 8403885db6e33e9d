#pragma once
/* Is a thread that runs, as far as /proc tells, inside take_gil?  It may have been woken there and have no CPU yet, or be on its way to the
 * lock's mutex; neither the kernel nor the lock tells which threads those are.  Its stack does: take_gil's frame stands still while it
 * calls, so each of its calls leaves its return address in the same word, until the next call of take_gil (the last is
 * pthread_mutex_unlock) replaces it.  A thread whose word is as it was when it slept for the lock is inside the same call.
 *
 * Which word that is, is learned.  In a thread asleep on the GIL: the words above its stack pointer that are addresses in the code of the
 * interpreter or the C library, and the same each time it sleeps at that depth.  So the C library's own calls are among them: who only
 * passes the lock's mutex, as a thread does a million times a second, makes none of those.  Some are left over from earlier
 * calls and harmless, since all must be equal.  That they are not equal elsewhere is tried before they are believed.
 *
 * Owns: nothing; plain memory, may be shared.  Context: the sampling child.  Errors: what cannot be read or is not known tells nothing.
 * Untrusted: every word; they are only compared. */
#include <stdbool.h>
#include <stdint.h>

struct mem;
struct target;

enum { INSIDE_PLACES = 10, INSIDE_WORDS = 12, INSIDE_WINDOW = 64 };

struct inside_place { /* a depth at which it slept on the GIL */
	uint64_t sp; /* 0: free */
	uint64_t value[INSIDE_WORDS];
	uint8_t at[INSIDE_WORDS]; /* words from sp */
	uint8_t n, slept, elsewhere, equal; /* times; equal: of those elsewhere, when all was the same */
	uint8_t sights; /* asleep there, learned from or not; it may wrap */
	bool same; /* when it was last compared */
	uint32_t used; /* clock of the last sight */
};

struct inside { /* of one thread; zeroed to begin with */
	struct inside_place places[INSIDE_PLACES];
	uint32_t clock;
};

typedef bool (*inside_is_code)(const struct target *t, uint64_t addr);
struct inside_window { /* what lies above its stack pointer */
	uint64_t words[INSIDE_WINDOW];
};

enum inside_answer { INSIDE_UNKNOWN, INSIDE_NO, INSIDE_YES };

bool inside_read(const struct mem *m, uint64_t sp, struct inside_window *ret);
/* Asleep on the GIL with that stack pointer: is its stack of use, and then: what it was, if it is certain that it still slept. */
bool inside_wants_sleep(struct inside *in, uint64_t sp);
void inside_learn(struct inside *in, uint64_t sp, const struct inside_window *w, inside_is_code is_code, const struct target *t);
/* Elsewhere, asleep in another call or holding the GIL. */
bool inside_wants_contrast(const struct inside *in);
void inside_compare(struct inside *in, const struct mem *m);
void inside_contrast(struct inside *in); /* what was compared counts: it was elsewhere all the time */
enum inside_answer inside_look(struct inside *in, const struct mem *m);
bool inside_knows(struct inside *in, uint64_t sp); /* would it have said so of a thread that sleeps there? */
