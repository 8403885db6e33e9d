#pragma once
/* The library that is preloaded, as part of this program: one binary suffices.
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include "core/base/embed.h"

struct embedded preload_library(void);
