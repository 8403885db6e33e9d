#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "268f754edf4df08ffe8561ec048aed34b7d2989dadf4b6dcb98e1431d149751c"
#define BUNDLE_OWN_BYTES 210066
#define BUNDLE_JS_HASH "sha256-KoZzj+XXpykuhWskNHetyrqeb+P4Hfj8zlMIhyQ/HVk="
#define BUNDLE_CSS_HASH "sha256-ATHqGXr3S+5ytM2EAOoTBmozNtHSK0ajUIMf9zpre04="
