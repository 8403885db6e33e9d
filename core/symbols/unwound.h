#pragma once
/* The native frames of one copied C stack, as unwind.h finds them.  One flat block: it is handed over in memory shared with the disposable
 * process that unwinds, and what reads it trusts nothing in it (unwound_text).
 * Owns: nothing.  Context: any.  Errors: none. */
#include <linux/types.h>
#include <stdint.h>

#define UNWOUND_MAX 256
#define UNWOUND_TEXT 32768

enum native_kind {
	NATIVE_OTHER, /* the program's own, an extension, a library */
	NATIVE_LIBC, /* the C library, the loader, what the kernel maps */
	NATIVE_INTERPRETER, /* the file with the evaluation loop in it … */
	NATIVE_EVAL, /* … and that function itself */
};

struct unwound_frame {
	uint64_t pc; /* in the process: of the instruction, or of the call in a caller */
	uint64_t sp; /* stack pointer there */
	uint32_t function, file; /* into text */
	uint32_t check; /* of the file and where it is mapped: tells frames of the same pc apart */
	uint32_t kind; /* enum native_kind */
};

struct unwound {
	uint32_t n, n_text;
	struct unwound_frame frames[UNWOUND_MAX]; /* leaf first */
	char text[UNWOUND_TEXT]; /* strings, each with its NUL; the first is "?" */
};

/* Never out of bounds, always terminated. */
const char *unwound_text(const struct unwound *u, uint32_t at);
