/* See session_native.h.  A copy is sent when a thread leaves the CPU, the event that names it when it comes back: so what was made of a
 * thread's last copy is kept until then.  Within a batch copies come first (collectors/bpf/native.bpf.h). */
#include "agent/session_native.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/symbols/native_stack.h"
#include "core/symbols/unwind_child.h"
#include "core/util/xalloc.h"

#define uthash_fatal(msg) abort() /* out of memory: as xalloc */
#include <uthash.h>

#define BATCH_BUDGET_NS (40 * NS_PER_MS) /* a batch comes every 50 ms … */
#define BEHIND_BUDGET_NS (5 * NS_PER_MS) /* … and when others wait behind it */
#define SENT_MAX (1U << 17) /* stacks remembered as sent; then it begins again */

struct made { /* of a copy */
	uint64_t id, key;
	uint32_t tid;
};

struct last { /* of a thread's last copy */
	uint32_t tid;
	struct made made;
	UT_hash_handle hh;
};

struct sent {
	uint64_t key;
	UT_hash_handle hh;
};

struct session_native {
	struct unwind_child *child;
	struct last *last;
	struct sent *sent;
	vec(struct made) batch; /* made of the batch under way */
	struct native_stack merged;
	uint64_t until_ns; /* the budget of this batch */
	uint64_t done, partial, lost;
	uint64_t unsaid; /* of the lost, not told yet */
};

struct session_native *session_native_new(void)
{
	struct session_native *n = xcalloc(1, sizeof(*n));

	n->child = unwind_child_new();
	if (n->child)
		return n;
	free(n);
	return NULL;
}

static void forget_sent(struct session_native *n)
{
	struct sent *e, *next;

	HASH_ITER(hh, n->sent, e, next) {
		HASH_DEL(n->sent, e);
		free(e);
	}
}

void session_native_free(struct session_native *n)
{
	struct last *e, *next;

	if (!n)
		return;
	unwind_child_free(n->child);
	HASH_ITER(hh, n->last, e, next) {
		HASH_DEL(n->last, e);
		free(e);
	}
	forget_sent(n);
	vec_done(&n->batch);
	free(n);
}

uint64_t session_native_cpu_ns(const struct session_native *n)
{
	return unwind_child_cpu_ns(n->child);
}

/* --- one copy --------------------------------------------------------------------------------------------------------- */

static bool is_new(struct session_native *n, uint64_t key)
{
	struct sent *e;

	HASH_FIND(hh, n->sent, &key, sizeof(key), e);
	if (e)
		return false;
	if (HASH_COUNT(n->sent) >= SENT_MAX)
		forget_sent(n);
	e = xcalloc(1, sizeof(*e));
	e->key = key;
	HASH_ADD(hh, n->sent, key, sizeof(e->key), e);
	return true;
}

static void put_string(struct native_letter *l, size_t *at, const char *string)
{
	size_t n = strlen(string) + 1;

	memcpy(l->text + *at, string, n);
	*at += n;
}

