/* Callbacks that stopped an event loop for long, by the line where they did and the task they were of. */
#include <string.h>

#include "core/analysis/summary_priv.h"

/* Of Python itself or installed into it: what the program's own code called. */
static bool is_library(const struct summary_frame *f)
{
	return strstr(f->file, "/lib/python") || f->file[0] == '<';
}

static bool is_task(const struct summary_frame *f)
{
	return strcmp(f->file, "asyncio") == 0 && strncmp(f->function, "task ", 5) == 0;
}

/* The innermost line that is the program's own; inside the callback, else the innermost of all. */
static void place_of(const struct summary_stack *stack, struct summary_stall *ret)
{
	for (unsigned i = 0; i < stack->n; i++) {
		const struct summary_frame *f = &stack->frames[i];

		if (is_task(f)) {
			ret->task = f;
			return;
		}
		if (!ret->own && !is_library(f))
			ret->own = i;
		if (strcmp(f->function, "Handle._run") == 0)
			return;
	}
}

static bool same_line(const struct summary_frame *a, const struct summary_frame *b)
{
	return a == b || (a && b && a->line == b->line && !strcmp(a->function, b->function) && !strcmp(a->file, b->file));
}

static const struct summary_frame *own_line(const struct summary_stall *s)
{
	return s->own < s->stack.n ? &s->stack.frames[s->own] : NULL;
}

static struct summary_stall *stall_of(struct load_proc *p, const struct summary_stall *like)
{
	for (size_t i = 0; i < p->stalls.n; i++)
		if (same_line(own_line(&p->stalls.items[i]), own_line(like)) && same_line(p->stalls.items[i].task, like->task))
			return &p->stalls.items[i];
	if (p->stalls.n == STALL_PLACES)
		return &p->stalls.items[STALL_PLACES - 1]; /* so many lines are no list to read */
	vec_push(&p->stalls, *like);
	return vec_last(&p->stalls);
}

static int on_stall(void *ctx, const struct stall *row)
{
	struct loader *l = ctx;
	struct load_thread *t = loader_thread(l, row->thread);
	struct load_proc *p = t ? loader_proc(l, t->proc) : NULL;
	uint64_t ns = row->t1_ns - row->t0_ns;
	struct summary_stall like = { .stack = summary_stack(l, row->stack) }, *s;

	if (!p || ns < STALL_LONG_NS)
		return 0;
	place_of(&like.stack, &like);
	s = stall_of(p, &like);
	s->n++;
	s->ns += ns;
	s->wait_gil_ns += row->wait_gil_ns;
	s->asleep_ns += row->asleep_ns;
	s->runnable_ns += row->runnable_ns;
	if (ns > s->max_ns) {
		s->max_ns = ns;
		s->place = summary_place(l, row->t0_ns, row->t1_ns, row->thread, MODEL_NONE);
	}
	return 0;
}

static int costliest_first(const void *a, const void *b)
{
	const struct summary_stall *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

int summary_stalls_load(struct loader *l)
{
	int err = reader_stalls(l->r, on_stall, l);

	for (uint32_t i = 0; i < l->n_procs && !err; i++) {
		struct load_proc *p = &l->procs[i];

		vec_sort(&p->stalls, costliest_first);
		p->process.n_stalls = p->stalls.n;
		p->process.stalls = arena_array(l->arena, p->stalls.n, sizeof(*p->process.stalls));
		if (p->stalls.n)
			memcpy(p->process.stalls, p->stalls.items, p->stalls.n * sizeof(*p->process.stalls));
	}
	return err;
}
