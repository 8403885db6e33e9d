/* See bundle.h.  The assembler takes the files in, so that no tool besides the compiler is needed; their dependency is
 * named in scripts/rules.mk. */
#include "viewer/html/bundle.h"

#include "viewer/html/built/bundle.h"

#define EMBED(name, file) \
	__asm__(".pushsection .rodata\n" \
		".global " #name ", " #name "_end\n" \
		".hidden " #name ", " #name "_end\n" \
		#name ":\n.incbin \"" file "\"\n" \
		#name "_end:\n.byte 0\n.popsection\n"); \
	extern const char name[], name##_end[]

EMBED(bundle_page_js, "viewer/html/built/page.js");
EMBED(bundle_page_css, "viewer/html/built/page.css");

struct bundle_part bundle_script(void)
{
	return (struct bundle_part){ bundle_page_js, (size_t)(bundle_page_js_end - bundle_page_js), BUNDLE_JS_HASH };
}

struct bundle_part bundle_style(void)
{
	return (struct bundle_part){ bundle_page_css, (size_t)(bundle_page_css_end - bundle_page_css), BUNDLE_CSS_HASH };
}
