#pragma once
/* Times as people type them: 5, 5s, 2.5s, 200ms, 50us, 800ns, 1m, 2h.  A bare number is seconds.
 * Owns: nothing.  Context: any.  Errors: -EINVAL not a duration, -ERANGE beyond 10 years; *ret_ns untouched then. */
#include <stdint.h>

int duration_parse(const char *text, uint64_t *ret_ns);
