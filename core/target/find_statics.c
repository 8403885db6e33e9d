/* See find_statics.h. */
#include "core/target/find_statics.h"

#include <stddef.h>

#include "core/target/machine_code.h"

#define GIL_PARTS 4
#define GIL_SPAN_MAX 4096
#define CALLS_MAX 8
#define REFS_MAX 16

struct static_var {
	size_t field; /* of struct static_vars */
	const char *symbol;
	const char *function; /* whose first reference of a kind and width is to it; NULL: none is */
	unsigned kinds, width;
};
#define VAR(name) offsetof(struct static_vars, name)
static const struct static_var vars[] = {
	{ VAR(interp_head), "interp_head", "PyInterpreterState_Head", CODE_REF_LOAD, 8 },
	{ VAR(current), "_PyThreadState_Current", NULL, 0, 0 }, /* exported */
	{ VAR(gil_lock), "interpreter_lock", "PyEval_AcquireLock", CODE_REF_LOAD, 8 },
	{ VAR(gil_mutex), "gil_mutex", NULL, 0, 0 }, /* these four: find_gil_parts */
	{ VAR(gil_cond), "gil_cond", NULL, 0, 0 },
	{ VAR(switch_mutex), "switch_mutex", NULL, 0, 0 },
	{ VAR(switch_cond), "switch_cond", NULL, 0, 0 },
	{ VAR(gil_interval), "gil_interval", "_PyEval_SetSwitchInterval", CODE_REF_STORE, 8 },
	{ VAR(tls_key), "autoTLSkey", "PyGILState_GetThisThreadState", CODE_REF_LOAD, 4 },
	{ VAR(gc_collecting), "collecting", "PyGC_Collect", CODE_REF_LOAD | CODE_REF_COMPARE, 4 },
};
#define N_VARS (sizeof(vars) / sizeof(vars[0]))

static uint64_t *var_of(struct static_vars *v, size_t i)
{
	return (uint64_t *)((char *)v + vars[i].field);
}

static unsigned refs_at(const struct mem *mem, uint64_t addr, unsigned kinds, struct code_ref *ret, unsigned max)
{
	uint8_t code[MACHINE_CODE_BYTES];

	return mem_read(mem, addr, code, sizeof(code)) == 0 ? machine_code_refs(code, sizeof(code), addr, kinds, ret, max) : 0;
}

static uint64_t decode(const struct mem *mem, uint64_t bias, const struct elf_symbol *function, const struct static_var *var)
{
	struct code_ref refs[REFS_MAX];
	unsigned n = function->found ? refs_at(mem, bias + function->value, var->kinds, refs, REFS_MAX) : 0;

	for (unsigned i = 0; i < n; i++)
		if (refs[i].width == var->width)
			return refs[i].value;
	return 0;
}

struct span {
	uint64_t start, end;
};

/* create_gil (Python/ceval_gil.h, 3.6) begins gil_mutex, switch_mutex, gil_cond and switch_cond in this order. */
static bool gil_parts_at(const struct mem *mem, uint64_t addr, const struct span *bss, struct static_vars *ret)
{
	struct code_ref refs[REFS_MAX];
	unsigned n = refs_at(mem, addr, CODE_REF_ADDRESS, refs, REFS_MAX), k = 0;
	uint64_t part[GIL_PARTS];

	for (unsigned i = 0; i < n && k < GIL_PARTS; i++)
		if (refs[i].value >= bss->start && refs[i].value < bss->end)
			part[k++] = refs[i].value;
	for (unsigned i = 1; i < k; i++)
		if (part[i] == part[0] || part[i] - part[0] + GIL_SPAN_MAX > 2 * GIL_SPAN_MAX)
			return false;
	if (k < GIL_PARTS)
		return false;
	ret->gil_mutex = part[0];
	ret->switch_mutex = part[1];
	ret->gil_cond = part[2];
	ret->switch_cond = part[3];
	return true;
}

/* PyEval_InitThreads calls create_gil, or has it inlined. */
static void find_gil_parts(struct elf_file *elf, const struct mem *mem, uint64_t bias, uint64_t init_threads, struct static_vars *ret)
{
	struct code_ref calls[CALLS_MAX];
	uint64_t addr, size;
	struct span bss;
	unsigned n;

	if (!elf_file_section(elf, ".bss", &addr, &size))
		return;
	bss = (struct span){ bias + addr, bias + addr + size };
	if (gil_parts_at(mem, init_threads, &bss, ret))
		return;
	n = refs_at(mem, init_threads, CODE_REF_CALL, calls, CALLS_MAX);
	for (unsigned i = 0; i < n; i++)
		if (gil_parts_at(mem, calls[i].value, &bss, ret))
			return;
}

bool find_static_vars(struct elf_file *elf, const struct mem *mem, uint64_t bias, struct static_vars *ret, const char **ret_how)
{
	struct elf_symbol symbols[2 * N_VARS + 1] = {0}, *init = &symbols[2 * N_VARS];

	*ret = (struct static_vars){0};
	for (size_t i = 0; i < N_VARS; i++) {
		symbols[i].name = vars[i].symbol;
		symbols[N_VARS + i].name = vars[i].function ? vars[i].function : "";
	}
	init->name = "PyEval_InitThreads";
	elf_file_symbols(elf, symbols, 2 * N_VARS + 1, &symbols[0], true);
	for (size_t i = 0; i < N_VARS; i++) {
		if (symbols[i].found)
			*var_of(ret, i) = bias + symbols[i].value;
		else if (vars[i].function)
			*var_of(ret, i) = decode(mem, bias, &symbols[N_VARS + i], &vars[i]);
	}
	if (!ret->gil_cond && init->found) /* none in 2.7 */
		find_gil_parts(elf, mem, bias, bias + init->value, ret);
	*ret_how = !symbols[0].found ? "variables read from the code of exported functions" : "symbols of its variables";
	return ret->interp_head && ret->current;
}
