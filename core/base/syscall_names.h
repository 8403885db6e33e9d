#pragma once
/* Names of system calls (x86-64), for "blocked in read".
 * Owns: nothing.  Context: any.  Errors: NULL for a number without a name. */
const char *syscall_name(int nr);
/* The call is a plain sleep: nothing is waited for but time. */
int syscall_is_sleep(int nr);
