#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "c81c6a30b53eee2753cdbc022cce5b8c6854f5da1886a5d6ff1f91b245e8b582"
#define BUNDLE_OWN_BYTES 207874
#define BUNDLE_JS_HASH "sha256-/9KS7qDuPHye6rjW/f6vrY98oavktGnEzw0ggMxGvqs="
#define BUNDLE_CSS_HASH "sha256-AmWWdsVLTRkYamZWWLES1Y/zqvL8/GvrKhs1j8+fG3s="
