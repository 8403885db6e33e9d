/* See dump.h. */
#include "viewer/text/dump.h"

#include <inttypes.h>

#include "core/util/human.h"
#include "viewer/dump_snapshot.h"

struct paint {
	const char *strong, *bad, *dim, *plain;
};

static const struct paint painted = { "\033[1m", "\033[31m", "\033[2m", "\033[0m" };
static const struct paint unpainted = { "", "", "", "" };

static void print_thread_ref(FILE *out, const struct dump_thread *t)
{
	fprintf(out, "%d", t->tid);
	if (t->name[0] || t->comm[0])
		fprintf(out, " \"%s\"", t->name[0] ? t->name : t->comm);
}

static void print_state(FILE *out, const struct dump_thread *t)
{
	static const char *const words[DUMP_STATES] = {
		[DUMP_HOLDS_GIL] = "holds the GIL", [DUMP_HOLDS_GIL_BLOCKED] = "HOLDS THE GIL while blocked",
		[DUMP_WAITS_GIL] = "waits for the GIL", [DUMP_WAITS_LOCK] = "waits", [DUMP_BLOCKED] = "blocked",
		[DUMP_SLEEPS] = "sleeping", [DUMP_RUNNING] = "running without the GIL", [DUMP_STOPPED] = "stopped",
		[DUMP_UNKNOWN] = "asleep",
	};

	fputs(t->state == DUMP_RUNNING && !t->python ? "running" : words[t->state], out);
	if (t->state == DUMP_WAITS_LOCK && t->lock < 0)
		fprintf(out, " (futex 0x%" PRIx64 ")", t->futex);
	else if (t->state != DUMP_WAITS_GIL && t->state != DUMP_WAITS_LOCK && t->syscall)
		fprintf(out, " in %s", t->syscall);
	else if (t->state != DUMP_WAITS_GIL && t->state != DUMP_WAITS_LOCK && t->nr >= 0)
		fprintf(out, " in system call %d", t->nr);
}

static void print_stack(FILE *out, const struct dump_frame *frames, unsigned n, const struct paint *p)
{
	for (const struct dump_frame *f = frames; f < frames + n; f++) {
		fprintf(out, "    %s", f->function);
		if (f->resolved && f->line)
			fprintf(out, "  %s%s:%" PRIu32 "%s", p->dim, f->file, f->line, p->plain);
		else if (f->resolved)
			fprintf(out, "  %s%s%s", p->dim, f->file, p->plain);
		fputc('\n', out);
	}
}

static void print_frames(FILE *out, const struct dump_thread *t, const struct paint *p)
{
	print_stack(out, t->frames, t->n_frames, p);
	if (t->truncated)
		fprintf(out, "    … (deeper frames were not read)\n");
	if (t->torn)
		fprintf(out, "    (it ran while it was read: this stack may mix two moments)\n");
}

static void print_gil(FILE *out, const struct dump_snapshot *d, const struct dump_gil *gil, int index, const struct paint *p)
{
	const char *comma = "";

	fprintf(out, "%sGIL%s of interpreter", p->strong, p->plain);
	for (unsigned i = 0; i < gil->n_interps; i++) {
		fprintf(out, "%s %" PRId64, comma, gil->interps[i]);
		comma = ",";
	}
	fputs(": ", out);
	if (!gil->locked) {
		fputs("free", out);
	} else if (gil->holder >= 0) {
		fputs("held by ", out);
		print_thread_ref(out, &d->threads[gil->holder]);
		if (d->threads[gil->holder].state == DUMP_HOLDS_GIL_BLOCKED)
			fprintf(out, ", %sblocked in %s%s", p->bad,
				d->threads[gil->holder].syscall ? d->threads[gil->holder].syscall : "a system call", p->plain);
	} else {
		fputs("held by a thread that could not be told", out);
	}
	if (gil->collecting)
		fputs(", collecting garbage", out);
	fprintf(out, "; %u waiting", gil->waiters);
	comma = ": ";
	for (unsigned i = 0; i < d->n_threads && gil->waiters; i++) {
		if (d->threads[i].gil != index || d->threads[i].state != DUMP_WAITS_GIL)
			continue;
		fputs(comma, out);
		print_thread_ref(out, &d->threads[i]);
		comma = ", ";
	}
	fputc('\n', out);
	if (gil->locked && gil->holder >= 0)
		print_frames(out, &d->threads[gil->holder], p);
}

static void print_lock(FILE *out, const struct dump_lock *l)
{
	static const char *const words[LOCK_KIND_N] = {
		[LOCK_FUTEX] = "a lock", [LOCK_MUTEX] = "a mutex of native code", [LOCK_PROCESS] = "a lock that processes share",
		[LOCK_LOCK] = "Lock", [LOCK_RLOCK] = "RLock", [LOCK_SEMAPHORE] = "a semaphore", [LOCK_IMPORT] = "an import by another thread",
		[LOCK_CONDITION] = "a condition", [LOCK_EVENT] = "an event", [LOCK_BARRIER] = "a barrier", [LOCK_QUEUE_GET] = "something in a queue",
		[LOCK_QUEUE_PUT] = "room in a queue", [LOCK_QUEUE_JOIN] = "the end of a queue's work", [LOCK_JOIN] = "the end of a thread",
		[LOCK_FUTURE] = "a future", [LOCK_PYMUTEX] = "a mutex of the interpreter", [LOCK_OBJECT] = "the lock of an object",
		[LOCK_SECTION] = "a critical section", [LOCK_STW] = "the world to go on", [LOCK_STW_REQUEST] = "all others to stop",
	};

	fputs(words[l->kind] ? words[l->kind] : "a lock", out);
	if (l->name[0])
		fprintf(out, " %s", l->name);
	else
		fprintf(out, " (futex 0x%" PRIx64 ")", l->address);
}