/* The stack and the names of its native frames, for the writer. */
static void send(struct session *s, const struct native_stack *m, const struct unwound *u)
{
	size_t bytes = sizeof(struct native_letter), at = 0;
	struct native_letter *l;

	for (unsigned i = 0; i < m->stack.n; i++)
		if (m->native[i])
			bytes += strlen(unwound_text(u, m->native[i]->function)) + strlen(unwound_text(u, m->native[i]->file)) + 2;
	l = xcalloc(1, bytes);
	l->l = (struct letter){ .kind = LETTER_NATIVE, .bytes = bytes };
	l->stack = m->stack;
	for (unsigned i = 0; i < m->stack.n; i++) {
		if (!m->native[i])
			continue;
		put_string(l, &at, unwound_text(u, m->native[i]->function));
		put_string(l, &at, unwound_text(u, m->native[i]->file));
	}
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

static void lose(struct session_native *n)
{
	n->lost++;
	n->unsaid++;
}

static void unwind(struct session *s, const struct ev_native *copy)
{
	struct session_native *n = s->native;
	const struct unwound *u;
	bool refused = unwind_child_refuses(n->child, copy->h.pid);

	if (refused || clock_now_ns() >= n->until_ns || unwind_child_run(n->child, copy, &u) || !native_stack_merge(copy, u, &n->merged)) {
		lose(n);
		if (!refused && unwind_child_refuses(n->child, copy->h.pid))
			session_note(s, "pid %u: no more native frames of it: unwinding its C stacks crashed or hung twice (a file of it is damaged?)",
				     copy->h.pid);
		return;
	}
	n->done++;
	n->partial += n->merged.partial;
	vec_push(&n->batch, ((struct made){ copy->id, n->merged.stack.key, copy->h.tid }));
	if (is_new(n, n->merged.stack.key))
		send(s, &n->merged, u);
}

/* --- one batch ---------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(struct session_native *n, uint64_t id, uint32_t tid)
{
	struct last *last;

	for (size_t i = n->batch.n; id && i--;)
		if (n->batch.items[i].id == id)
			return n->batch.items[i].key;
	if (!id)
		return 0;
	HASH_FIND(hh, n->last, &tid, sizeof(tid), last);
	return last && last->made.id == id ? last->made.key : 0;
}

static void keep_last(struct session_native *n)
{
	for (size_t i = 0; i < n->batch.n; i++) {
		const struct made *m = &n->batch.items[i];
		struct last *last;

		HASH_FIND(hh, n->last, &m->tid, sizeof(m->tid), last);
		if (!last) {
			last = xcalloc(1, sizeof(*last));
			last->tid = m->tid;
			HASH_ADD(hh, n->last, tid, sizeof(last->tid), last);
		}
		last->made = *m;
	}
	vec_clear(&n->batch);
}

static void forget_thread(struct session_native *n, const struct ev_hdr *h)
{
	struct last *last;

	HASH_FIND(hh, n->last, &h->tid, sizeof(h->tid), last);
	if (last) {
		HASH_DEL(n->last, last);
		free(last);
	}
	if (h->kind == EV_EXEC || h->flags & EV_F_PROCESS)
		unwind_child_forget(n->child, h->pid);
}

#define FOR_EVENTS(b, h, at) \
	for (size_t at = 0; at + sizeof(struct ev_hdr) <= (b)->n && ((h) = (void *)((b)->events + at)); at += batch_stride(h))

/* Says what each event's copy became, takes the copies out; returns the bytes that are left. */
static size_t rewrite(struct session_native *n, struct batch_letter *b)
{
	struct ev_hdr *h;
	size_t to = 0, stride;

	for (size_t at = 0; at + sizeof(*h) <= b->n; at += stride) {
		h = (void *)(b->events + at);
		stride = batch_stride(h);
		if (h->kind == EV_NATIVE)
			continue;
		if (h->kind == EV_OFF)
			((struct ev_off *)h)->native = key_of(n, ((struct ev_off *)h)->native, h->tid);
		else if (h->kind == EV_SAMPLE)
			((struct ev_sample *)h)->native = key_of(n, ((struct ev_sample *)h)->native, h->tid);
		else if (h->kind == EV_EXIT || h->kind == EV_EXEC)
			forget_thread(n, h);
		memmove(b->events + to, h, stride);
		to += stride;
	}
	return to;
}

static void say_lost(struct session *s, uint64_t now)
{
	struct batch_letter *b;
	struct ev_loss e = { .h = { .kind = EV_LOSS, .size = sizeof(e) }, .t0_ns = now, .t1_ns = now, .count = s->native->unsaid,
			     .cls = EV_LOSS_UNWIND };

	if (!e.count)
		return;
	s->native->unsaid = 0;
	b = xcalloc(1, sizeof(*b) + sizeof(e));
	b->l = (struct letter){ .kind = LETTER_BATCH, .bytes = sizeof(*b) + sizeof(e) };
	b->n = sizeof(e); /* drained_ns 0: it settles nothing */
	memcpy(b->events, &e, sizeof(e));
	if (!mailbox_post(&s->to_writer, &b->l))
		free(b);
}

static void work(struct session *s, struct batch_letter *b)
{
	struct session_native *n = s->native;
	struct ev_hdr *h;
	uint64_t now = clock_now_ns();

	n->until_ns = now + (b->l.next ? BEHIND_BUDGET_NS : BATCH_BUDGET_NS);
	FOR_EVENTS(b, h, at)
		if (h->kind == EV_NATIVE)
			unwind(s, (const struct ev_native *)h);
	b->n = rewrite(n, b);
	b->l.bytes = sizeof(*b) + b->n;
	keep_last(n);
	say_lost(s, now);
	b->l.next = NULL;
	if (!mailbox_post(&s->to_writer, &b->l)) {
		atomic_fetch_add(&s->queue_lost, session_count_events(b->events, b->n));
		free(b);
	}
}

void *session_native_main(void *session)
{
	struct session *s = session;
	bool closed;

	do {
		closed = mailbox_closed(&s->to_native);
		for (struct letter *l = mailbox_take(&s->to_native, 20 * NS_PER_MS), *next; l; l = next) {
			next = l->next;
			work(s, (struct batch_letter *)l);
		}
	} while (!closed);
	return NULL;
}

void session_native_summary(struct session *s, uint64_t skipped)
{
	const struct session_native *n = s->native;
	unsigned ends = unwind_child_ends(n->child);

	session_note(s, "native frames: %llu C stacks were unwound (%llu of them in part), %llu could not be, %llu were left out to keep the cost down",
		     (unsigned long long)n->done, (unsigned long long)n->partial, (unsigned long long)n->lost, (unsigned long long)skipped);
	if (ends)
		session_note(s, "native frames: the process that unwinds crashed, hung or was killed, and was started again: %u times", ends);
}
