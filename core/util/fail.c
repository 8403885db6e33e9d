/* See fail.h.  A message never exceeds its buffer: what does not fit is cut, which is still a message. */
#include "core/util/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int fail_set(struct fail *why, int err, enum fail_kind kind, const char *fmt, ...)
{
	va_list args;

	if (err == 0) /* a failure without a number would read as success */
		err = -EIO;
	if (!why)
		return err;
	why->err = err;
	why->kind = kind;
	why->hint[0] = '\0';
	va_start(args, fmt);
	vsnprintf(why->what, sizeof(why->what), fmt, args);
	va_end(args);
	return err;
}

int fail_hint(struct fail *why, const char *fmt, ...)
{
	va_list args;

	if (!why)
		return -EIO;
	va_start(args, fmt);
	vsnprintf(why->hint, sizeof(why->hint), fmt, args);
	va_end(args);
	return why->err;
}
