/* See dump_take.h.  The target runs meanwhile.  One pass reads the GILs, the threads with their stacks, and the GILs
 * again; when a GIL changed hands in between, the pass is repeated, at last shown as it is and marked. */
#include "agent/dump_take.h"

#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dump_locks.h"
#include "agent/dump_native.h"
#include "agent/dump_tasks.h"
#include "core/base/clock.h"
#include "core/base/syscall_names.h"
#include "core/interp/frames.h"
#include "core/interp/gil.h"
#include "core/interp/layout.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

#define PASSES 6
#define STACK_TRIES 3
#define NR_FUTEX 202 /* x86-64 */
#define MAX_GILS RUNTIME_MAX_INTERPS


struct dump {
	struct dump_snapshot shown;
	struct target *target;
	struct symbols *symbols;
	struct dump_gil gils[MAX_GILS];
	struct gil_view views[MAX_GILS];
	uint64_t gc_flag[MAX_GILS];
	int64_t interp_ids[MAX_GILS][RUNTIME_MAX_INTERPS];
	struct target_thread *raw;
	struct dump_thread *threads;
	struct dump_frame **frames; /* per thread */
	struct ev_stack *stacks; /* per thread */
	struct dump_native *native; /* NULL: not asked for */
	struct arena_text *texts;
	struct dump_lock *locks;
	unsigned n_raw;
};

/* Escaped frame strings live as long as the dump. */
struct arena_text {
	struct arena_text *next;
	char s[];
};

static const char *keep_escaped(struct dump *d, const char *s)
{
	autostrbuf b = STRBUF_INIT;
	struct arena_text *text;

	escape_adds(&b, s);
	text = xmalloc(sizeof(*text) + b.n + 1);
	memcpy(text->s, b.s, b.n + 1);
	text->next = d->texts;
	d->texts = text;
	return text->s;
}

static void find_gils(struct dump *d)
{
	const struct runtime *rt = target_runtime(d->target);

	d->shown.n_gils = 0;
	for (unsigned i = rt->n_interps; i-- > 0;) { /* newest first there, the main interpreter first here */
		unsigned g = 0;

		if (!rt->interps[i].gil) /* not created yet, or switched off */
			continue;
		while (g < d->shown.n_gils && d->gils[g].address != rt->interps[i].gil)
			g++;
		if (g == d->shown.n_gils) {
			d->gils[g] = (struct dump_gil){ .address = rt->interps[i].gil, .holder = -1 };
			d->gc_flag[g] = rt->interps[i].gc_collecting;
			d->shown.n_gils++;
		}
		d->interp_ids[g][d->gils[g].n_interps++] = rt->interps[i].id;
		d->gils[g].interps = d->interp_ids[g];
	}
}

static int read_gils(struct dump *d, struct gil_view *ret)
{
	const struct runtime *rt = target_runtime(d->target);
	int r = 0;

	for (unsigned g = 0; g < d->shown.n_gils && r == 0; g++)
		r = gil_read(rt->layout, target_mem(d->target), d->gils[g].address, &ret[g]);
	return r;
}

static bool same_hands(const struct dump *d, const struct gil_view *now)
{
	for (unsigned g = 0; g < d->shown.n_gils; g++)
		if (d->views[g].locked != now[g].locked || d->views[g].switch_number != now[g].switch_number ||
		    (now[g].locked == 1 && d->views[g].last_holder != now[g].last_holder))
			return false;
	return true;
}

/* Same calls; where the leaf stands in its code moves all the time and tears nothing. */
static bool same_calls(const struct ev_stack *a, const struct ev_stack *b)
{
	for (unsigned i = 0; a->n == b->n && i < a->n; i++)
		if (a->frames[i].code != b->frames[i].code || (i > 0 && a->frames[i].lasti != b->frames[i].lasti))
			return false;
	return a->n == b->n;
}

/* Stacks that read the same twice are of one moment, as far as reading can tell. */
static void read_stack(struct dump *d, unsigned i)
{
	const struct runtime *rt = target_runtime(d->target);
	struct ev_stack *stack = &d->stacks[i], *before = xmalloc(sizeof(*before));
	bool whole = false;

	for (int attempt = 0; attempt < STACK_TRIES && !whole; attempt++) {
		if (attempt > 0)
			*before = *stack;
		frames_read(&rt->walk, target_mem(d->target), d->raw[i].tstate, 0, stack);
		if (!(stack->h.flags & EV_F_TORN))
			whole = d->raw[i].state != 'R' || (attempt > 0 && same_calls(before, stack));
	}
	if (!whole)
		stack->h.flags |= EV_F_TORN;
	free(before);
}

