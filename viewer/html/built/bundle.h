#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "4f6be2cd11fbffcb87a70dde3a0170d2411e459546f5e609db1ef5c3932b3e2c"
#define BUNDLE_OWN_BYTES 204363
#define BUNDLE_JS_HASH "sha256-HsHCgxSo8Uwys0SMKVxx1fw9f7xYIcm7hoyY4AlE0xg="
#define BUNDLE_CSS_HASH "sha256-7nv351hakPCZJYxaIlpg+Mt7yER/OxA2L7rZTmxArjk="
