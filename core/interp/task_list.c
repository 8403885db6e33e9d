/* See task_list.h. */
#include "core/interp/task_list.h"

#include <errno.h>
#include <string.h>

#include "core/interp/frames.h"
#include "core/interp/instance.h"
#include "core/interp/layout.h"
#include "core/interp/pydict.h"
#include "core/interp/tasks.h"
#include "core/interp/threads.h"

#define PAGE 4096
#define SET_SLOTS_MAX (1U << 17)
#define SET_ENTRY 16 /* key, hash */
#define SET_BATCH 64
#define BASES_MAX 8
#define TP_BASE 232 /* PyTypeObject: tp_name … tp_base */
#define STATE_BEFORE_FRAME 5 /* PyGenObject: gi_frame_state, an int8, three bytes of padding, gi_iframe … */

/* .AsyncioDebug, uint64_t each, as in tasks.c */
enum { DEBUG_TASK_SIZE, DEBUG_TASK_NODE = 6, DEBUG_INTERP_SIZE, DEBUG_INTERP_HEAD, DEBUG_TSTATE_SIZE, DEBUG_TSTATE_HEAD = 12, DEBUG_N };

/* How a suspended coroutine is told (pycore_frame.h, enum _framestate, and struct _PyInterpreterFrame). */
struct await_row {
	uint32_t version;
	int8_t created, executing; /* between the two: suspended; above: over */
	uint8_t depth; /* what it awaits is the so-manyth value from the top (Objects/genobject.c, _PyGen_yf) */
	bool stack_pointer; /* the frame keeps the address behind its value stack's top; else the number of values, before the first */
};

static const struct await_row rows[] = {
	{ 0x030b, -2, 0, 1, false }, { 0x030c, -2, 0, 1, false }, { 0x030d, -3, 0, 1, false }, /* headers of 3.11.7, 3.12.1, 3.13.0 */
	{ 0x030e, -3, 0, 1, true }, { 0x030f, 0, 4, 2, true }, /* 3.14.10, 3.14.4t, 3.15.2: live */
};

static const struct await_row *row_of(const struct layout *l)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].version == l->version)
			return &rows[i];
	return NULL;
}

static uint64_t main_interp(const struct runtime *r)
{
	return r->interps[r->n_interps - 1].interp;
}

static uint64_t head_bytes(const struct layout *l)
{
	return l->object_type + 8;
}

static bool is_task(const struct task_list *s, uint64_t object)
{
	const struct layout *l = s->r->layout;
	uint64_t type;

	if (mem_u64(s->mem, object + l->object_type, &type) != 0)
		return false;
	for (int i = 0; i < BASES_MAX && type; i++) {
		if (type == s->task_type)
			return true;
		if (mem_u64(s->mem, type + l->type_name + TP_BASE, &type) != 0)
			return false;
	}
	return false;
}

int task_list_begin(struct task_list *ret, const struct runtime *r, const struct mem *mem)
{
	uint64_t names, task_type;

	if (r->layout->interp_modules == NO_FIELD)
		return TASK_LIST_NOT_READ;
	if (!r->n_interps || tasks_module_names(r->layout, mem, main_interp(r), "_asyncio", &names) != 0)
		return TASK_LIST_NO_ASYNCIO;
	if (!row_of(r->layout) || !r->walk.tasks.coro)
		return TASK_LIST_NOT_READ;
	if (dict_find(r->layout, mem, names, "Task", &task_type) != 0)
		return TASK_LIST_TORN;
	*ret = (struct task_list){ r, mem, task_type, names };
	return 0;
}

struct listing {
	const struct task_list *of;
	uint64_t *out;
	unsigned max, n;
	bool more;
};

static void add(struct listing *s, uint64_t task)
{
	if (!is_task(s->of, task))
		return;
	if (s->n == s->max)
		s->more = true;
	else
		s->out[s->n++] = task;
}

