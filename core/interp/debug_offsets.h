#pragma once
/* The table by which CPython 3.13 and newer describe themselves: _Py_DebugOffsets, the first bytes of _PyRuntime.
 * Its values replace those of the static row, which keeps what the table lacks; the inside of the GIL follows from
 * where its holder stands (Include/internal/pycore_gil.h: interval, last_holder, locked, switch_number, cond, …).
 * Owns: nothing.  Context: any.  Errors: -ENODATA no table there, -ENOTSUP a version not known, -EPROTO values that
 * cannot be, -errno of the read; *ret_version is set whenever there is a table. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"

int debug_offsets_read(const struct mem *mem, uint64_t runtime_addr, struct layout *ret, uint32_t *ret_version,
		       bool *ret_free_threaded);
