#pragma once
/* The thread between capture and writer, with --native: copies of C stacks become stacks with Python and native frames.
 * It has so much of the time and no more: what it cannot do in that is lost and counted, and its events go on with their Python stack alone.
 * Owns: its state.  Context: session_native_main is a thread's main function; the rest the session's.  Errors: what cannot be unwound
 * is counted in the recording (EV_LOSS_UNWIND). */
#include <stdint.h>

struct session;
struct session_native;

struct session_native *session_native_new(void); /* NULL: no memory */
void session_native_free(struct session_native *n);
void *session_native_main(void *session);
uint64_t session_native_cpu_ns(const struct session_native *n); /* of the process that unwinds; any thread */
void session_native_summary(struct session *s, uint64_t skipped); /* at the end: a note */
