#pragma once
/* A child process for work that may never come back: it reads memory or files that another process serves (userfaultfd, FUSE).
 * A thread of ours that waits there cannot be ended, and neither can the process it belongs to; a child can be left behind.
 * It has no descriptors but one, takes no signal but SIGKILL, and dies with the thread that started it.
 *
 * Owns: a started child is ended by disposable_end, by the end of the thread, or by both together with its work.
 * Context: any thread; the work runs in a copy of this process with that thread only, so what it changes is lost but for shared
 * memory.  Errors: -errno of fork and mmap; disposable_do -ETIMEDOUT. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void *disposable_memory(size_t bytes); /* zeroed, shared with every child started from then on; NULL: none */
void disposable_memory_free(void *memory, size_t bytes);

/* Runs work(ctx) in a child, then ends it.  keep_fd: a descriptor it may use, -1 none. */
int disposable_start(pid_t *ret, const char *name, void (*work)(void *ctx), void *ctx, int keep_fd);
uint64_t disposable_cpu_ns(void); /* used by all that are gone */
bool disposable_alive(pid_t child);
/* Asleep or blocked, not merely without a CPU: on a busy machine a child may not run for a second. */
bool disposable_sleeps(pid_t child);
void disposable_end(pid_t child); /* waits 10 ms at most */
/* Runs work(ctx) in a child and waits for it; what it returns lies in shared memory.  One that does not get on for limit_ns, takes
 * six times as long, or of which stuck(ctx) says so, is left behind; stuck may be NULL. */
int disposable_do(const char *name, void (*work)(void *ctx), void *ctx, int keep_fd, uint64_t limit_ns, bool (*stuck)(void *ctx));
