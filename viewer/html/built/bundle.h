#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "a466c063db17ad03fe41c093f92b13d56a7be7833555b7dcfdfe9a1d3abb5c3f"
#define BUNDLE_OWN_BYTES 91454
#define BUNDLE_JS_HASH "sha256-6eAIpv+tnjfVPewfzksno0j9ndRn1cbKjRePTF9BtM8="
#define BUNDLE_CSS_HASH "sha256-sKliayhmcbCdYVc4CsGEsCNyiL1YGzt257NX7N58hjw="
