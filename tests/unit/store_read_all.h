#pragma once
/* Reads everything a recording has through every function of reader.h and checks what reader.h promises of each value.
 * For damaged and hostile files: any result is fine, a broken promise or a crash is not.  Shared by the unit test and
 * the fuzzer.
 * Owns: nothing.  Context: any.  Errors: returns how many of the queries failed (each must say why); aborts on a broken
 * promise. */
#include "core/store/reader.h"

int read_all(struct reader *r);
