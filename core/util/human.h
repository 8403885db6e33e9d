#pragma once
/* Numbers for people: three significant digits and a unit, the same everywhere (terminal, verdict, progress line).
 * Each function writes into the caller's buffer and returns it:  char b[HUMAN_LEN]; puts(human_ns(b, 5230000)); → 5.23 ms
 * Owns: nothing.  Context: any.  Errors: none. */
#include <stdint.h>

enum { HUMAN_LEN = 24 };

char *human_ns(char ret[HUMAN_LEN], uint64_t ns); /* 0 ns, 870 ns, 12.3 us, 5.23 ms, 1.50 s, 12m 05s, 3h 02m */
char *human_bytes(char ret[HUMAN_LEN], uint64_t bytes); /* 0 B, 12.3 KiB, 4.00 MiB */
char *human_count(char ret[HUMAN_LEN], uint64_t n); /* 12,345,678 */
char *human_rate(char ret[HUMAN_LEN], double per_second); /* 0/s, 3.2/s, 5,120/s */
char *human_pct(char ret[HUMAN_LEN], double part, double whole); /* 0 %, <0.1 %, 3.4 %, 62 %; "-" of nothing */
