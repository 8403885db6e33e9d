#pragma once
/* Where PyPy keeps its GIL and its threads.  Nothing of that is exported, so it is read from the code of a function that is: one that
 * lets a foreign thread in, and to do so takes the GIL.
 * Owns: nothing.  Context: hosted.  Errors: false when it is not PyPy's code as known (7.3 and 8, x86-64); what was found is a guess
 * until runtime_read has checked it. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/mem.h"
#include "core/interp/statics.h"
#include "core/target/elf_file.h"

#define PYPY_ENTRY "pypy_thread_attach" /* by this a PyPy is recognised */

/* entry: run-time address of that function.  *ret_version is a LAYOUT_PYPY_HEX, of 0.0.0 when the file does not tell. */
bool find_pypy(struct elf_file *elf, const struct mem *mem, uint64_t entry, struct static_vars *ret, uint32_t *ret_version);
