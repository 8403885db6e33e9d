#pragma once
/* The page's script and style, embedded in the program; the hashes are made when it is built (scripts/rules.mk).
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include <stddef.h>

struct diff_asset {
	const char *text;
	size_t n;
	const char *hash; /* for the content security policy: sha256-… */
};
struct diff_asset diff_script(void);
struct diff_asset diff_style(void);
