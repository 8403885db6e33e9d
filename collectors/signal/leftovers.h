#pragma once
/* Places (place.h) whose gilscope was killed: nobody was left to take them away.  Whoever makes a place next beside them does it, when
 * nobody listens at their door and no process has their library any more: programs that such a process starts look for it by name.
 *
 * Owns: nothing.  Context: any thread of ours.  Errors: none; what cannot be taken away stays.  Another user may have made such a
 * directory: only files of our names in it are removed, by a descriptor, and nothing is followed. */
#include <stdbool.h>

void leftovers_remove(const char *parent); /* the directory in which places are made */
