#pragma once
/* Can BPF programs be used here?  Does in small what the collector does, and leaves nothing behind.
 * Owns: nothing.  Context: any thread.  Errors: as said. */
#include <stddef.h>

#include "core/util/fail.h"

struct collector_request;

/* Loads a program for sched_switch that reads kernel memory, attaches it, removes it.  0, or the step that failed, with errno
 * and, for BPF_TRY_LOAD, the verifier's reason in `log`. */
enum bpf_try { BPF_TRY_BTF = 1, BPF_TRY_LOAD, BPF_TRY_ATTACH };
int bpf_try(char *log, size_t log_size, int *ret_errno);
/* A cpu-clock event of this CPU: 0 or -errno. */
int bpf_try_clock(void);
/* collector_bpf.usable */
int bpf_usable(const struct collector_request *request, struct fail *why);
