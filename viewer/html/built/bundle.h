#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "805759d1bc9ed9fde94699245768ed3d3cf20cc1d372d0413ff9f4bf48faf3e2"
#define BUNDLE_OWN_BYTES 212291
#define BUNDLE_JS_HASH "sha256-OXc2VhfQRHBem728e6warO1Zn79XQDg0pRXdtuSLnL0="
#define BUNDLE_CSS_HASH "sha256-fKJJWop4+Z8Vo3r3zuMVuhCc2HjuNskSNUKo76Tg1NM="
