/* See tasks.h. */
#include "core/interp/tasks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "core/event/event.h"
#include "core/interp/frame_walk.h"
#include "core/interp/frames.h"
#include "core/interp/pydict.h"
#include "core/interp/pystr.h"

/* Offsets after the head of an object (PyObject), which is longer in free-threaded builds. */
struct task_row {
	uint32_t version;
	uint16_t coro, name; /* TaskObj (Modules/_asynciomodule.c); 0: the section tells */
	uint16_t coro_frame; /* PyGenObject.gi_iframe */
	uint16_t context_number; /* PyThreadState.context_ver */
};

static const struct task_row rows[] = {
	{ .version = 0x030b, .coro = 120, .name = 128, .coro_frame = 64, .context_number = 232 }, /* 3.11.7, DWARF */
	{ .version = 0x030c, .coro = 120, .name = 128, .coro_frame = 56, .context_number = 216 }, /* 3.12.1, DWARF */
	{ .version = 0x030d, .coro = 104, .name = 112, .coro_frame = 56, .context_number = 216 }, /* 3.13.0, 3.13.15t, DWARF */
	{ .version = 0x030e, .coro_frame = 56, .context_number = 216 }, /* 3.14.10, live */
	{ .version = 0x030f, .coro_frame = 56, .context_number = 240 }, /* 3.15.2, live */
};

/* .AsyncioDebug, uint64_t each (3.14, 3.15: struct _Py_AsyncioModuleDebugOffsets). */
enum { DEBUG_TASK_SIZE, DEBUG_TASK_NAME, DEBUG_TASK_CORO = 5, DEBUG_TSTATE_SIZE = 9, DEBUG_TSTATE_TASK = 11, DEBUG_N = 13 };

static uint32_t head_bytes(const struct layout *l)
{
	return l->object_type + 8; /* ob_type is the last member of PyObject */
}

static const struct task_row *row_of(const struct layout *l)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].version == l->version)
			return &rows[i];
	return NULL;
}

uint64_t tasks_modules(const struct layout *l, const struct mem *mem, uint64_t interp)
{
	uint64_t modules;
	struct dict_walk w;

	if (!row_of(l) || mem_u64(mem, interp + l->interp_modules, &modules) != 0 || dict_walk_begin(&w, l, mem, modules) != 0)
		return 0;
	return w.n;
}

int tasks_module_names(const struct layout *l, const struct mem *mem, uint64_t interp, const char *name, uint64_t *ret)
{
	uint64_t modules, module;
	int r = mem_u64(mem, interp + l->interp_modules, &modules);

	if (r == 0)
		r = dict_find(l, mem, modules, name, &module);
	return r == 0 ? mem_u64(mem, module + l->module_dict, ret) : r;
}

bool tasks_loops_in_c(const struct layout *l, const struct mem *mem, uint64_t interp)
{
	uint64_t names;

	return row_of(l) && tasks_module_names(l, mem, interp, "uvloop.loop", &names) == 0;
}

/* asyncio.events.Handle._run.__code__ */
static uint64_t callback_code(const struct layout *l, const struct mem *mem, uint64_t interp)
{
	uint64_t names, handle, methods, run, code;

	if (tasks_module_names(l, mem, interp, "asyncio.events", &names) == 0 && dict_find(l, mem, names, "Handle", &handle) == 0 &&
	    mem_u64(mem, handle + l->type_name + 240, &methods) == 0 && /* PyTypeObject: tp_name … tp_dict */
	    dict_find(l, mem, methods, "_run", &run) == 0 &&
	    mem_u64(mem, run + head_bytes(l) + 32, &code) == 0) /* PyFunctionObject: globals, builtins, name, qualname, code */
		return code;
	return 0;
}

/* From the table of the module: checked, for it lies in the process. */
static int read_table(const struct mem *mem, uint64_t table, struct walk_tasks *ret)
{
	uint64_t t[DEBUG_N];
	int r = mem_read(mem, table, t, sizeof(t));

	if (r != 0)
		return r;
	if (t[DEBUG_TASK_SIZE] > 4096 || t[DEBUG_TSTATE_SIZE] > UINT16_MAX || t[DEBUG_TASK_NAME] > t[DEBUG_TASK_SIZE] ||
	    t[DEBUG_TASK_CORO] > t[DEBUG_TASK_SIZE] || t[DEBUG_TSTATE_TASK] > t[DEBUG_TSTATE_SIZE])
		return -EPROTO;
	ret->name = (uint16_t)t[DEBUG_TASK_NAME];
	ret->coro = (uint16_t)t[DEBUG_TASK_CORO];
	ret->tstate_task = (uint16_t)t[DEBUG_TSTATE_TASK];
	return 0;
}

