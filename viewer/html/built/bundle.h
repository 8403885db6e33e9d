#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "8cf2a259ce633ac326fad65abc6f003538868d045ef3bd98e5a3540a632b724b"
#define BUNDLE_OWN_BYTES 204382
#define BUNDLE_JS_HASH "sha256-HsHCgxSo8Uwys0SMKVxx1fw9f7xYIcm7hoyY4AlE0xg="
#define BUNDLE_CSS_HASH "sha256-i0lMRG9BQTe4hoc9rHF+e+Kl1CAEfbyCDf9NIqGX4X4="
