/* See roster.h. */
#include "viewer/export/roster.h"

#include <stdio.h>
#include <string.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"

enum { NAME_MAX_BYTES = 400 };

static const struct roster_process no_process = {.name = "?"};
static const struct roster_thread no_thread = {.proc = MODEL_NONE, .name = "?"};
static const struct roster_lock no_lock = {.proc = MODEL_NONE, .kind = LOCK_FUTEX, .name = "?"};

struct load {
	struct roster *ro;
	bool several_gils;
};

const char *roster_text(struct roster *ro, const char *raw)
{
	char shown[NAME_MAX_BYTES];

	escape_to(shown, sizeof(shown), raw, strnlen(raw, sizeof(shown)));
	return arena_strdup(&ro->arena, shown);
}

static int load_process(void *ctx, const struct reader_process *p)
{
	struct roster *ro = ((struct load *)ctx)->ro;

	ro->processes[p->row.proc] = (struct roster_process){
		.known = true, .pid = p->shown_pid ? p->shown_pid : p->row.pid, .name = roster_text(ro, p->name),
	};
	return 0;
}

static int load_thread(void *ctx, const struct reader_thread *t)
{
	struct roster *ro = ((struct load *)ctx)->ro;
	const struct roster_process *p = roster_process(ro, t->row.proc);

	ro->threads[t->row.thread] = (struct roster_thread){
		.known = true, .is_main = t->row.is_main, .proc = t->row.proc, .pid = p->pid, .tid = t->row.tid,
		.name = roster_text(ro, *t->python_name ? t->python_name : t->row.comm),
		.first_ns = t->row.first_ns, .last_ns = t->row.last_ns,
	};
	return 0;
}

static int load_gil(void *ctx, const struct reader_gil *g)
{
	struct load *l = ctx;

	l->several_gils |= g->interp_id > 0;
	return 0;
}

static int load_lock(void *ctx, const struct reader_lock *row)
{
	struct load *l = ctx;
	char name[64];

	if (row->row.kind == LOCK_GIL && l->several_gils && row->interp_id >= 0)
		snprintf(name, sizeof(name), "GIL %lld", (long long)row->interp_id);
	else if (row->row.kind == LOCK_GIL)
		snprintf(name, sizeof(name), "GIL");
	else
		snprintf(name, sizeof(name), "futex 0x%llx", (unsigned long long)row->row.addr);
	l->ro->locks[row->row.lock] = (struct roster_lock){
		.known = true, .proc = row->row.proc, .kind = row->row.kind, .name = arena_strdup(&l->ro->arena, name),
	};
	return 0;
}

int roster_load(struct roster *ro, struct reader *r)
{
	const struct reader_info *info = reader_info(r);
	struct load l = {.ro = ro};
	int err;

	memset(ro, 0, sizeof(*ro));
	ro->n_processes = info->procs;
	ro->n_threads = info->threads;
	ro->n_locks = info->locks;
	ro->processes = arena_array(&ro->arena, ro->n_processes, sizeof(*ro->processes));
	ro->threads = arena_array(&ro->arena, ro->n_threads, sizeof(*ro->threads));
	ro->locks = arena_array(&ro->arena, ro->n_locks, sizeof(*ro->locks));
	if ((err = reader_processes(r, load_process, &l)) || (err = reader_threads(r, load_thread, &l)) ||
	    (err = reader_gils(r, load_gil, &l)) || (err = reader_locks(r, load_lock, &l)))
		roster_done(ro);
	return err;
}

void roster_done(struct roster *ro)
{
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

const struct roster_lock *roster_lock(const struct roster *ro, uint32_t lock)
{
	return lock < ro->n_locks && ro->locks[lock].known ? &ro->locks[lock] : &no_lock;
}
