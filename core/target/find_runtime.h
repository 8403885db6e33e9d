#pragma once
/* Where a process keeps its Python runtime: the module (executable or shared library) among its mappings that defines
 * _PyRuntime, and what its files tell of the version.
 * Owns: nothing.  Context: hosted.  Errors: find_runtime returns how many places it found, best first; see `other` for
 * why there may be none. */
#include <stdbool.h>
#include <stdint.h>

#include "core/interp/layout.h"
#include "core/interp/mem.h"
#include "core/interp/statics.h"
#include "core/target/proc_maps.h"

#define RUNTIME_PLACES_MAX 4

struct runtime_place {
	uint64_t addr; /* of _PyRuntime; 0: statics instead (before 3.7, PyPy) */
	struct static_vars statics;
	bool has_layout; /* by debug information in its file … */
	struct layout layout;
	unsigned n_differ; /* … which differs so much from its version's row */
	uint32_t version_hex; /* 0 unknown; of PyPy a LAYOUT_PYPY_HEX */
	int64_t state_slot; /* of the thread variable with its PyThreadState, from the thread pointer (3.15+); 0 unknown */
	char module[256]; /* path, escaped */
	const char *found_by;
};

enum python_kind { PYTHON_NONE, PYTHON_TOO_OLD /* a CPython without _PyRuntime whose variables were not found */, PYTHON_PYPY /* whose code was not understood */ };
struct runtime_search {
	struct runtime_place places[RUNTIME_PLACES_MAX];
	unsigned n;
	enum python_kind other; /* with n 0: a Python, but not one of ours */
	char other_module[256];
	unsigned unreadable; /* modules that could not be opened … */
	int unreadable_err; /* … and the last reason */
};

void find_runtime(struct runtime_search *ret, int proc_fd, const struct proc_maps *maps, const struct mem *mem);
/* Address in the process of a section of the first module whose name begins so, 0 if there is none. */
uint64_t find_section(int proc_fd, const struct proc_maps *maps, const char *module, const char *section);
