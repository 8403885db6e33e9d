/* See roster.h. */
#include "viewer/export/roster.h"

#include <stdlib.h>
#include <string.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

enum { NAME_MAX_BYTES = 400 };

static const struct roster_process no_process = {.name = "?"};
static const struct roster_thread no_thread = {.proc = MODEL_NONE, .name = "?"};
static const struct roster_lock no_lock = {.proc = MODEL_NONE, .kind = LOCK_FUTEX, .name = "?"};

const char *roster_text(struct roster *ro, const char *raw)
{
	char shown[NAME_MAX_BYTES];

	escape_to(shown, sizeof(shown), raw, strnlen(raw, sizeof(shown)));
	return arena_strdup(&ro->arena, shown);
}

static int load_process(void *ctx, const struct reader_process *p)
{
	struct roster *ro = ctx;

	ro->processes[p->row.proc] = (struct roster_process){
		.known = true, .pid = p->shown_pid ? p->shown_pid : p->row.pid, .name = roster_text(ro, p->name),
	};
	return 0;
}

static int load_thread(void *ctx, const struct reader_thread *t)
{
	struct roster *ro = ctx;
	const struct roster_process *p = roster_process(ro, t->row.proc);

	ro->threads[t->row.thread] = (struct roster_thread){
		.known = true, .is_main = t->row.is_main, .proc = t->row.proc, .pid = p->pid, .tid = t->row.tid,
		.name = roster_text(ro, *t->python_name ? t->python_name : t->row.comm),
		.first_ns = t->row.first_ns, .last_ns = t->row.last_ns,
	};
	return 0;
}

static void name_lock(struct roster *ro, uint32_t use)
{
	const struct lock_use *u = &ro->uses.items.items[use];
	char *name = u->kind == LOCK_GIL ? xstrdup(u->name) : xasprintf("%s %s", lock_kind_names[u->kind], u->name);

	while (ro->locks.n <= use)
		vec_push(&ro->locks, no_lock);
	ro->locks.items[use] = (struct roster_lock){ .known = u->known, .proc = u->proc, .kind = u->kind, .name = roster_text(ro, name) };
	free(name);
}

int roster_load(struct roster *ro, struct reader *r)
{
	const struct reader_info *info = reader_info(r);
	int err;

	memset(ro, 0, sizeof(*ro));
	ro->n_processes = info->procs;
	ro->n_threads = info->threads;
	ro->processes = arena_array(&ro->arena, ro->n_processes, sizeof(*ro->processes));
	ro->threads = arena_array(&ro->arena, ro->n_threads, sizeof(*ro->threads));
	if ((err = reader_processes(r, load_process, ro)) || (err = reader_threads(r, load_thread, ro)) ||
	    (err = lock_uses_load(&ro->uses, r)))
		roster_done(ro);
	for (uint32_t i = 0; !err && i < ro->uses.items.n; i++)
		name_lock(ro, i);
	return err;
}

void roster_done(struct roster *ro)
{
	lock_uses_done(&ro->uses);
	vec_done(&ro->locks);
	arena_done(&ro->arena);
	memset(ro, 0, sizeof(*ro));
}

const struct roster_process *roster_process(const struct roster *ro, uint32_t proc)
{
	return proc < ro->n_processes && ro->processes[proc].known ? &ro->processes[proc] : &no_process;
}

const struct roster_thread *roster_thread(const struct roster *ro, uint32_t thread)
{
	return thread < ro->n_threads && ro->threads[thread].known ? &ro->threads[thread] : &no_thread;
}

uint32_t roster_use(struct roster *ro, const struct wait *w)
{
	const uint32_t use = lock_uses_wait(&ro->uses, w);

	if (use < ro->uses.items.n && (use >= ro->locks.n || ro->locks.items[use].kind != ro->uses.items.items[use].kind))
		name_lock(ro, use);
	return use;
}

const struct roster_lock *roster_lock(const struct roster *ro, uint32_t lock)
{
	return lock < ro->locks.n && ro->locks.items[lock].known ? &ro->locks.items[lock] : &no_lock;
}
