#pragma once
/* What is wrong, in plain words: rules over a summary's numbers, each with what it costs, how sure it is, and what one
 * does about it.  The rules and their thresholds are in findings.c and findings_rules.c; a new rule is one function and
 * one line in the table.
 * Owns: the texts are the arena's.  Context: one thread.  Errors: none. */
#include "core/analysis/summary.h"
#include "core/util/arena.h"

/* Fills p->findings, gravest first; never empty: a process without a problem has "nothing_wrong". */
void findings_find(const struct summary *s, struct summary_process *p, struct arena *arena);
