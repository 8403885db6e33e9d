#pragma once
/* What the files of core/target share about one process; others see target.h.
 * Owns, context, errors: as target.h. */
#include "core/interp/layout.h"
#include "core/interp/statics.h"
#include "core/target/proc_task.h"
#include "core/target/process_mem.h"
#include "core/target/target.h"

struct target {
	pid_t pid;
	int proc_fd; /* directory /proc/PID, opened once: never another process's */
	int pidfd;
	int maps_fd; /* opened before anything is read; ends when the address space does */
	uint64_t start_ns;
	bool other_namespace; /* thread ids inside differ from ours */
	bool has_runtime;
	uint64_t tss_offset;
	int64_t state_slot; /* candidate for it, from the code; 0 none */
	uint32_t pthread_tid_offset; /* of tid in struct pthread, where tstates do not hold it; 0 not found yet */
	char name[PROC_COMM_SIZE * 4];
	char command[513];
	char module[256];
	struct process_mem mem;
	struct static_vars statics;
	struct layout layout; /* from debug information */
	struct runtime_origin origin;
	struct runtime runtime;
};

/* Opens /proc/PID and a pidfd, or says why not. */
int target_enter(struct target *t, struct fail *why);
/* Refusals with their hints. */
int target_refuse_silent(const struct target *t, uint64_t limit_ns, struct fail *why);
int target_refuse_access(const struct target *t, int err, struct fail *why);
struct runtime_search;
int target_refuse_not_python(const struct target *t, const struct runtime_search *search, struct fail *why);
/* Offset of the thread-specific value from the pthread id, proven on a live thread; 0 unknown. */
uint64_t target_find_tss_offset(struct target *t);
/* Is its libc musl?  By where a thread keeps its tid, so in a static program as well. */
bool target_is_musl(const struct target *t);
int target_refuse_musl(const struct target *t, struct fail *why);
