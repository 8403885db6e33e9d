#pragma once
/* The GILs of a sampled process: who has each, how many are in take_gil.  Part of proc.h.
 * Owns: nothing.  Context: the sampling child.  Errors: -errno of the read. */
#include <stdbool.h>
#include <stdint.h>

struct proc;
struct proc_gil;
struct track;

int proc_gil_look(struct proc *p, struct proc_gil *g, uint64_t now);
void proc_gil_tell_hold(struct proc *p, struct proc_gil *g, uint64_t t_ns); /* it has a holder; up to that moment */
bool proc_gil_unchanged(struct proc *p, const struct proc_gil *g); /* since the look: the same holder in the same turn */
struct proc_gil *proc_gil_at(struct proc *p, uint64_t word); /* the one a word belongs to, NULL none */
struct proc_gil *proc_gil_slept_on(struct proc *p, uint64_t word, uint64_t sp); /* … by a thread with that stack pointer */
struct proc_gil *proc_gil_of(struct proc *p, const struct track *t); /* the one a thread works for, NULL none */
void proc_gil_asleep(struct proc *p, struct proc_gil *g, uint64_t word); /* in this look a thread sleeps on that word of it */
