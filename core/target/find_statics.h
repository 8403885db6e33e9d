#pragma once
/* Where a CPython older than 3.7 keeps its static variables: by the symbol table, or, in a stripped program, read from the
 * code of exported functions that use them.
 * Owns: nothing.  Context: hosted.  Errors: false when too few were found; what was is a guess until runtime_read has checked it. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/mem.h"
#include "core/interp/statics.h"
#include "core/target/elf_file.h"

bool find_static_vars(struct elf_file *elf, const struct mem *mem, uint64_t bias, struct static_vars *ret, const char **ret_how);
