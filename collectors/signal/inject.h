#pragma once
/* Asks a running interpreter to load the library, by its own means: CPython 3.14 and newer run a script whose path another process has
 * written into a thread's state, at the next moment when that thread looks whether anything is asked of it (PEP 768).  The only place in
 * gilscope that writes into a target: the path and a flag, and one bit that makes the thread look.  The main thread is asked, and who has
 * the GIL, later all; the first that comes by loads the library, the others are let off again.
 *
 * Owns: nothing; the script and its answer are files in the place's directory.  Context: any thread of ours; sleeps up to five seconds.
 * Errors: struct fail, FAIL_ATTACH, by name: an older Python, switched off, no permission, another file system, none came by. */
#include <stdbool.h>

#include "core/util/fail.h"

struct signal_place;
struct target;

/* Could it be asked at all?  Reads only. */
int signal_inject_possible(struct target *t, struct fail *why);
/* inside: has the library come, and done what it does at its beginning? */
int signal_inject(struct target *t, const struct signal_place *place, bool (*inside)(void *ctx), void *ctx, struct fail *why);
