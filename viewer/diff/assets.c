/* See assets.h. */
#include "viewer/diff/assets.h"

#include "viewer/diff/hashes.h"

EMBED(diff_js, "viewer/diff/diff.js");
EMBED(diff_css, "viewer/diff/diff.css");

struct embedded diff_script(void)
{
	return EMBEDDED(diff_js, DIFF_JS_HASH);
}

struct embedded diff_style(void)
{
	return EMBEDDED(diff_css, DIFF_CSS_HASH);
}
