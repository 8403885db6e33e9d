#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "a66d647987f4207370868e35acdac4b0aeca5854fd4be69e0f146d432485168c"
#define BUNDLE_OWN_BYTES 235536
#define BUNDLE_JS_HASH "sha256-4AcPEKHUlqTL0Fx6mbmGdPlASjXAe1VVA6BvhwbYZxE="
#define BUNDLE_CSS_HASH "sha256-CJfkBR+uehCUh8IyRdl9elv6ul6J/858XpHC2R4tx8A="
