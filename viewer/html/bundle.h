#pragma once
/* The page's script and style, as build.mjs bundled them (built/), embedded in the program.
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include "core/base/embed.h"

struct embedded bundle_script(void);
struct embedded bundle_style(void);
