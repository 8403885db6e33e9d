#pragma once
/* Shows a file in the person's browser: $BROWSER, else xdg-open.  Under sudo as the user who called it, for a browser has
 * no business with root.
 * Owns: nothing.  Context: main thread; waits until the launcher has returned, at most a few seconds.
 * Errors: -errno with *why filled (FAIL_OTHER). */
#include "core/util/fail.h"

int open_page(const char *path, struct fail *why);
