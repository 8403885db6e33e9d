#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "d46c11385a3b4c95e91d863d4e91dd8b37aef3aaa1326e3484ba01871e749837"
#define BUNDLE_OWN_BYTES 235369
#define BUNDLE_JS_HASH "sha256-s+RKbFCr7f06wsM/ps3bDSyIn42woJB8tDInFnlP5J0="
#define BUNDLE_CSS_HASH "sha256-KLdvlVZFHgQ+r9U7Y+Xf3uSH6wy03/czu7nWeEYuVBg="
