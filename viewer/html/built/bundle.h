#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "1951db5f2c90cc0ddeaab56539f1fe1cbebeaafc3c08d25f76be866523abbff2"
#define BUNDLE_OWN_BYTES 209374
#define BUNDLE_JS_HASH "sha256-FRV8FteXsWOvYpJw4qrrO030JvrdXdtrBxpnaTv51ug="
#define BUNDLE_CSS_HASH "sha256-AmWWdsVLTRkYamZWWLES1Y/zqvL8/GvrKhs1j8+fG3s="
