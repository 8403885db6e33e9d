/* Writing half: what is known beyond the event stream (names, GILs' interpreters), and what the recording says of
 * itself (losses, levels, own cost, notes).
 *
 * Names come from /proc and the target's memory, rows from the timeline, in either order: a name that is early is kept
 * here until its row appears. */
#include <stdlib.h>
#include <string.h>

#include "core/store/store_priv.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

#define MAX_EARLY_NAMES 65536u

/* /proc shows a thread's birth in ticks of 10 ms, BPF in nanoseconds. */
#define BIRTH_SLACK_NS 20000000ULL

struct early_process {
	struct store_process p; /* strings owned */
	char *name, *command, *runtime;
};

struct proc_known {
	uint32_t proc, pid;
};

struct thread_known { /* by kernel thread id: the latest thread with it, and a name that came early */
	uint32_t tid;
	uint32_t thread; /* MODEL_NONE: no row yet */
	uint64_t start_ns;
	uint64_t early_start_ns;
	char *early_name;
	UT_hash_handle hh;
};

struct store_facts {
	vec(struct proc_known) procs;
	vec(struct early_process) early;
	struct thread_known *threads;
	uint32_t early_names;
};

struct store_facts *store_facts_new(void)
{
	return xcalloc(1, sizeof(struct store_facts));
}

static void early_free(struct early_process *e)
{
	free(e->name);
	free(e->command);
	free(e->runtime);
}

void store_facts_free(struct store_facts *x)
{
	struct thread_known *t, *next;

	if (!x)
		return;
	for (size_t i = 0; i < x->early.n; i++)
		early_free(&x->early.items[i]);
	vec_done(&x->early);
	vec_done(&x->procs);
	HASH_ITER(hh, x->threads, t, next) {
		HASH_DEL(x->threads, t);
		free(t->early_name);
		free(t);
	}
	free(x);
}

/* ---- processes ---- */

static void write_process(struct store *s, int64_t proc, const struct store_process *p)
{
	sqlite3_stmt *st = store_row(s, STMT_PROCESS_INFO);

	if (!st)
		return;
	bind_int(st, 1, proc);
	bind_nonzero(st, 2, p->shown_pid);
	bind_text(st, 3, p->name);
	bind_text(st, 4, p->command);
	bind_text(st, 5, p->runtime);
	bind_int(st, 6, p->free_threaded);
	bind_nonzero(st, 7, p->switch_interval_ns);
	store_insert(s, st);
}

void store_process(struct store *s, const struct store_process *p)
{
	struct store_facts *x = s->facts;
	struct early_process e = { .p = *p };

	for (size_t i = x->procs.n; i-- > 0;) /* the latest one with this pid */
		if (x->procs.items[i].pid == p->pid) {
			write_process(s, x->procs.items[i].proc, p);
			return;
		}
	e.p.name = e.name = p->name ? xstrdup(p->name) : NULL;
	e.p.command = e.command = p->command ? xstrdup(p->command) : NULL;
	e.p.runtime = e.runtime = p->runtime ? xstrdup(p->runtime) : NULL;
	vec_push(&x->early, e);
}

static void write_collector(struct store *s, int64_t proc)
{
	sqlite3_stmt *st = store_row(s, STMT_PROCESS_COLLECTOR);

	if (!st)
		return;
	bind_int(st, 1, proc);
	sqlite3_bind_text(st, 2, s->collector, -1, SQLITE_STATIC);
	bind_int(st, 3, s->estimated);
	store_insert(s, st);
}

void store_facts_process(struct store *s, const struct proc_row *row)
{
	struct store_facts *x = s->facts;
	size_t kept = 0;

	write_collector(s, row->proc);
	vec_push(&x->procs, ((struct proc_known){ row->proc, row->pid }));
	for (size_t i = 0; i < x->early.n; i++) {
		struct early_process *e = &x->early.items[i];

		if (e->p.pid != row->pid) {
			x->early.items[kept++] = *e;
			continue;
		}
		write_process(s, row->proc, &e->p);
		early_free(e);
	}
	x->early.n = kept;
}

void store_facts_finish(struct store *s)
{
	for (size_t i = 0; i < s->facts->early.n; i++) {
		const struct store_process *p = &s->facts->early.items[i].p;
		sqlite3_stmt *st = store_row(s, STMT_PROCESS_ONLY);

		if (!st)
			return;
		bind_int(st, 1, p->pid);
		store_insert(s, st);
		write_process(s, sqlite3_last_insert_rowid(s->db), p);
	}
}

/* ---- threads ---- */

static void write_thread_name(struct store *s, uint32_t thread, const char *name)
{
	sqlite3_stmt *st = store_row(s, STMT_THREAD_NAME);

	if (!st)
		return;
	bind_int(st, 1, thread);
	bind_text(st, 2, name);
	store_insert(s, st);
}

static bool same_birth(uint64_t a, uint64_t b)
{
	return !a || !b || (a > b ? a - b : b - a) <= BIRTH_SLACK_NS;
}

static struct thread_known *thread_known(struct store_facts *x, uint32_t tid)
{
	struct thread_known *t;

