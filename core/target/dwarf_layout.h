#pragma once
/* The offsets of a layout from the debug information in the interpreter's own file, when it has some: a debug build, one with other
 * options or patches differs from the build its row was taken from.  Which fields there are, and the algorithms that go
 * with them, stay the row's.  Looks only into a few compilation units (ceval.c and others), through libdw.
 *
 * Owns: nothing.  Context: hosted.  Errors: -ENODATA no debug information there, or none of an interpreter.  Untrusted: the file;
 * bounded, and what it says is checked on live memory as a row's offsets are. */
#include "core/interp/layout.h"
#include "core/target/elf_file.h"

/* Returns how many fields it found; *ret_differ how many of them the row had otherwise. */
int dwarf_layout_read(struct elf_file *elf, struct layout *l, unsigned *ret_differ);
