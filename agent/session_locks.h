#pragma once
/* Names for the locks of a recording: from time to time the resolver looks what the threads of a target wait for at that moment, which Python
 * object it is and what the program calls it, or in which file it lies when processes share it.  A lock that is contended is found soon;
 * one that nobody waits for when it is looked has an address only.
 * Owns: session_locks_free.  Context: the resolver thread.  Errors: none. */
#include <stdint.h>

struct session;
struct session_target;
struct session_locks;

struct session_locks *session_locks_new(void);
void session_locks_free(struct session_locks *x);
struct shared_letter;
/* In which file a word lies that processes may share. */
void session_locks_where(struct session_locks *x, struct session *s, const struct shared_letter *l);
/* Does nothing until it is time again: looking takes no more than a hundredth of it. */
void session_locks_look(struct session_locks *x, struct session *s, struct session_target *t);