/* --- 3.14 and newer: struct llist_node, { next, prev }, in a ring ---------------------------------------------------------- */

static int walk_ring(struct listing *s, uint64_t head, uint64_t node_in_task)
{
	uint64_t node[2], at = head;

	for (unsigned i = 0; i <= TASK_LIST_MAX; i++) {
		uint64_t before = at;

		if (mem_read(s->of->mem, at, node, sizeof(node)) != 0 || (i && node[1] == 0))
			return TASK_LIST_TORN;
		if (!node[0]) /* of a thread that has no list yet */
			return i ? TASK_LIST_TORN : 0;
		at = node[0];
		if (at == head)
			return 0;
		if (mem_read(s->of->mem, at, node, sizeof(node)) != 0 || node[1] != before)
			return TASK_LIST_TORN;
		add(s, at - node_in_task);
	}
	s->more = true;
	return 0;
}

static int walk_interp(struct listing *s, uint64_t interp, const uint64_t *t)
{
	struct thread_walk w;
	struct py_thread thread;
	int r = walk_ring(s, interp + t[DEBUG_INTERP_HEAD], t[DEBUG_TASK_NODE]);

	if (r == 0)
		r = thread_walk_begin(&w, s->of->r->layout, s->of->mem, interp);
	while (r == 0 && (r = thread_walk_next(&w, &thread)) == 0)
		r = walk_ring(s, thread.tstate + t[DEBUG_TSTATE_HEAD], t[DEBUG_TASK_NODE]);
	return r == THREADS_END ? 0 : r > 0 ? TASK_LIST_TORN : r;
}

static int read_rings(struct listing *s)
{
	uint64_t t[DEBUG_N];
	int r = s->of->r->task_table ? mem_read(s->of->mem, s->of->r->task_table, t, sizeof(t)) : TASK_LIST_NOT_READ;

	if (r != 0)
		return r;
	if (t[DEBUG_TASK_SIZE] > 4096 || t[DEBUG_TASK_NODE] > t[DEBUG_TASK_SIZE] || t[DEBUG_INTERP_SIZE] > 1U << 24 ||
	    t[DEBUG_INTERP_HEAD] > t[DEBUG_INTERP_SIZE] || t[DEBUG_TSTATE_SIZE] > UINT16_MAX || t[DEBUG_TSTATE_HEAD] > t[DEBUG_TSTATE_SIZE])
		return -EPROTO;
	for (unsigned i = 0; i < s->of->r->n_interps && r == 0; i++)
		r = walk_interp(s, s->of->r->interps[i].interp, t);
	return r;
}

/* --- 3.11 to 3.13: WeakSet.data, a set of weak references (Objects/setobject.c: fill, used, mask, table) ------------------- */

static void add_reference(struct listing *s, uint64_t reference)
{
	uint64_t task;

	if (reference && mem_u64(s->of->mem, reference + head_bytes(s->of->r->layout), &task) == 0)
		add(s, task);
}

static int read_set(struct listing *s, uint64_t set)
{
	uint64_t head[4], slots[2 * SET_BATCH];
	int r = mem_read(s->of->mem, set + head_bytes(s->of->r->layout), head, sizeof(head));

	if (r != 0)
		return r;
	if (head[2] >= SET_SLOTS_MAX)
		return TASK_LIST_TORN;
	for (uint64_t i = 0; i <= head[2] && r == 0; i += SET_BATCH) {
		uint64_t n = head[2] + 1 - i < SET_BATCH ? head[2] + 1 - i : SET_BATCH;

		r = mem_read(s->of->mem, head[3] + i * SET_ENTRY, slots, n * SET_ENTRY);
		for (uint64_t k = 0; k < n && r == 0; k++)
			add_reference(s, slots[2 * k]);
	}
	return r;
}

