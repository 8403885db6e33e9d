/* See bundle.h. */
#include "viewer/html/bundle.h"

#include "viewer/html/built/bundle.h"

EMBED(bundle_page_js, "viewer/html/built/page.js");
EMBED(bundle_page_css, "viewer/html/built/page.css");

struct embedded bundle_script(void)
{
	return EMBEDDED(bundle_page_js, BUNDLE_JS_HASH);
}

struct embedded bundle_style(void)
{
	return EMBEDDED(bundle_page_css, BUNDLE_CSS_HASH);
}
