#pragma once
/* The files with code that are mapped into a process, told to libdwfl.  Private to unwind.c.
 * Owns: unwind_modules_look makes and remakes them, unwind_modules_free ends it.  Context: one thread.  Errors: -errno. */
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/symbols/eh_frame.h"
#include "core/symbols/unwound.h"

struct unwind_symbol { /* of a function */
	uint64_t start, end; /* in the process */
	const char *name;
};

struct unwind_module {
	char *path; /* as the process sees it */
	const char *base; /* … its last part */
	int label; /* bytes of that which name it: an extension module's own name, without the tag of the interpreter it was built for */
	uint64_t bias; /* of addresses in the process over those in the file */
	uint32_t check;
	enum native_kind kind;
	struct { uint64_t start, end; } eval[2]; /* the evaluation loop, and its part that is seldom run */
	bool modern; /* … by its name since 3.6 */
	bool loaded; /* the symbols are */
	struct unwind_symbol *symbols; /* by start */
	size_t n_symbols;
	struct eh_frame eh_frame;
	Dwfl_Module *dwfl;
};

struct unwind_modules;

/* Looks at the mappings of the process; *m is replaced when they have changed, NULL before the first time. */
int unwind_modules_look(struct unwind_modules **m, pid_t pid, bool *ret_changed);
void unwind_modules_free(struct unwind_modules *m);
Dwfl *unwind_modules_dwfl(struct unwind_modules *m);
const struct unwind_module *unwind_module_of(struct unwind_modules *m, Dwfl_Module *dwfl);
/* NULL: no function of a known name is there.  (dwfl_module_addrinfo goes through the whole table each time.) */
const char *unwind_module_symbol(const struct unwind_module *m, uint64_t pc);
/* Where in the file the function begins, as far as its unwind tables tell; else where pc is. */
uint64_t unwind_module_place(const struct unwind_module *m, uint64_t pc);
enum native_kind unwind_module_kind(const struct unwind_module *m, uint64_t pc);