static int read_weak_set(struct listing *s)
{
	static const char *const names[] = { "_scheduled_tasks", "_all_tasks" }; /* 3.12 and 3.13; 3.11 */
	const struct layout *l = s->of->r->layout;
	uint64_t weak_set, set;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (dict_find(l, s->of->mem, s->of->module_names, names[i], &weak_set) == 0)
			return instance_attribute(l, s->of->mem, weak_set, "data", &set) == 0 ? read_set(s, set) : TASK_LIST_TORN;
	return TASK_LIST_NOT_READ;
}

int task_list_read(const struct task_list *l, uint64_t *ret, unsigned max, unsigned *ret_n, bool *ret_more)
{
	struct listing s = { .of = l, .out = ret, .max = max };
	int err = l->r->walk.tasks.tstate_task ? read_rings(&s) : read_weak_set(&s);

	if (err < 0)
		return err;
	*ret_n = s.n;
	*ret_more = s.more;
	return err;
}

/* --- one task ---------------------------------------------------------------------------------------------------------------- */

/* A string that may end just before memory that is not there. */
static void read_text(const struct mem *mem, uint64_t text, char *ret, size_t size)
{
	size_t to_page_end = PAGE - text % PAGE, first = to_page_end < size - 1 ? to_page_end : size - 1;

	memset(ret, 0, size);
	if (mem_read(mem, text, ret, first) == 0 && first < size - 1 && !memchr(ret, 0, first))
		mem_read(mem, text + first, ret + first, size - 1 - first);
}

