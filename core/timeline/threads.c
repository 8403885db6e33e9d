/* Who is who: processes, threads and locks get dense ids in order of appearance.
 * A thread is (tid, start_ns): the kernel reuses tids.  pthread ids are reused by later threads of a process, the newest
 * thread that has one answers to it.  A thread that ended keeps its struct until its last piece of life is given out. */
#include "core/timeline/timeline_priv.h"

#include <string.h>

#include "core/util/xalloc.h"

static void lock_free(struct timeline *t, struct lock *l);

static struct proc *proc_of(struct timeline *t, uint32_t pid, uint64_t start_ns)
{
	struct proc *p = proc_find(t, pid);
	struct proc_row row;

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->pid = pid;
	p->id = t->next_proc++;
	HASH_ADD(hh, t->procs, pid, sizeof(p->pid), p);
	row = (struct proc_row){ .proc = p->id, .pid = pid, .start_ns = start_ns };
	if (t->sink.proc)
		t->sink.proc(t->sink.ctx, &row);
	return p;
}

struct proc *proc_find(struct timeline *t, uint32_t pid)
{
	struct proc *p;

	HASH_FIND(hh, t->procs, &pid, sizeof(pid), p);
	return p;
}

void proc_leave(struct timeline *t, struct proc *p)
{
	if (p->gone)
		return;
	p->gone = true;
	HASH_DELETE(hh, t->procs, p);
}

static void proc_put(struct timeline *t, struct proc *p)
{
	struct lock *l, *next;

	if (--p->threads)
		return;
	HASH_ITER(hh, t->locks, l, next)
		if (l->key.proc == p->id)
			lock_free(t, l);
	proc_leave(t, p);
	free(p);
}

static void ident_forget(struct timeline *t, struct thread *th)
{
	if (th->has_ident)
		HASH_DELETE(hh_ident, t->by_ident, th);
	th->has_ident = false;
}

static void ident_learn(struct timeline *t, struct thread *th, uint64_t ident)
{
	struct thread *old;

	ident_forget(t, th);
	th->row.ident = ident;
	if (!ident)
		return;
	th->ident_key = (struct ident_key){ .ident = ident, .proc = th->row.proc };
	HASH_FIND(hh_ident, t->by_ident, &th->ident_key, sizeof(th->ident_key), old);
	if (old)
		ident_forget(t, old);
	HASH_ADD(hh_ident, t->by_ident, ident_key, sizeof(th->ident_key), th);
	th->has_ident = true;
}

struct thread *thread_new(struct timeline *t, const struct ev_hdr *h, uint64_t start_ns, uint64_t now)
{
	struct thread *th;

	if (t->n_threads >= THREADS_MAX)
		return NULL;
	t->n_threads++;
	th = xcalloc(1, sizeof(*th));
	th->tid = h->tid;
	th->proc = proc_of(t, h->pid, start_ns);
	th->proc->threads++;
	th->row = (struct thread_row){ .thread = t->next_thread++, .proc = th->proc->id, .tid = h->tid, .start_ns = start_ns,
				       .is_main = h->tid == h->pid };
	th->row.first_ns = th->row.last_ns = th->cursor_ns = th->in_ns = now;
	th->prev_on_ns = th->prev_out_ns = now;
	th->wait_lock = MODEL_NONE;
	HASH_ADD(hh_tid, t->by_tid, tid, sizeof(th->tid), th);
	HASH_ADD(hh_id, t->by_id, row.thread, sizeof(th->row.thread), th);
	return th;
}

void thread_emit(struct timeline *t, const struct thread *th)
{
	if (t->sink.thread)
		t->sink.thread(t->sink.ctx, &th->row);
}

void thread_learn(struct timeline *t, struct thread *th, const struct ev_thread *e)
{
	if (!th->row.start_ns)
		th->row.start_ns = e->start_ns;
	if (th->row.is_main && !th->proc->start_ns)
		th->proc->start_ns = e->start_ns;
	if (e->ident && e->ident != th->row.ident)
		ident_learn(t, th, e->ident);
	memset(th->row.comm, 0, sizeof(th->row.comm));
	memcpy(th->row.comm, e->comm, strnlen(e->comm, sizeof(e->comm)));
	thread_emit(t, th);
}

struct thread *thread_by_tid(struct timeline *t, uint32_t tid)
{
	struct thread *th = t->last_thread;

	if (!th || th->tid != tid)
		HASH_FIND(hh_tid, t->by_tid, &tid, sizeof(tid), th);
	if (th)
		t->last_thread = th;
	return th;
}

struct thread *thread_by_id(struct timeline *t, uint32_t id)
{
	struct thread *th;

	if (id == MODEL_NONE)
		return NULL;
	HASH_FIND(hh_id, t->by_id, &id, sizeof(id), th);
	return th;
}

struct thread *thread_by_ident(struct timeline *t, const struct proc *p, uint64_t ident, uint64_t at)
{
	struct ident_key key = { .ident = ident, .proc = p->id };
	struct thread *th;

