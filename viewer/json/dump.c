/* See dump.h.  Anything not known is null, never 0 or "". */
#include "viewer/json/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "viewer/dump_snapshot.h"

static const char *const state_names[DUMP_STATES] = {
	[DUMP_HOLDS_GIL] = "holds_gil", [DUMP_HOLDS_GIL_BLOCKED] = "holds_gil_blocked", [DUMP_WAITS_GIL] = "wait_gil",
	[DUMP_WAITS_LOCK] = "wait_lock", [DUMP_BLOCKED] = "blocked", [DUMP_SLEEPS] = "sleep", [DUMP_RUNNING] = "running",
	[DUMP_STOPPED] = "stopped", [DUMP_UNKNOWN] = "unknown",
};

static json_t *text_or_null(const char *s)
{
	return s && s[0] ? json_string(s) : json_null();
}

static json_t *address(uint64_t a)
{
	return a ? json_sprintf("0x%" PRIx64, a) : json_null();
}

static json_t *frames_json(const struct dump_frame *frames, unsigned n)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < n; i++) {
		const struct dump_frame *f = &frames[i];

		json_t *frame = json_pack("{s:s, s:o, s:o}", "function", f->function, "file", f->resolved ? text_or_null(f->file) : json_null(),
					  "line", f->line ? json_integer(f->line) : json_null());

		if (f->native)
			json_object_set_new(frame, "native", json_true());
		json_array_append_new(array, frame);
	}
	return array;
}

static json_t *thread_json(const struct dump_thread *t)
{
	return json_pack("{s:i, s:o, s:o, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "tid", (int)t->tid, "name",
			 text_or_null(t->name), "comm", text_or_null(t->comm), "main", t->main, "python", t->python, "state",
			 state_names[t->state], "syscall", text_or_null(t->syscall), "lock", address(t->futex), "gil",
			 t->gil >= 0 ? json_integer(t->gil) : json_null(), "interpreter",
			 t->interp >= 0 ? json_integer(t->interp) : json_null(), "stack", frames_json(t->frames, t->n_frames), "truncated",
			 t->truncated, "torn", t->torn,
			 "waits_for", t->lock >= 0 ? json_integer(t->lock) : json_null(), "deadlock",
			 t->deadlock >= 0 ? json_integer(t->deadlock) : json_null());
}

static json_t *gil_json(const struct dump_snapshot *d, const struct dump_gil *gil, int index)
{
	json_t *interps = json_array(), *waiters = json_array();

	for (unsigned i = 0; i < gil->n_interps; i++)
		json_array_append_new(interps, json_integer(gil->interps[i]));
	for (unsigned i = 0; i < d->n_threads; i++)
		if (d->threads[i].gil == index && d->threads[i].state == DUMP_WAITS_GIL)
			json_array_append_new(waiters, json_integer(d->threads[i].tid));
	return json_pack("{s:i, s:o, s:o, s:b, s:o, s:o, s:b}", "id", index, "address", address(gil->address), "interpreters",
			 interps, "locked", gil->locked, "holder",
			 gil->holder >= 0 ? json_integer(d->threads[gil->holder].tid) : json_null(), "waiters", waiters,
			 "collecting_garbage", gil->collecting);
}

static json_t *lock_json(const struct dump_snapshot *d, const struct dump_lock *l, int index)
{
	static const char *const known[] = {
		[DUMP_OWNER_NONE] = "none", [DUMP_OWNER_UNKNOWN] = "unknown", [DUMP_OWNER_TOLD] = "told", [DUMP_OWNER_INFERRED] = "inferred",
	};
	json_t *waiters = json_array();

	for (unsigned i = 0; i < d->n_threads; i++)
		if (d->threads[i].lock == index)
			json_array_append_new(waiters, json_integer(d->threads[i].tid));
	return json_pack("{s:i, s:s, s:b, s:o, s:o, s:s, s:o, s:o}", "id", index, "kind", lock_kind_names[l->kind], "idle",
			 (int)lock_kind_idle(l->kind), "address", address(l->address), "name", text_or_null(l->name), "owner_known",
			 known[l->owner_known], "owner", l->owner >= 0 ? json_integer(d->threads[l->owner].tid) : json_null(), "waiters",
			 waiters);
}

/* The threads of a cycle, each waiting for what the next one has. */
static json_t *deadlock_json(const struct dump_snapshot *d, int number)
{
	json_t *tids = json_array();
	int first = 0, at;

	while (d->threads[first].deadlock != number)
		first++;
	at = first;
	do {
		const struct dump_thread *t = &d->threads[at];

		json_array_append_new(tids, json_integer(t->tid));
		at = t->state == DUMP_WAITS_GIL ? d->gils[t->gil].holder : d->locks[t->lock].owner;
	} while (at != first);
	return json_pack("{s:i, s:o}", "id", number, "threads", tids);
}

static json_t *task_json(const struct dump_task *t)
{
	static const char *const states[DUMP_TASK_STATES] = { [DUMP_TASK_WAITS] = "waiting", [DUMP_TASK_NEW] = "new", [DUMP_TASK_RUNS] = "running" };

	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", t->name, "state", states[t->state], "awaits", text_or_null(t->awaits), "stack",
			 frames_json(t->frames, t->n_frames), "truncated", t->cut);
}

/* null: not known, because asyncio is not imported or this version's tasks are not read. */
static json_t *tasks_json(const struct dump_snapshot *d)
{
	json_t *array;

	if (d->tasks_known < DUMP_TASKS_TORN)
		return json_null();
	array = json_array();
	for (unsigned i = 0; i < d->n_tasks; i++)
		json_array_append_new(array, task_json(&d->tasks[i]));
	return array;
}

int json_dump(FILE *out, const struct dump_snapshot *d)
{
	static const char *const known[DUMP_TASKS_KNOWN_N] = {
		[DUMP_TASKS_NONE] = "no_asyncio", [DUMP_TASKS_NOT_READ] = "not_read", [DUMP_TASKS_TORN] = "torn", [DUMP_TASKS_READ] = "read",
	};
	json_t *gils = json_array(), *threads = json_array(), *locks = json_array(), *deadlocks = json_array(), *root;
	int r;

	for (unsigned i = 0; i < d->n_gils; i++)
		json_array_append_new(gils, gil_json(d, &d->gils[i], (int)i));
	for (unsigned i = 0; i < d->n_threads; i++)
		json_array_append_new(threads, thread_json(&d->threads[i]));
	for (unsigned i = 0; i < d->n_locks; i++)
		json_array_append_new(locks, lock_json(d, &d->locks[i], (int)i));
	for (unsigned i = 0; i < d->n_deadlocks; i++)
		json_array_append_new(deadlocks, deadlock_json(d, (int)i));
	root = json_pack("{s:i, s:i, s:o, s:s, s:o, s:I, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:b}", "format", 1, "pid", (int)d->pid, "command",
			 text_or_null(d->command), "runtime", d->runtime, "module", text_or_null(d->module),
			 "switch_interval_ns", (json_int_t)d->switch_interval_ns, "consistent", d->consistent, "took_ns",
			 (json_int_t)d->took_ns, "gils", gils, "threads", threads, "locks", locks, "deadlocks", deadlocks,
			 "tasks", tasks_json(d), "tasks_known", known[d->tasks_known], "more_tasks", d->more_tasks);
	if (!root)
		return -ENOMEM;
	r = json_dumpf(root, out, JSON_INDENT(1));
	json_decref(root);
	return r != 0 || fputc('\n', out) == EOF ? -EIO : 0;
}
