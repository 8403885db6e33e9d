#pragma once
/* Why a free-threaded build has its GIL on, or off: what it was started with, sys.flags.gil.  While that leaves it open the GIL is off, until
 * an extension is imported that does not say that it can do without it (Python/import.c); then it stays on.
 * Owns: nothing.  Context: any, no allocation.  Errors: none; what cannot be read is unknown. */
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

enum gil_choice {
	GIL_CHOICE_UNKNOWN,
	GIL_CHOICE_OPEN, /* neither PYTHON_GIL nor -X gil */
	GIL_CHOICE_OFF, /* PYTHON_GIL=0 or -X gil=0 */
	GIL_CHOICE_ON, /* PYTHON_GIL=1 or -X gil=1 */
};

enum gil_choice gil_choice_read(const struct layout *l, const struct mem *mem, uint64_t interp);
/* "off (PYTHON_GIL=0 or -X gil=0): nobody waits for it": how it is. */
const char *gil_choice_text(enum gil_choice choice, int on);
