#pragma once
/* What the files of core/target share about one process; others see target.h.
 * Owns, context, errors: as target.h. */
#include "core/interp/layout.h"
#include "core/interp/statics.h"
#include "core/target/proc_task.h"
#include "core/target/process_mem.h"
#include "core/target/target.h"

/* Where a thread keeps its Python thread state. */
struct tss_place {
	bool known;
	uint16_t pointer; /* from its thread pointer: leads to the place that `offset` is from; 0: that is the thread pointer */
	uint64_t offset;
};

enum { TARGET_CODES = 8 };

struct target {
	pid_t pid;
	int proc_fd; /* directory /proc/PID, opened once: never another process's */
	int pidfd;
	int maps_fd; /* opened before anything is read; ends when the address space does */
	uint64_t start_ns;
	bool other_namespace; /* thread ids inside differ from ours */
	bool has_runtime;
	struct tss_place tss;
	struct target_code {
		uint64_t start, end;
	} code[TARGET_CODES]; /* of its module and the C library; those not found are empty */
	int64_t state_slot; /* candidate for it, from the code; 0 none */
	const struct libc *libc; /* NULL not found yet */
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
/* Where a thread has its own state, proven on a live thread, and with a pthread key by that its C library. */
void target_find_tss(struct target *t);
/* Its C library, where that has not told it: by where threads keep their number. */
void target_find_libc(struct target *t);
int target_refuse_libc(const struct target *t, struct fail *why);
