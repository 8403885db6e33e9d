#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "85e9a6810d85441560a8bb1d545bcf99b69fc4f997a8d654062788d68ff0ad84"
#define BUNDLE_OWN_BYTES 237438
#define BUNDLE_JS_HASH "sha256-SXdSycT830tQj5ohJkZAvNQFdXS9tdx0DK9Qkf8CqEc="
#define BUNDLE_CSS_HASH "sha256-fKJJWop4+Z8Vo3r3zuMVuhCc2HjuNskSNUKo76Tg1NM="