	HASH_FIND(hh, x->threads, &tid, sizeof(tid), t);
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->tid = tid;
		t->thread = MODEL_NONE;
		HASH_ADD(hh, x->threads, tid, sizeof(t->tid), t);
	}
	return t;
}

static void drop_early_name(struct store_facts *x, struct thread_known *t)
{
	if (!t->early_name)
		return;
	free(t->early_name);
	t->early_name = NULL;
	x->early_names--;
}

void store_facts_thread(struct store *s, const struct thread_row *row)
{
	struct thread_known *t = thread_known(s->facts, row->tid);

	t->thread = row->thread;
	t->start_ns = row->start_ns;
	if (t->early_name && same_birth(t->early_start_ns, row->start_ns)) {
		write_thread_name(s, row->thread, t->early_name);
		drop_early_name(s->facts, t);
	}
}

void store_thread_name(struct store *s, uint32_t pid, uint32_t tid, uint64_t start_ns, const char *python_name)
{
	struct thread_known *t = thread_known(s->facts, tid);

	(void)pid; /* kernel thread ids are unique across processes */
	if (!python_name || !*python_name)
		return;
	if (t->thread != MODEL_NONE && same_birth(start_ns, t->start_ns)) {
		write_thread_name(s, t->thread, python_name);
		return;
	}
	drop_early_name(s->facts, t);
	if (s->facts->early_names >= MAX_EARLY_NAMES)
		return;
	t->early_name = xstrndup(python_name, STORE_TEXT_MAX);
	t->early_start_ns = start_ns;
	s->facts->early_names++;
}

/* ---- the recording about itself ---- */

void store_gil(struct store *s, const struct store_gil *g)
{
	sqlite3_stmt *st = store_row(s, STMT_GIL);

	if (!st)
		return;
	bind_int(st, 1, g->pid);
	bind_u64(st, 2, g->addr);
	bind_int(st, 3, g->interp_id);
	store_insert(s, st);
}

void store_lock(struct store *s, const struct store_lock *l)
{
	sqlite3_stmt *st = store_row(s, STMT_LOCK_OBJECT);

	if (!st)
		return;
	bind_int(st, 1, l->pid);
	bind_u64(st, 2, l->addr);
	bind_nonzero(st, 3, l->kind == LOCK_FUTEX ? 0 : l->kind);
	bind_text(st, 4, l->name);
	bind_nonzero(st, 5, l->device);
	bind_nonzero(st, 6, l->inode);
	if (l->inode)
		bind_u64(st, 7, l->offset);
	else
		sqlite3_bind_null(st, 7);
	store_insert(s, st);
}

void store_loss(struct store *s, const struct ev_loss *loss)
{
	bool native = loss->cls == EV_LOSS_RING_NATIVE || loss->cls == EV_LOSS_UNWIND; /* later than readers that know no such class */
	sqlite3_stmt *st = store_row(s, native ? STMT_NATIVE_LOSS : STMT_LOSS);

	if (!st)
		return;
	bind_int(st, 1, store_time(s, loss->t0_ns));
	bind_int(st, 2, store_time(s, loss->t1_ns));
	bind_int(st, 3, loss->cls);
	bind_u64(st, 4, loss->count);
	store_insert(s, st);
}

void store_level(struct store *s, const struct ev_level *level)
{
	sqlite3_stmt *st = store_row(s, STMT_LEVEL);

	if (!st)
		return;
	bind_int(st, 1, store_time(s, level->t_ns));
	bind_int(st, 2, level->level);
	bind_int(st, 3, level->reason);
	bind_u64(st, 4, level->min_off_ns);
	bind_u64(st, 5, level->stack_period_ns);
	store_insert(s, st);
}

void store_looks(struct store *s, const struct ev_looks *looks)
{
	sqlite3_stmt *st = store_row(s, STMT_LOOKS);

	if (!st)
		return;
	bind_int(st, 1, looks->h.pid);
	bind_u64(st, 2, looks->gil);
	bind_int(st, 3, store_time(s, looks->t0_ns));
	bind_u64(st, 4, store_span(looks->t0_ns, looks->t1_ns));
	bind_u64(st, 5, looks->n);
	bind_u64(st, 6, looks->p50_ns);
	bind_u64(st, 7, looks->p99_ns);
	bind_u64(st, 8, looks->max_ns);
	bind_u64(st, 9, looks->switches);
	bind_u64(st, 10, looks->seen);
	store_insert(s, st);
}

void store_own(struct store *s, const struct store_own *own)
{
	sqlite3_stmt *st = store_row(s, STMT_OWN);

	if (!st)
		return;
	bind_int(st, 1, store_time(s, own->t_ns));
	bind_u64(st, 2, own->cpu_ns);
	bind_u64(st, 3, own->bpf_run_ns);
	bind_u64(st, 4, own->bpf_runs);
	bind_u64(st, 5, own->max_rss_bytes);
	bind_u64(st, 6, own->events);
	bind_u64(st, 7, own->db_bytes);
	store_insert(s, st);
}

void store_note(struct store *s, uint64_t t_ns, const char *text)
{
	sqlite3_stmt *st = store_row(s, STMT_NOTE);

	if (!st || !text || !*text)
		return;
	bind_int(st, 1, store_time(s, t_ns));
	bind_text(st, 2, text);
	store_insert(s, st);
}
