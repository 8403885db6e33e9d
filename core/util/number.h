#pragma once
/* Whole numbers as people type them: decimal digits only, no sign, no space, nothing after.
 * Owns: nothing.  Context: any.  Errors: -EINVAL not a number, -ERANGE outside min..max; *ret untouched then. */
#include <stdint.h>

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
