#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "4d55b77b0c05fc63e1609bcd39b1fb30fb702272f5992f1fe7d337739bfdad38"
#define BUNDLE_OWN_BYTES 235569
#define BUNDLE_JS_HASH "sha256-qobsSWpDpVt9MOdR2Hxpk5vqNIo2B+Mwj4lqclbjyq0="
#define BUNDLE_CSS_HASH "sha256-CJfkBR+uehCUh8IyRdl9elv6ul6J/858XpHC2R4tx8A="
