#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "8fd65f1bc81f8ea2d73813392f6a1f7580b147d04e64f4a13f5651ff643d7856"
#define BUNDLE_OWN_BYTES 237312
#define BUNDLE_JS_HASH "sha256-KpkBfsu8xPbjwpmFLg+ipqxb/IuapC2CL3igLOZGCR0="
#define BUNDLE_CSS_HASH "sha256-KeSDKsgq0cn9l7Dv3AaS2qq5VqmbJOdRMuS0O3hdH2s="