static void print_wait(FILE *out, const struct dump_snapshot *d, const struct dump_thread *t)
{
	const struct dump_lock *l = t->lock >= 0 ? &d->locks[t->lock] : NULL;

	if (!l)
		return;
	fputs(t->state == DUMP_WAITS_LOCK ? " for " : ", waits for ", out);
	print_lock(out, l);
	if (l->owner >= 0) {
		fputs(", which ", out);
		print_thread_ref(out, &d->threads[l->owner]);
		fputs(l->owner_known == DUMP_OWNER_INFERRED ? " has (inferred: it is inside its with block)" : " has", out);
	} else if (l->owner_known == DUMP_OWNER_UNKNOWN) {
		fputs(l->kind == LOCK_LOCK ? ", owner unknown (a Lock does not keep it)" : ", owner unknown", out);
	}
}

/* The next thread round the cycle: who has what this one waits for. */
static int next_in_cycle(const struct dump_snapshot *d, const struct dump_thread *t)
{
	return t->state == DUMP_WAITS_GIL ? d->gils[t->gil].holder : d->locks[t->lock].owner;
}

static void print_deadlock(FILE *out, const struct dump_snapshot *d, int number, const struct paint *p)
{
	unsigned first = 0;
	int at;

	while (d->threads[first].deadlock != number)
		first++;
	fprintf(out, "%sDEADLOCK %d%s\n", p->bad, number + 1, p->plain);
	at = (int)first;
	do {
		const struct dump_thread *t = &d->threads[at];

		fputs("  thread ", out);
		print_thread_ref(out, t);
		fputs(" waits for ", out);
		if (t->state == DUMP_WAITS_GIL)
			fputs("the GIL", out);
		else
			print_lock(out, &d->locks[t->lock]);
		at = next_in_cycle(d, t);
		fputs(", which ", out);
		print_thread_ref(out, &d->threads[at]);
		fputs(t->state != DUMP_WAITS_GIL && d->locks[t->lock].owner_known == DUMP_OWNER_INFERRED ?
		      " has (inferred: it is inside its with block)\n" : " has\n", out);
		print_frames(out, t, p);
	} while (at != (int)first);
}

static void print_thread(FILE *out, const struct dump_snapshot *d, const struct dump_thread *t, const struct paint *p)
{
	fprintf(out, "\n%sthread ", p->strong);
	print_thread_ref(out, t);
	fprintf(out, "%s", p->plain);
	if (t->main)
		fputs(" (main)", out);
	if (d->n_gils > 1 && t->interp >= 0)
		fprintf(out, " (interpreter %" PRId64 ")", t->interp);
	fputs(": ", out);
	print_state(out, t);
	print_wait(out, d, t);
	if (t->deadlock >= 0)
		fprintf(out, ", %sin deadlock %d%s", p->bad, t->deadlock + 1, p->plain);
	if (!t->python)
		fputs(" (no Python state)", out);
	fputc('\n', out);
	print_frames(out, t, p);
}

static void print_task(FILE *out, const struct dump_task *t, const struct paint *p)
{
	static const char *const words[DUMP_TASK_STATES] = {
		[DUMP_TASK_WAITS] = "waits", [DUMP_TASK_NEW] = "has not begun", [DUMP_TASK_RUNS] = "runs",
	};

	fprintf(out, "\n%s%s%s: %s", p->strong, t->name, p->plain, words[t->state]);
	if (t->state == DUMP_TASK_WAITS && t->awaits[0])
		fprintf(out, " for %s", t->awaits);
	fputc('\n', out);
	print_stack(out, t->frames, t->n_frames, p);
	if (t->cut)
		fprintf(out, "    … (more coroutines inside were not read)\n");
}

static void print_tasks(FILE *out, const struct dump_snapshot *d, const struct paint *p)
{
	if (d->tasks_known == DUMP_TASKS_NONE)
		return;
	fprintf(out, "\n%sasyncio%s: ", p->strong, p->plain);
	if (d->tasks_known == DUMP_TASKS_NOT_READ) {
		fputs("tasks are not read of this version\n", out);
		return;
	}
	fprintf(out, "%u %s%s\n", d->n_tasks, d->n_tasks == 1 ? "task" : "tasks",
		d->tasks_known == DUMP_TASKS_TORN ? ", and perhaps others: the list changed while it was read" :
		d->more_tasks ? ", and others that were not read" : "");
	for (unsigned i = 0; i < d->n_tasks; i++)
		print_task(out, &d->tasks[i], p);
}

void text_dump(FILE *out, const struct dump_snapshot *d, bool color)
{
	const struct paint *p = color ? &painted : &unpainted;
	char interval[HUMAN_LEN] = "none", took[HUMAN_LEN];

	if (d->switch_interval_ns)
		human_ns(interval, d->switch_interval_ns);
	fprintf(out, "pid %d: %s\n%s, %s, switch interval %s, %u threads, read in %s\n\n", d->pid, d->command, d->runtime,
		d->module, interval, d->n_threads, human_ns(took, d->took_ns));
	for (unsigned i = 0; i < d->n_gils; i++)
		print_gil(out, d, &d->gils[i], (int)i, p);
	if (!d->consistent)
		fputs("(the GIL changed hands while it was read: holder and stacks may be of two moments)\n", out);
	for (unsigned i = 0; i < d->n_deadlocks; i++)
		print_deadlock(out, d, (int)i, p);
	for (unsigned i = 0; i < d->n_threads; i++)
		print_thread(out, d, &d->threads[i], p);
	print_tasks(out, d, p);
}