/* How names are told apart: the type of an int, known from one that every program has. */
static int read_number_type(const struct layout *l, const struct mem *mem, uint64_t interp, uint64_t *ret)
{
	uint64_t sysdict, number;
	int r = mem_u64(mem, interp + l->interp_sysdict, &sysdict);

	if (r == 0)
		r = dict_find(l, mem, sysdict, "hexversion", &number);
	return r == 0 ? mem_u64(mem, number + l->object_type, ret) : r;
}

static void fill_objects(const struct layout *l, struct walk_tasks *t)
{
	t->object_type = (__u8)l->object_type;
	t->str_length = (__u8)l->unicode_length;
	t->str_state = (__u8)l->unicode_state;
	t->str_ascii_shift = (__u8)(l->unicode_kind_shift + 3); /* compact, ascii */
	t->str_text = (__u8)l->unicode_ascii_size;
	t->int_size = (__u8)l->long_size;
	t->int_size_shift = l->long_tagged ? 3 : 0;
	t->int_digits = (__u8)l->long_digits;
	t->dict_keys = (__u8)l->dict_keys;
	t->keys_log2_index_bytes = (__u8)l->keys_log2_index_bytes;
	t->keys_indices = (__u8)l->keys_indices;
}

int tasks_find(const struct layout *l, const struct mem *mem, uint64_t interp, uint64_t table, struct walk_tasks *ret)
{
	const struct task_row *row = row_of(l);
	struct walk_tasks t = {0};
	uint64_t names, number_type = 0, current = 0;
	int r;

	if (!row)
		return TASKS_NOT_READ;
	r = tasks_module_names(l, mem, interp, "_asyncio", &names);
	if (r != 0)
		return r < 0 ? r : TASKS_NOT_LOADED;
	t.coro_frame = (__u8)(row->coro_frame + head_bytes(l));
	t.tstate_context_number = row->context_number;
	fill_objects(l, &t);
	t.callback = callback_code(l, mem, interp);
	r = read_number_type(l, mem, interp, &number_type);
	t.number_type = number_type;
	if (r == 0 && row->coro) {
		t.coro = (uint16_t)(row->coro + head_bytes(l));
		t.name = (uint16_t)(row->name + head_bytes(l));
		r = dict_find(l, mem, names, "_current_tasks", &current);
		t.current = current;
	} else if (r == 0) {
		r = table ? read_table(mem, table, &t) : TASKS_WANT_TABLE;
	}
	if (r == 0)
		*ret = t;
	return r;
}

/* At most TASK_NAME_SHORT characters; the bytes came from a stranger. */
static void short_name(const struct ev_frame *f, char ret[TASK_NAME_SHORT + 1])
{
	memcpy(ret, &f->code, 8);
	memcpy(ret + 8, &f->check, 4);
	ret[TASK_NAME_SHORT] = 0;
	for (char *c = ret; *c; c++)
		if (*c & 0x80)
			*c = '?';
}

void task_label(const struct layout *l, const struct walk_layout *walk, const struct mem *mem, const struct ev_frame *frame,
		char ret[TASK_LABEL_SIZE])
{
	char name[PYSTR_SIZE];
	struct ev_frame now;

	if (frame->lasti == EV_TASK_NUMBER) {
		snprintf(ret, TASK_LABEL_SIZE, "task Task-%llu%s", frame->code, frame->code < TASK_NUMBER_MAX ? "" : " or a later one");
		return;
	}
	if (frame->lasti == EV_TASK_TEXT) {
		short_name(frame, name);
		snprintf(ret, TASK_LABEL_SIZE, "task %s", name);
		return;
	}
	frames_task_name(walk, mem, frame->code, &now);
	if (frame->code && now.lasti == EV_TASK_NAME && now.check == frame->check && pystr_read(l, mem, frame->code, name, sizeof(name)) == 0)
		snprintf(ret, TASK_LABEL_SIZE, "task %s", name);
	else
		snprintf(ret, TASK_LABEL_SIZE, "task that ended before its name was read");
}
