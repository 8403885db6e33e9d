#pragma once
/* What scripts/gilscope_mark.py counted in a run: units of work, and regions by name.  Every process of the run leaves a file
 * marks.PID in the directory that GILSCOPE_MARKS names; its layout stands at the top of gilscope_mark.py.
 * The files were written by the program under test, perhaps half: sizes and indices are checked, texts are raw.
 *
 * Owns: nothing.  Context: main thread.  Errors: struct fail for a directory that cannot be read; files that are not marks are counted. */
#include <stddef.h>
#include <stdint.h>

#include "core/util/fail.h"

enum { MARKS_REGIONS = 64, MARKS_NAME = 64 };

struct mark_region { char name[MARKS_NAME]; uint64_t entries, ns; };
struct marks {
	uint64_t ops;
	struct mark_region regions[MARKS_REGIONS];
	size_t n_regions;
	uint64_t dropped; /* marks that found no room, files that could not be read */
	size_t files;
};

int marks_read(struct marks *ret, const char *directory, struct fail *why);
/* Removes marks.* in it, then the directory itself. */
void marks_remove(const char *directory);