static int read_pass(struct dump *d, bool *ret_same)
{
	struct gil_view now[MAX_GILS];
	int r = read_gils(d, d->views);

	if (r < 0)
		return r;
	free(d->raw);
	free(d->stacks);
	d->raw = NULL;
	d->stacks = NULL;
	r = target_threads(d->target, true, &d->raw, &d->n_raw);
	if (r < 0)
		return r;
	d->stacks = xcalloc(d->n_raw ? d->n_raw : 1, sizeof(*d->stacks));
	for (unsigned i = 0; i < d->n_raw; i++)
		if (d->raw[i].tstate)
			read_stack(d, i);
	r = read_gils(d, now);
	*ret_same = r == 0 && same_hands(d, now);
	return r;
}

static int gil_slept_on(const struct dump *d, const struct target_thread *raw)
{
	for (unsigned g = 0; raw->gil && g < d->shown.n_gils; g++)
		if (raw->gil == d->gils[g].address)
			return (int)g;
	return -1;
}

static int gil_held_by(const struct dump *d, const struct target_thread *raw)
{
	for (unsigned g = 0; raw->tstate && g < d->shown.n_gils; g++)
		if (d->views[g].locked == 1 && d->views[g].last_holder == raw->tstate)
			return (int)g;
	return -1;
}

static void set_state(struct dump *d, struct dump_thread *t, const struct target_thread *raw)
{
	int waits = gil_slept_on(d, raw), holds = gil_held_by(d, raw);

	t->futex = raw->nr == NR_FUTEX ? raw->arg0 : 0;
	t->nr = raw->nr;
	t->syscall = syscall_name(raw->nr);
	t->gil = waits >= 0 ? waits : holds;
	if (waits >= 0)
		t->state = DUMP_WAITS_GIL;
	else if (holds >= 0)
		t->state = raw->state == 'R' || raw->nr < 0 ? DUMP_HOLDS_GIL : DUMP_HOLDS_GIL_BLOCKED;
	else if (raw->state == 'R')
		t->state = DUMP_RUNNING;
	else if (raw->state == 'T' || raw->state == 't')
		t->state = DUMP_STOPPED;
	else if (raw->nr == NR_FUTEX)
		t->state = DUMP_WAITS_LOCK;
	else if (syscall_is_sleep(raw->nr))
		t->state = DUMP_SLEEPS;
	else
		t->state = raw->nr >= 0 ? DUMP_BLOCKED : DUMP_UNKNOWN;
}

static int64_t interp_id(const struct dump *d, uint64_t interp)
{
	const struct runtime *rt = target_runtime(d->target);

	for (unsigned i = 0; i < rt->n_interps; i++)
		if (rt->interps[i].interp == interp)
			return rt->interps[i].id;
	return -1;
}

static void show_native_frame(struct dump *d, struct dump_frame *f, const struct unwound_frame *native, const struct unwound *names)
{
	f->function = keep_escaped(d, unwound_text(names, native->function));
	f->file = keep_escaped(d, unwound_text(names, native->file));
	f->resolved = f->native = true;
}

static void show_frame(void *dump, const struct ev_frame *frame, struct dump_frame *ret)
{
	struct dump *d = dump;
	struct symbol symbol;

	symbols_frame(d->symbols, frame, &symbol);
	*ret = (struct dump_frame){ keep_escaped(d, symbol.function), keep_escaped(d, symbol.file), symbol.line, symbol.resolved, false };
}

static void show_frames(struct dump *d, unsigned i)
{
	const struct ev_stack *stack = &d->stacks[i];
	const struct native_stack *merged = NULL;
	const struct unwound *names = NULL;
	struct dump_thread *t = &d->threads[i];

	if (d->native && dump_native_read(d->native, &d->raw[i], stack, &merged, &names))
		stack = &merged->stack;
	d->frames[i] = xcalloc(stack->n ? stack->n : 1, sizeof(*d->frames[i]));
	for (unsigned k = 0; k < stack->n; k++) {
		struct dump_frame *f = &d->frames[i][k];

		if (merged && merged->native[k]) {
			show_native_frame(d, f, merged->native[k], names);
			t->n_below += t->n_below == k;
			continue;
		}
		show_frame(d, &stack->frames[k], f);
	}
	t->frames = d->frames[i];
	t->n_frames = stack->n;
	t->truncated = stack->h.flags & EV_F_TRUNCATED;
	t->torn = stack->h.flags & EV_F_TORN;
}

