#pragma once
/* One live process: its identity, its memory, the interpreter that runs in it.
 * Reads only; sends no signal, stops nothing, writes nothing.  Works across root and pid namespaces
 * (files through /proc/PID/root, thread ids through NSpid).
 *
 * Owns: target_open returns an owned target, target_free ends it; accessors borrow.
 * Context: one thread at a time per target.  Errors: struct fail, kinds FAIL_ATTACH (no such process, not Python,
 * unknown version, kernel thread, zombie, no permission) each with its hint; -errno from the rest. */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/interp/mem.h"
#include "core/interp/runtime.h"
#include "core/util/fail.h"

struct target;
struct target_options {
	bool threads_only; /* --no-python: do not look for an interpreter */
};

int target_open(struct target **ret, pid_t pid, const struct target_options *options, struct fail *why);
void target_free(struct target *t);

pid_t target_pid(const struct target *t); /* as the user gave it (our pid namespace) */
uint64_t target_start_ns(const struct target *t); /* CLOCK_BOOTTIME birth, from /proc/PID/stat (ticks: 10 ms steps) */
const char *target_command(const struct target *t); /* /proc/PID/cmdline, escaped, at most 512 bytes */
const char *target_name(const struct target *t); /* comm, escaped */
const char *target_module(const struct target *t); /* path of the module that holds the runtime, escaped; "" */
const struct mem *target_mem(const struct target *t);
const struct runtime_origin *target_origin(const struct target *t); /* from where its runtime was read; with one only */
const struct runtime *target_runtime(const struct target *t); /* NULL with threads_only */
bool target_alive(const struct target *t); /* still the same process (pidfd) */
/* … and has not replaced its program since it was opened, so that what was read of it holds. */
bool target_same_program(const struct target *t);
/* Runs work(ctx) in a disposable child (disposable.h), where reading it takes no detour, and waits for it: what it finds must lie in
 * shared memory.  Places that do not answer are refused and the work begins again: 0, -ETIMEDOUT (it is limited to a few seconds), -errno. */
int target_read_apart(struct target *t, void (*work)(void *ctx), void *ctx);
/* A place that did not answer somebody else: refused from the start. */
void target_refuse_place(struct target *t, uint64_t addr, uint64_t len);
/* How many places in its memory did not answer and are refused from then on (-ETIMEDOUT); *ret_addr is the one numbered `from`. */
unsigned target_silent_places(const struct target *t, unsigned from, uint64_t *ret_addr);
/* New interpreters, a GIL moved: 0, RUNTIME_CHANGED, -ESRCH gone, -errno. */
int target_refresh(struct target *t);
/* Where a thread has its own thread state: so far from its fs base, or with walk.tss_pointer from where that leads; 0 then too, or unknown. */
uint64_t target_tss_offset(const struct target *t);
/* "glibc", "musl"; NULL not known.  By what its threads keep where, not by the names of files. */
const char *target_libc(const struct target *t);
/* Can a thread's own state be told from the thread: by that offset, or on the list of states (2.7)? */
bool target_knows_own_state(const struct target *t);

/* What record needs, for lines to paste: setcap replaces what a file has, so every such line names all of them. */
#define TARGET_SETCAP "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore+ep"

/* Do we run in the initial pid namespace?  Else the kernel's own numbers of processes are not the ones we see. */
bool target_in_initial_pid_namespace(void);
/* Does a process of that number exist that /proc does not show us (mount option hidepid)? */
bool target_is_hidden(pid_t pid);
/* Is /proc that of another pid namespace than ours (unshare --pid without --mount-proc)? */
bool target_proc_is_foreign(void);

/* Is it an address in the machine code of the interpreter or its C library?  No where that was not found. */
bool target_is_code(const struct target *t, uint64_t addr);

/* Lies the word in memory that processes can share, and where in which file? */
bool target_shared_word(const struct target *t, uint64_t addr, uint64_t *ret_device, uint64_t *ret_inode, uint64_t *ret_offset);

struct target_thread {
	pid_t tid; /* our namespace */
	uint64_t start_ns; /* CLOCK_BOOTTIME birth */
	uint64_t ident; /* pthread id, 0 unknown */
	uint64_t tstate; /* 0 none */
	uint64_t interp;
	char comm[64]; /* escaped */
	char name[128]; /* threading's own name, escaped; empty if unreadable */
	char state; /* letter of /proc/TID/stat */
	int32_t nr; /* system call it sleeps in, -1 none/running/unreadable */
	uint64_t arg0, arg1;
	uint64_t sp; /* user stack pointer there */
	uint64_t gil; /* it sleeps on a futex word for; 0 none */
};
/* What /proc shows of all threads, without their thread states: cheap.  With musl the target is asked besides who sleeps on a GIL: a word of its own stack does not say. */
int target_tasks(const struct target *t, struct target_thread **ret, unsigned *ret_n);
/* Snapshot of all threads; *ret is malloc'ed.  want_names costs a walk of the threading module's dict. */
int target_threads(struct target *t, bool want_names, struct target_thread **ret, unsigned *ret_n);
