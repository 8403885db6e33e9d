#pragma once
/* A file taken into the program by the assembler, as it is, so that no tool besides the compiler is needed.  Whoever embeds names the file as a
 * dependency of its object in scripts/rules.mk.
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include <stddef.h>

struct embedded {
	const char *text; /* a 0 follows */
	size_t n;
	const char *hash; /* for a content security policy: sha256-…; NULL where none is needed */
};

#define EMBED(name, file) \
	__asm__(".pushsection .rodata\n" \
		".global " #name ", " #name "_end\n" \
		".hidden " #name ", " #name "_end\n" \
		#name ":\n.incbin \"" file "\"\n" \
		#name "_end:\n.byte 0\n.popsection\n"); \
	extern const char name[], name##_end[]
#define EMBEDDED(name, its_hash) ((struct embedded){ .text = name, .n = (size_t)(name##_end - name), .hash = its_hash })
