#pragma once
/* Takes a snapshot of a target for `gilscope dump`: reads, and reads again where something moved meanwhile.
 * Owns: dump_take hands over *ret, dump_free ends it.  Context: main thread.  Errors: struct fail. */
#include <stdbool.h>

#include "core/util/fail.h"
#include "viewer/dump_snapshot.h"

struct target;
struct dump;

int dump_take(struct dump **ret, struct target *t, bool native, struct fail *why); /* native: C functions of sleeping threads too */
const struct dump_snapshot *dump_snapshot(const struct dump *d);
void dump_free(struct dump *d);
