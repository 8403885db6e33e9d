/* See assets.h.  The assembler takes the files in, as they are. */
#include "viewer/diff/assets.h"

#include "viewer/diff/hashes.h"

#define EMBED(name, file) \
	__asm__(".pushsection .rodata\n" \
		".global " #name ", " #name "_end\n" \
		".hidden " #name ", " #name "_end\n" \
		#name ":\n.incbin \"" file "\"\n" \
		#name "_end:\n.byte 0\n.popsection\n"); \
	extern const char name[], name##_end[]

EMBED(diff_js, "viewer/diff/diff.js");
EMBED(diff_css, "viewer/diff/diff.css");

struct diff_asset diff_script(void)
{
	return (struct diff_asset){diff_js, (size_t)(diff_js_end - diff_js), DIFF_JS_HASH};
}

struct diff_asset diff_style(void)
{
	return (struct diff_asset){diff_css, (size_t)(diff_css_end - diff_css), DIFF_CSS_HASH};
}
