#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "cc334f13c9674b4b4673ce7944059bc762c612fa3360c0e525d8b37310133d23"
#define BUNDLE_OWN_BYTES 233433
#define BUNDLE_JS_HASH "sha256-wRioqSgJr1JFZN/nxx5fAszGbUm17mr9/nzglDliiB4="
#define BUNDLE_CSS_HASH "sha256-KLdvlVZFHgQ+r9U7Y+Xf3uSH6wy03/czu7nWeEYuVBg="
