#pragma once
/* The page's script and style, as build.mjs bundled them (built/), embedded in the program.
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include <stddef.h>

struct bundle_part {
	const char *text;
	size_t n;
	const char *hash; /* for the content security policy: sha256-… */
};

struct bundle_part bundle_script(void);
struct bundle_part bundle_style(void);