	HASH_FIND(hh_ident, t->by_ident, &key, sizeof(key), th);
	return th && th->row.first_ns <= at && !(th->gone && th->row.last_ns < at) ? th : NULL;
}

struct thread *thread_waker_anywhere(struct timeline *t, const struct thread *woken, const struct ev_off *e)
{
	struct thread *th;

	if (!e->waker_tid || !e->t_wake_ns)
		return NULL;
	HASH_FIND(hh_tid, t->by_tid, &e->waker_tid, sizeof(e->waker_tid), th);
	return th && th->proc->pid == e->waker_pid && th != woken ? th : NULL;
}

struct thread *thread_waker(struct timeline *t, const struct thread *woken, const struct ev_off *e)
{
	struct thread *th = thread_waker_anywhere(t, woken, e);

	return th && th->proc == woken->proc ? th : NULL;
}

void thread_saw_gil(struct thread *th, struct lock *gil)
{
	if (!th->gil)
		th->gil = gil;
	th->python = true;
}

void thread_leave(struct timeline *t, struct thread *th)
{
	if (th->gone)
		return;
	th->gone = true;
	HASH_DELETE(hh_tid, t->by_tid, th);
	if (t->last_thread == th)
		t->last_thread = NULL;
	line_add(t, ITEM_END, th);
}

void thread_free(struct timeline *t, struct thread *th)
{
	ident_forget(t, th);
	if (!th->gone)
		HASH_DELETE(hh_tid, t->by_tid, th);
	HASH_DELETE(hh_id, t->by_id, th);
	if (t->last_thread == th)
		t->last_thread = NULL;
	t->n_threads--;
	proc_put(t, th->proc);
	free(th->sums);
	free(th);
}

/* --- locks -------------------------------------------------------------------------------------------------- */

static void lock_emit(struct timeline *t, const struct lock *l)
{
	struct lock_row row = { .lock = l->id, .proc = l->key.proc, .kind = l->kind, .addr = l->key.addr,
				.first_stack = l->first_stack };

	if (t->sink.lock)
		t->sink.lock(t->sink.ctx, &row);
}

static void lock_free(struct timeline *t, struct lock *l)
{
	struct lock **link;

	if (l->key.kind == LOCK_GIL) {
		holds_emit(t, l, UINT64_MAX, true);
		for (link = &t->gils; *link != l; link = &(*link)->next_gil)
			;
		*link = l->next_gil;
		t->n_gils--;
		history_done(&l->history);
	} else {
		t->n_futexes--;
		releases_done(&l->releases);
	}
	HASH_DELETE(hh, t->locks, l);
	free(l);
}

/* Futex words of condition variables on stacks are new with every call: forget the old ones before they fill the memory. */
static void forget_futexes(struct timeline *t)
{
	struct lock *l, *next;

	HASH_ITER(hh, t->locks, l, next)
		if (l->key.kind == LOCK_FUTEX && !l->in_line)
			lock_free(t, l);
}

struct lock *lock_of(struct timeline *t, struct thread *th, enum lock_kind kind, uint64_t addr)
{
	struct lock_key key = { .addr = addr, .proc = th->row.proc, .kind = kind };
	struct lock *l = th->gil;

	if (l && !memcmp(&l->key, &key, sizeof(key)))
		return l;
	HASH_FIND(hh, t->locks, &key, sizeof(key), l);
	if (l)
		return l;
	if (kind == LOCK_FUTEX && t->n_futexes >= FUTEXES_MAX)
		forget_futexes(t);
	if (kind == LOCK_GIL && t->n_gils >= GILS_MAX)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->key = key;
	l->kind = kind;
	l->id = t->next_lock++;
	HASH_ADD(hh, t->locks, key, sizeof(l->key), l);
	if (kind == LOCK_GIL) {
		history_init(&l->history, &t->odd.two_holders);
		t->n_gils++;
		l->next_gil = t->gils;
		t->gils = l;
	} else {
		t->n_futexes++;
	}
	lock_emit(t, l);
	return l;
}

/* Tells where it was first waited for, once that is known. */
void lock_waited(struct timeline *t, struct lock *l, uint64_t stack)
{
	if (l->waited || !stack)
		return;
	l->waited = true;
	l->first_stack = stack;
	lock_emit(t, l);
}

void lock_is(struct timeline *t, struct lock *l, enum lock_kind kind)
{
	if (l->kind == kind || (l->kind == LOCK_RLOCK && kind == LOCK_LOCK)) /* an RLock that said nothing this time */
		return;
	l->kind = kind;
	lock_emit(t, l);
}

void registries_free(struct timeline *t)
{
	struct thread *th, *next_thread;
	struct lock *l, *next_lock;

	HASH_ITER(hh_id, t->by_id, th, next_thread)
		thread_free(t, th);
	HASH_ITER(hh, t->locks, l, next_lock)
		lock_free(t, l);
}
