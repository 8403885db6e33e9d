/* See unwind.h.  One Dwfl per process, which libdwfl attaches to a state once: the callbacks serve whatever copy is under way.  It is
 * made anew when the process has mapped or unmapped code since. */
#include "core/symbols/unwind.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/symbols/unwind_modules.h"
#include "core/util/xalloc.h"

#define LOOK_AGAIN_NS (2 * NS_PER_S) /* at the list of mappings; sooner when an address lies in none: */
#define LOOK_SOON_NS (100 * NS_PER_MS)
#define FUNCTION_MAX 200

struct unwind {
	pid_t pid;
	struct unwind_modules *modules;
	uint64_t looked_ns;
	const struct ev_native *copy;
	struct unwound *out;
	unsigned outside; /* frames in no known file */
};

static pid_t next_thread(Dwfl *dwfl, void *u, void **ret)
{
	(void)dwfl, (void)u, (void)ret;
	return 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *u, void **ret)
{
	(void)dwfl, (void)tid;
	*ret = u;
	return true;
}

/* What is saved on the stack lies in the copy; anything else is not to be had. */
static bool read_word(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	const struct unwind *u = arg;
	uint64_t at = addr - u->copy->regs[EV_REG_SP];

	(void)dwfl;
	if (at > u->copy->n_bytes || u->copy->n_bytes - at < sizeof(*ret))
		return false;
	memcpy(ret, u->copy->bytes + at, sizeof(*ret));
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwind *u = arg;
	Dwarf_Word regs[EV_REGS];

	for (int i = 0; i < EV_REGS; i++)
		regs[i] = u->copy->regs[i];
	if (u->copy->h.flags & EV_F_INFERRED)
		return dwfl_thread_state_registers(thread, EV_REG_SP, 1, &regs[EV_REG_SP]) &&
		       dwfl_thread_state_registers(thread, EV_REG_IP, 1, &regs[EV_REG_IP]);
	return dwfl_thread_state_registers(thread, 0, EV_REGS, regs);
}

static const Dwfl_Thread_Callbacks callbacks = {
	.next_thread = next_thread, .get_thread = get_thread, .memory_read = read_word, .set_initial_registers = set_registers,
};

static uint32_t put_text(struct unwound *out, const char *text)
{
	size_t n = strlen(text) + 1;
	uint32_t at = out->n_text;

	if (n > sizeof(out->text) - at)
		return 0;
	memcpy(out->text + at, text, n);
	out->n_text += (uint32_t)n;
	return at;
}

/* Frames of a stack lie in a few files: each path once. */
static uint32_t put_file(struct unwound *out, const char *path)
{
	for (uint32_t i = 0; i + 1 < out->n; i++)
		if (!strcmp(out->text + out->frames[i].file, path))
			return out->frames[i].file;
	return put_text(out, path);
}

static void name_frame(struct unwind *u, Dwfl *dwfl, struct unwound_frame *f)
{
	Dwfl_Module *mod = dwfl_addrmodule(dwfl, f->pc);
	const struct unwind_module *m = mod ? unwind_module_of(u->modules, mod) : NULL;
	char name[FUNCTION_MAX + 32];
	const char *symbol;

	if (!m) {
		u->outside++;
		f->function = put_text(u->out, "[code without a file]"); /* compiled at run time; its addresses mean nothing to anybody */
		return;
	}
	f->check = m->check;
	f->kind = unwind_module_kind(m, f->pc);
	symbol = unwind_module_symbol(m, f->pc);
	if (symbol)
		snprintf(name, sizeof(name), "%.*s", FUNCTION_MAX, symbol);
	else
		snprintf(name, sizeof(name), "%.*s+0x%" PRIx64, m->label, m->base, unwind_module_place(m, f->pc));
	f->function = put_text(u->out, name);
	f->file = put_file(u->out, m->path);
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct unwind *u = arg;
	struct unwound_frame *f = &u->out->frames[u->out->n];
	Dwarf_Word sp = 0;
	Dwarf_Addr pc;
	bool exact;

	if (u->out->n == UNWOUND_MAX || !dwfl_frame_pc(state, &pc, &exact) || !pc)
		return DWARF_CB_ABORT;
	dwfl_frame_reg(state, EV_REG_SP, &sp);
	if (u->out->n && sp <= u->out->frames[u->out->n - 1].sp)
		return DWARF_CB_ABORT; /* a stack that does not grow goes in a circle */
	*f = (struct unwound_frame){ .pc = pc - !exact, .sp = sp };
	u->out->n++;
	name_frame(u, dwfl_thread_dwfl(dwfl_frame_thread(state)), f);
	return DWARF_CB_OK;
}

static int look(struct unwind *u)
{
	bool changed;
	int err = unwind_modules_look(&u->modules, u->pid, &changed);

	u->looked_ns = clock_now_ns();
	if (err || !changed)
		return err;
	if (!dwfl_attach_state(unwind_modules_dwfl(u->modules), NULL, u->pid, &callbacks, u)) {
		unwind_modules_free(u->modules);
		u->modules = NULL;
		return -ENOEXEC;
	}
	return 0;
}

int unwind_new(struct unwind **ret, pid_t pid)
{
	struct unwind *u = xcalloc(1, sizeof(*u));
	int err;

	u->pid = pid;
	err = look(u);
	if (err) {
		unwind_free(u);
		return err;
	}
	*ret = u;
	return 0;
}

void unwind_free(struct unwind *u)
{
	if (!u)
		return;
	unwind_modules_free(u->modules);
	free(u);
}

static void run(struct unwind *u)
{
	u->out->n = 0;
	u->out->n_text = 0;
	u->outside = 0;
	put_text(u->out, "?");
	dwfl_getthread_frames(unwind_modules_dwfl(u->modules), u->pid, on_frame, u);
}

int unwind_run(struct unwind *u, const struct ev_native *copy, struct unwound *ret)
{
	const struct unwind_modules *before = u->modules;

	if (copy->n_bytes > EV_STACK_BYTES)
		return -EINVAL;
	u->copy = copy;
	u->out = ret;
	if (!u->modules || clock_now_ns() - u->looked_ns > LOOK_AGAIN_NS)
		look(u);
	if (!u->modules)
		return -ENOENT;
	run(u);
	if (u->outside && clock_now_ns() - u->looked_ns > LOOK_SOON_NS) {
		look(u);
		if (u->modules && u->modules != before)
			run(u);
	}
	return u->modules && ret->n ? 0 : -ENOENT;
}
