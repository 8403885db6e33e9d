#pragma once
/* Where in a target's interpreter the truth tracer plants its probes: the copies of take_gil and drop_gil, by the symbols of an
 * unstripped build, and the moments at which the thread has the GIL, and has it no more.
 *
 * That moment is the store of 1 to gil.locked.  Six lines of C later, with no other call in between, take_gil calls
 * pthread_cond_signal (of gil.switch_cond) for the only time; the probe sits on that call instruction, which objdump finds by name.
 * PyPy: RPyGilAcquireSlowPath, found in the code of an exported function, and the instruction after it has counted itself out.
 *
 * From there to take_gil's return the thread may be preempted (that signal wakes the thread that was made to let go, often on
 * this very CPU), sleep, or be interrupted: all of it time in which it holds the GIL already.
 *
 * drop_gil calls pthread_cond_signal (of gil.cond) once too, right behind the store of 0 to gil.locked: up to there the thread holds the
 * GIL still, though it may sleep, for gil.mutex, which a waiter has that lost its CPU.  Only what it sleeps from there on is a wait.
 *
 * Owns: nothing.  Context: one thread, may block.  Errors: an empty result. */
#include <stdbool.h>
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>

#include "tests/truth/truth.h"

struct site { /* one copy of the function; the compiler makes several (.constprop.0, .isra.0) */
	enum truth_kind kind;
	size_t offset; /* in the file */
	size_t held; /* in the file: where take_gil has just got the GIL, drop_gil just let it go; 0 not found */
	bool at_return; /* it has it when the call returns, as well as can be seen (2.7) */
	__u64 held_ip; /* of take_gil: the same in the target's memory */
};

/* The offset of a function of this program in its file, 0 unknown. */
size_t sites_offset_here(const void *function);
/* The first mapped executable file that has the symbols (libpython, or the interpreter itself) and its sites; their number. */
unsigned sites_find(pid_t pid, char ret_elf[PATH_MAX], struct site ret[TRUTH_SITES]);
