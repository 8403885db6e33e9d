#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "37738409917e2537eea6b875f2240a22d34fea71177b1735b51fd976aa33dc35"
#define BUNDLE_OWN_BYTES 211210
#define BUNDLE_JS_HASH "sha256-hXth4xX0OSKSTwqSYOkNXUyxyxpDqy39y9ZeJdrdj7c="
#define BUNDLE_CSS_HASH "sha256-i0lMRG9BQTe4hoc9rHF+e+Kl1CAEfbyCDf9NIqGX4X4="