static const char *keep(void *ctx, const char *text)
{
	return keep_escaped(ctx, text);
}

static void show_locks(struct dump *d)
{
	const struct dump_wait_input in = { .target = d->target, .raw = d->raw, .gils = d->gils, .n_threads = d->n_raw, .keep = keep, .ctx = d };

	d->shown.n_locks = dump_locks_find(&in, d->threads, &d->locks);
	d->shown.locks = d->locks;
	d->shown.n_deadlocks = dump_deadlocks_find(&in, d->threads, d->locks);
}

static void show_tasks(struct dump *d)
{
	const struct dump_task_input in = { .target = d->target, .keep = keep, .frame = show_frame, .ctx = d };

	dump_tasks_find(&in, &d->shown);
}

static void show(struct dump *d)
{
	const struct runtime *rt = target_runtime(d->target);

	d->threads = xcalloc(d->n_raw ? d->n_raw : 1, sizeof(*d->threads));
	d->frames = xcalloc(d->n_raw ? d->n_raw : 1, sizeof(*d->frames));
	for (unsigned i = 0; i < d->n_raw; i++) {
		const struct target_thread *raw = &d->raw[i];
		struct dump_thread *t = &d->threads[i];

		*t = (struct dump_thread){ .tid = raw->tid, .name = raw->name, .comm = raw->comm };
		t->main = raw->tid == target_pid(d->target);
		t->python = raw->tstate != 0;
		t->interp = interp_id(d, raw->interp);
		set_state(d, t, raw);
		if (t->state == DUMP_WAITS_GIL)
			d->gils[t->gil].waiters++;
		else if (t->gil >= 0)
			d->gils[t->gil].holder = (int)i;
		show_frames(d, i);
	}
	for (unsigned g = 0; g < d->shown.n_gils; g++) {
		uint32_t collecting = 0;

		d->gils[g].locked = d->views[g].locked == 1;
		if (d->gc_flag[g] && mem_u32(target_mem(d->target), d->gc_flag[g], &collecting) == 0)
			d->gils[g].collecting = d->gils[g].locked && collecting == 1;
	}
	show_tasks(d);
	show_locks(d);
	d->shown.pid = target_pid(d->target);
	d->shown.command = target_command(d->target)[0] ? target_command(d->target) : target_name(d->target);
	d->shown.runtime = rt->version;
	d->shown.module = target_module(d->target);
	d->shown.switch_interval_ns = rt->switch_interval_ns;
	d->shown.gils = d->gils;
	d->shown.threads = d->threads;
	d->shown.n_threads = d->n_raw;
}

int dump_take(struct dump **ret, struct target *t, bool native, struct fail *why)
{
	struct dump *d = xcalloc(1, sizeof(*d));
	uint64_t from = clock_now_ns();
	int r = 0;

	d->target = t;
	d->symbols = symbols_new(t);
	d->native = native ? dump_native_new(t) : NULL;
	find_gils(d);
	for (int pass = 0; pass < PASSES && r == 0 && !d->shown.consistent; pass++)
		r = read_pass(d, &d->shown.consistent);
	if (r < 0) {
		dump_free(d);
		return fail_set(why, r, FAIL_ATTACH, "could not read pid %d: %s", target_pid(t),
				target_alive(t) ? strerror(-r) : "it has ended");
	}
	show(d);
	d->shown.took_ns = clock_now_ns() - from;
	*ret = d;
	return 0;
}

const struct dump_snapshot *dump_snapshot(const struct dump *d)
{
	return &d->shown;
}

void dump_free(struct dump *d)
{
	if (!d)
		return;
	dump_tasks_free(&d->shown);
	for (unsigned i = 0; d->frames && i < d->n_raw; i++)
		free(d->frames[i]);
	while (d->texts) {
		struct arena_text *next = d->texts->next;

		free(d->texts);
		d->texts = next;
	}
	free(d->locks);
	free(d->frames);
	free(d->threads);
	free(d->stacks);
	free(d->raw);
	dump_native_free(d->native);
	symbols_free(d->symbols);
	free(d);
}
