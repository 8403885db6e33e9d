/* Every walker of core/interp over one memory, as text.  See image.h. */
#include <inttypes.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "core/interp/code.h"
#include "core/interp/frames.h"
#include "core/interp/gil.h"
#include "core/interp/layout.h"
#include "core/interp/linetable.h"
#include "core/interp/runtime.h"
#include "core/interp/thread_names.h"
#include "core/interp/threads.h"
#include "tests/images/image.h"

struct name_search {
	uint64_t ident;
	char name[256];
};

static void note_name(void *ctx, uint64_t ident, const char *name)
{
	struct name_search *s = ctx;

	if (ident == s->ident)
		snprintf(s->name, sizeof(s->name), "%s", name);
}

static void write_frame(const struct runtime *rt, const struct mem *mem, const struct ev_frame *frame, FILE *out)
{
	char function[PYSTR_SIZE], file[PYSTR_SIZE];
	struct code_key key;
	uint8_t *table;
	size_t n;

	if (code_read_key(rt->layout, mem, frame->code, &key) != 0 || key.first_line != frame->check ||
	    code_read_names(rt->layout, mem, &key, &function, &file) != 0 ||
	    code_read_linetable(rt->layout, mem, &key, &table, &n) != 0) {
		fprintf(out, "F ?\t?\t0\n");
		return;
	}
	fprintf(out, "F %s\t%s\t%" PRIu32 "\n", function, file,
		rt->layout->linetable->line(table, n, key.first_line, frame->lasti));
	free(table);
}

static void write_thread(const struct runtime *rt, const struct mem *mem, const struct py_thread *t,
			 const struct gil_view *gil, FILE *out)
{
	struct name_search search = { .ident = t->ident };
	struct ev_stack stack;

	thread_names_read(rt->layout, mem, t->interp, note_name, &search);
	if (gil->locked == 1 && gil->last_holder == t->tstate)
		fprintf(out, "H %s\n", search.name);
	fprintf(out, "T %" PRIu64 " %s\n", t->ident, search.name);
	frames_read(&rt->walk, mem, t->tstate, 0, &stack);
	for (unsigned i = 0; i < stack.n; i++)
		write_frame(rt, mem, &stack.frames[i], out);
	if (stack.h.flags)
		fprintf(out, "! flags 0x%x\n", stack.h.flags);
}

int image_walk(const struct mem *mem, const struct runtime_origin *from, FILE *out)
{
	struct fail why = {0};
	struct gil_view gil;
	struct thread_walk w;
	struct py_thread t;
	struct runtime rt;
	int r = runtime_read(&rt, mem, from, &why);

	if (r != 0) {
		fprintf(out, "! %s\n", why.what);
		return r;
	}
	fprintf(out, "V %s\n", rt.version);
	for (unsigned i = 0; i < rt.n_interps; i++) {
		r = gil_read(rt.layout, mem, rt.interps[i].gil, &gil);
		if (r == 0)
			r = thread_walk_begin(&w, rt.layout, mem, rt.interps[i].interp);
		while (r == 0 && (r = thread_walk_next(&w, &t)) == 0)
			write_thread(&rt, mem, &t, &gil, out);
		if (r == THREADS_END)
			r = 0;
	}
	runtime_done(&rt);
	return r;
}
