#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "f5edbb90967fa10e820797450a70877112fddfff1ed1dd25028a6bec57903e03"
#define BUNDLE_OWN_BYTES 212914
#define BUNDLE_JS_HASH "sha256-XHs1rptFYl+vnskhVa3bkNLzbQ8RqJx2FAFrbH3oNp8="
#define BUNDLE_CSS_HASH "sha256-gZO6EMrT/7t2gvabGg+MSlvRXHHhXt5hKhisNMYHsCs="
