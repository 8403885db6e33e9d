/* See syscall_names.h. */
#include "core/base/syscall_names.h"

#include <stddef.h>

enum { X86_64_NANOSLEEP = 35, X86_64_CLOCK_NANOSLEEP = 230 };

static const char *const names[] = {
#include "core/base/syscall_names_x86_64.inc"
};

const char *syscall_name(int nr)
{
	return nr >= 0 && (size_t)nr < sizeof(names) / sizeof(names[0]) ? names[nr] : NULL;
}

int syscall_is_sleep(int nr)
{
	return nr == X86_64_NANOSLEEP || nr == X86_64_CLOCK_NANOSLEEP;
}
