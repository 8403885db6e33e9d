#pragma once
/* A sink that keeps all rows of a timeline, checks what must hold for any input, and prints them for comparison.
 * Used by replay (golden cases), the unit test and the fuzzer.
 * Owns: its rows.  Context: one thread.  Errors: check_verify returns how many rules were broken and names them. */
#include <stdio.h>

#include "core/timeline/timeline.h"

struct timeline_check;
struct timeline_check *check_new(void);
void check_free(struct timeline_check *c);
const struct timeline_sink *check_sink(struct timeline_check *c);
size_t check_verify(struct timeline_check *c, FILE *complaints);
void check_print(struct timeline_check *c, FILE *out, const struct timeline_oddities *odd);
