#pragma once
/* The threads of a sampled process: who they are, and what /proc says that each does.  Part of proc.h.
 * Owns: descriptors of their files in /proc.  Context: the sampling child.  Errors: outcomes, as said. */
#include <stdbool.h>
#include <stdint.h>

struct proc;
struct proc_syscall;
struct proc_schedstat;

void proc_threads_recall(struct proc *p); /* those that a child before this one knew */
void proc_threads_done(struct proc *p);
/* Lists them again when there is a reason to and it was not done a moment ago; false: nothing was done. */
bool proc_threads_list(struct proc *p, uint64_t now);
uint32_t proc_threads_by_state(const struct proc *p, uint64_t tstate); /* track, UINT32_MAX unknown */
enum thread_call { THREAD_THERE, THREAD_GONE };
enum thread_call proc_threads_call(struct proc *p, uint32_t i, struct proc_syscall *ret);
/* How long it had no CPU; false: that cannot be had. */
bool proc_threads_queued(struct proc *p, uint32_t i, struct proc_schedstat *ret);
void proc_threads_drop(struct proc *p, uint32_t i, uint64_t now); /* the i-th has ended; the last one takes its place */
void proc_threads_end(struct proc *p, uint64_t now, bool unfinished); /* all of them */
void proc_threads_forget_python(struct proc *p);