static void read_type_name(const struct layout *l, const struct mem *mem, uint64_t object, char ret[TASK_TYPE_MAX])
{
	uint64_t type, text;
	char *dot;

	ret[0] = 0;
	if (mem_u64(mem, object + l->object_type, &type) != 0 || mem_u64(mem, type + l->type_name, &text) != 0)
		return;
	read_text(mem, text, ret, TASK_TYPE_MAX);
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	dot = strrchr(ret, '.');
	if (dot)
		memmove(ret, dot + 1, strlen(dot));
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* Without the GIL each thread has its own copy of the bytecode, as in frame_walk.h. */
static uint64_t bytecode_of(const struct walk_layout *w, const struct mem *mem, uint64_t frame, uint64_t code)
{
	uint64_t list, own;
	uint32_t index;

	if (w->frame_tlbc >= WALK_SPAN || mem_u32(mem, frame + w->frame_tlbc, &index) != 0 || !index || index > WALK_TLBC_MAX ||
	    mem_u64(mem, code + w->code_tlbc, &list) != 0 || mem_u64(mem, list + 8 + 8 * (uint64_t)index, &own) != 0 || !own)
		return code + w->code_bytecode;
	return own;
}

static int read_frame(const struct walk_layout *w, const struct mem *mem, uint64_t frame, struct ev_frame *ret)
{
	uint64_t code, instr, at;
	uint32_t line;

	if (mem_u64(mem, frame + w->frame_code, &code) != 0 || mem_u64(mem, frame + w->frame_instr, &instr) != 0)
		return -EFAULT;
	code &= ~(uint64_t)w->code_tag_mask;
	if (mem_u32(mem, code + w->code_firstlineno, &line) != 0)
		return -EFAULT;
	at = instr - bytecode_of(w, mem, frame, code);
	*ret = (struct ev_frame){ .code = code, .lasti = at > 0x3ffffff ? -1 : (int32_t)at, .check = line };
	return 0;
}

/* What a suspended frame awaits lies on top of its values. */
static uint64_t awaited_by(const struct runtime *r, const struct mem *mem, uint64_t frame)
{
	const struct layout *l = r->layout;
	uint64_t top, value;
	uint32_t n;

	if (row_of(l)->stack_pointer) {
		if (mem_u64(mem, frame + r->walk.frame_instr + 8, &top) != 0 || top - frame > UINT32_MAX)
			return 0;
	} else {
		if (mem_u32(mem, frame + l->frame_locals - 8, &n) != 0 || !n || n > UINT16_MAX)
			return 0;
		top = frame + l->frame_locals + (uint64_t)n * 8;
	}
	return mem_u64(mem, top - 8 * (uint64_t)row_of(l)->depth, &value) == 0 ? value & ~(uint64_t)7 : 0;
}

/* The end of a chain of coroutines: a future, or what leads to one. */
static void note_awaited(const struct task_list *s, uint64_t object, struct task_seen *ret)
{
	const struct layout *l = s->r->layout;
	uint64_t future;

	read_type_name(l, s->mem, object, ret->awaits);
	if (strcmp(ret->awaits, "FutureIter") != 0 || mem_u64(s->mem, object + head_bytes(l), &future) != 0)
		return;
	read_type_name(l, s->mem, future, ret->awaits);
	if (is_task(s, future))
		ret->awaited_task = future;
}

static enum task_state state_of(const struct await_row *row, int8_t frame_state)
{
	if (frame_state == row->created)
		return TASK_NEW;
	return frame_state > row->created && frame_state < row->executing ? TASK_SUSPENDED : TASK_RUNS;
}

/* From the task's own coroutine inwards; frames are put outermost first.  0, TASK_OVER or -errno */
static int follow(const struct task_list *s, uint64_t object, struct task_seen *ret)
{
	static const char *const frames[] = { "coroutine", "generator", "async_generator", NULL }; /* PyGenObject, each of them */
	static const char *const steps[] = { "coroutine_wrapper", "async_generator_asend", "async_generator_athrow", NULL };
	const struct runtime *r = s->r;
	char type[TASK_TYPE_MAX];

	for (unsigned i = 0; i < 2 * TASK_FRAMES_MAX && object; i++) {
		uint64_t frame = object + r->walk.tasks.coro_frame;
		enum task_state state;
		int8_t frame_state;

		read_type_name(r->layout, s->mem, object, type);
		if (is_one_of(type, steps)) {
			if (mem_u64(s->mem, object + head_bytes(r->layout), &object) != 0)
				return 0;
			continue;
		}
		if (!is_one_of(type, frames)) {
			note_awaited(s, object, ret);
			return 0;
		}
		if (mem_read(s->mem, frame - STATE_BEFORE_FRAME, &frame_state, 1) != 0)
			return -EFAULT;
		state = state_of(row_of(r->layout), frame_state);
		if (!ret->n)
			ret->state = state;
		if (frame_state > row_of(r->layout)->executing)
			return ret->n ? 0 : TASK_OVER;
		if (ret->n == TASK_FRAMES_MAX) {
			ret->cut = true;
			return 0;
		}
		if (read_frame(&r->walk, s->mem, frame, &ret->frames[ret->n]) != 0)
			return -EFAULT;
		ret->n++;
		object = state == TASK_SUSPENDED ? awaited_by(r, s->mem, frame) : 0;
	}
	return 0;
}

void task_list_name(const struct task_list *l, uint64_t task, struct ev_frame *ret)
{
	uint64_t name;

	if (mem_u64(l->mem, task + l->r->walk.tasks.name, &name) != 0)
		name = 0;
	frames_task_name(&l->r->walk, l->mem, name, ret);
}

int task_list_look(const struct task_list *l, uint64_t task, struct task_seen *ret)
{
	struct task_seen seen = { 0 };
	uint64_t coro;
	int err;

	if (!is_task(l, task) || mem_u64(l->mem, task + l->r->walk.tasks.coro, &coro) != 0 || !coro)
		return TASK_OVER;
	err = follow(l, coro, &seen);
	if (err != 0)
		return err;
	for (unsigned i = 0; i < seen.n / 2; i++) {
		struct ev_frame f = seen.frames[i];

		seen.frames[i] = seen.frames[seen.n - 1 - i];
		seen.frames[seen.n - 1 - i] = f;
	}
	task_list_name(l, task, &seen.name);
	*ret = seen;
	return 0;
}
