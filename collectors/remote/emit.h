#pragma once
/* Events of the sampling child into the shared ring.
 * Owns: nothing.  Context: the child.  Errors: what does not fit is counted as lost. */
#include "collectors/remote/shared.h"

struct target;

void emit(struct remote_shared *s, const struct ev_hdr *event);
void emit_note(struct remote_shared *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads a thread's Python stack, sends it unless it was sent before; returns its key, 0 none. */
uint64_t emit_stack(struct remote_shared *s, struct target *target, struct track *t);
