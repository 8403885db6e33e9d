#pragma once
/* The page's script and style, embedded in the program; the hashes are made when it is built (scripts/rules.mk).
 * Owns: nothing, constant.  Context: any.  Errors: none. */
#include "core/base/embed.h"

struct embedded diff_script(void);
struct embedded diff_style(void);
