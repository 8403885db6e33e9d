/* See thread_names.h. */
#include "core/interp/thread_names.h"

#include <errno.h>

#include "core/interp/instance.h"
#include "core/interp/pydict.h"
#include "core/interp/pystr.h"

static int find_active(const struct layout *l, const struct mem *mem, uint64_t interp, uint64_t *ret)
{
	uint64_t modules, threading, names;
	int r = l->interp_modules == NO_FIELD ? -ENODATA : mem_u64(mem, interp + l->interp_modules, &modules);

	if (r == 0)
		r = dict_find(l, mem, modules, "threading", &threading);
	if (r == 0)
		r = mem_u64(mem, threading + l->module_dict, &names);
	return r == 0 ? dict_find(l, mem, names, "_active", ret) : r;
}

unsigned thread_names_read(const struct layout *l, const struct mem *mem, uint64_t interp, thread_name_fn *found,
			   void *ctx)
{
	char name[PYSTR_SIZE];
	uint64_t active, key, thread;
	struct dict_walk w;
	unsigned n = 0;

	if (find_active(l, mem, interp, &active) != 0 || dict_walk_begin(&w, l, mem, active) != 0)
		return 0;
	while (n < THREAD_NAMES_MAX && dict_walk_next(&w, &key, &thread) == 0) {
		uint64_t ident, text;

		if (pylong_read(l, mem, key, &ident) != 0 ||
		    instance_attribute(l, mem, thread, l->thread_name, &text) != 0 ||
		    pystr_read(l, mem, text, name, sizeof(name)) != 0)
			continue;
		found(ctx, ident, name);
		n++;
	}
	return n;
}
