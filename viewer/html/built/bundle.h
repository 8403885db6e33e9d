#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "1a94a6c9cbb21f0f905b6f9a849ea1886ec1b6c9ece4bc2ddf5dfadba1450449"
#define BUNDLE_OWN_BYTES 235619
#define BUNDLE_JS_HASH "sha256-4AsueB9wqvz9cSsDnBFdkaG9wx2f31HBSfPjgYRtDJ0="
#define BUNDLE_CSS_HASH "sha256-CJfkBR+uehCUh8IyRdl9elv6ul6J/858XpHC2R4tx8A="
