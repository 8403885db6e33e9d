#pragma once
/* Who waits for whom at one moment: each thread waits for one thing at most, which one other thread has at most.  A cycle is a deadlock.
 * Pure.  Owns: nothing.  Context: any.  Errors: none. */
#include <stddef.h>
#include <stdint.h>

#define WAIT_GRAPH_NOBODY UINT32_MAX

/* waits_for[i]: the thread that has what thread i waits for, or WAIT_GRAPH_NOBODY.  cycle[i] becomes the number of the cycle that thread i
 * is part of, counted from 0, or WAIT_GRAPH_NOBODY.  Returns how many there are. */
unsigned wait_graph_cycles(const uint32_t *waits_for, uint32_t n, uint32_t *cycle);
