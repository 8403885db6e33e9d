#pragma once
/* What went wrong, for the person who must act: "could not <do>: <reason>" and a hint that is a full sentence.
 * Functions whose failure a user must act on (attach, load, open) fill one; agent/ prints it and picks the exit code.
 * Owns: nothing, caller-allocated.  Context: any hosted thread.  Errors: fail_set returns the err it was given,
 * so that logging and returning are one expression:  return fail_set(why, -EPERM, "could not attach to pid %d", pid); */
#include <stdbool.h>

enum fail_kind { /* picks the exit code; the table is in README.md */
	FAIL_OTHER = 0,
	FAIL_USAGE, /* 2 */
	FAIL_ATTACH, /* 3: the target */
	FAIL_DATA, /* 4: a recording that cannot be read or written */
	FAIL_MACHINE, /* 77: this kernel or these privileges */
};

struct fail {
	int err; /* negative errno, 0 = no failure */
	enum fail_kind kind;
	char what[512]; /* without "gilscope: " and without newline; bytes from a target already escaped */
	char hint[768]; /* one or more full sentences, may be empty */
};

int fail_set(struct fail *why, int err, enum fail_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds a hint to a failure already set; returns why->err. */
int fail_hint(struct fail *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
