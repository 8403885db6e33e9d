#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "e899481c252a71b8cf11a2a0834d73076e680f109b206fff730b5c5fc2c1186c"
#define BUNDLE_OWN_BYTES 237372
#define BUNDLE_JS_HASH "sha256-SXdSycT830tQj5ohJkZAvNQFdXS9tdx0DK9Qkf8CqEc="
#define BUNDLE_CSS_HASH "sha256-KeSDKsgq0cn9l7Dv3AaS2qq5VqmbJOdRMuS0O3hdH2s="
