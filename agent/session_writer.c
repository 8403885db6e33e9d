/* The writer thread: puts events in order, feeds the timeline, owns the store.
 *
 * Events come from a ring that all CPUs write, almost but not quite in order, and an off event is due when the thread
 * runs again.  They are sorted by that time; the youngest BATCH_SLACK_NS of a batch wait for the next one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/event/event_names.h"
#include "core/util/xalloc.h"

#define BATCH_SLACK_NS (2 * NS_PER_MS)
#define COMMIT_EVERY_NS (200 * NS_PER_MS)
#define START_TOLERANCE_NS (20 * NS_PER_MS) /* /proc shows a thread's birth in clock ticks of 10 ms */

struct due {
	uint64_t t_ns;
	uint64_t seq; /* keeps equal times in order of arrival */
	struct ev_hdr *event; /* in the batch being read; a copy when owned */
	bool owned;
};

struct live_thread { /* exact birth of a living thread, for names found in /proc */
	struct {
		uint32_t pid, tid;
	} key;
	uint64_t start_ns;
	uint64_t sleeper_stack, sleeper_read_ns; /* what it slept in when the recording began … */
	struct parked sleeper_parked; /* … and for what */
	UT_hash_handle hh;
};

enum { SHARED_ASKED = 256, FUTEX_PRIVATE = 128 }; /* FUTEX_PRIVATE_FLAG of linux/futex.h */

struct writer {
	struct session *s;
	struct timeline *timeline;
	struct timeline_sink sink; /* the store's, with counters in front */
	const struct timeline_sink *store_sink;
	vec(struct due) due;
	uint64_t seq, committed_ns;
	struct live_thread *live;
	struct { uint64_t addr; uint32_t pid; } asked[SHARED_ASKED]; /* lately: shared words by a hash of both */
};

static int due_order(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* --- counters in front of the store's sink ---------------------------------------------------------------------- */

static void on_wait(void *ctx, const struct wait *row)
{
	struct writer *w = ctx;

	atomic_fetch_add(&w->s->waits, 1);
	w->store_sink->wait(w->store_sink->ctx, row);
}

static void on_tally(void *ctx, const struct tally *row)
{
	struct writer *w = ctx;

	if (row->state == STATE_WAIT_GIL)
		atomic_fetch_add(&w->s->waits, row->n);
	w->store_sink->tally(w->store_sink->ctx, row);
}

static void on_handoff(void *ctx, const struct handoff *row)
{
	struct writer *w = ctx;

	atomic_fetch_add(&w->s->handoffs, 1);
	w->store_sink->handoff(w->store_sink->ctx, row);
}

#define PASS(name, type) \
	static void on_##name(void *ctx, const struct type *row) \
	{ \
		struct writer *w = ctx; \
		w->store_sink->name(w->store_sink->ctx, row); \
	}
PASS(proc, proc_row)
PASS(thread, thread_row)
PASS(lock, lock_row)
PASS(interval, interval)
PASS(credit, credit)
PASS(hold, hold)
PASS(sample, sample_row)
PASS(stall, stall)
PASS(process_event, process_event)
#undef PASS

static void wrap_sink(struct writer *w)
{
	w->store_sink = store_sink(w->s->store);
	w->sink = (struct timeline_sink){
		.ctx = w, .proc = on_proc, .thread = on_thread, .lock = on_lock, .interval = on_interval, .tally = on_tally,
		.wait = on_wait, .credit = on_credit, .hold = on_hold, .handoff = on_handoff, .sample = on_sample,
		.stall = on_stall, .process_event = on_process_event,
	};
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void want_symbol(void *ctx, uint32_t frame_id, uint32_t pid, const struct ev_frame *frame)
{
	struct writer *w = ctx;
	struct frame_letter *f = xcalloc(1, sizeof(*f));

	f->l = (struct letter){ .kind = LETTER_FRAME, .bytes = sizeof(*f) };
	f->frame_id = frame_id;
	f->pid = pid;
	f->frame = *frame;
	if (!mailbox_post(&w->s->to_resolver, &f->l))
		free(f);
}

static struct live_thread *find_thread(struct writer *w, uint32_t pid, uint32_t tid)
{
	struct live_thread *t, key = { .key = { pid, tid } };

	HASH_FIND(hh, w->live, &key.key, sizeof(key.key), t);
	return t;
}

static struct live_thread *need_thread(struct writer *w, uint32_t pid, uint32_t tid)
{
	struct live_thread *t = find_thread(w, pid, tid);

	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->key.pid = pid;
		t->key.tid = tid;
		HASH_ADD(hh, w->live, key, sizeof(t->key), t);
	}
	return t;
}

static void remember_thread(struct writer *w, const struct ev_thread *e)
{
	need_thread(w, e->h.pid, e->h.tid)->start_ns = e->start_ns;
	if (!(e->h.flags & (EV_F_AT_START | EV_F_RENAMED)))
		atomic_fetch_add(&w->s->born, 1);
}

static void forget_thread(struct writer *w, const struct ev_hdr *h)
{
	struct live_thread *t = find_thread(w, h->pid, h->tid);

	if (!t)
		return;
	HASH_DEL(w->live, t);
	free(t);
}

/* A thread that slept from before the start: where and for what was read from outside, and fits if it slept on beyond that moment. */
static void add_sleeper(struct writer *w, struct ev_off *e)
{
	struct live_thread *t;

	if (!(e->h.flags & EV_F_AT_START) || e->own_stack)
		return;
	t = find_thread(w, e->h.pid, e->h.tid);
	if (t && t->sleeper_read_ns && e->t_in_ns > t->sleeper_read_ns) {
		e->own_stack = t->sleeper_stack;
		e->h.flags |= EV_F_PYTHON;
		if ((e->h.flags & EV_F_FUTEX_WAIT) && !e->parked) {
			e->parked = t->sleeper_parked.at;
			e->parked_as = t->sleeper_parked.as;
			e->lock_owner = t->sleeper_parked.owner;
		}
	}
}

/* Asleep on a word that processes may share: which one that is, only its mapping tells. */
static void ask_where(struct writer *w, const struct ev_off *e)
{
	size_t slot = (e->arg0 / 8 ^ e->h.pid) % SHARED_ASKED;
	struct shared_letter *l;

	if (!(e->h.flags & EV_F_FUTEX_WAIT) || !e->arg1 || e->arg1 & FUTEX_PRIVATE || (w->asked[slot].addr == e->arg0 && w->asked[slot].pid == e->h.pid))
		return;
	l = xcalloc(1, sizeof(*l));
	l->l = (struct letter){ .kind = LETTER_SHARED, .bytes = sizeof(*l) };
	l->pid = e->h.pid;
	l->addr = e->arg0;
	w->asked[slot].addr = e->arg0;
	w->asked[slot].pid = e->h.pid;
	if (!mailbox_post(&w->s->to_resolver, &l->l))
		free(l);
}

static void apply(struct writer *w, struct ev_hdr *h)
{
	atomic_fetch_add(&w->s->events, 1);
	switch ((enum ev_kind)h->kind) {
	case EV_LOSS:
		atomic_fetch_add(&w->s->lost, ((const struct ev_loss *)h)->count);
		store_loss(w->s->store, (const struct ev_loss *)h);
		break;
	case EV_LEVEL:
		atomic_store(&w->s->level, ((const struct ev_level *)h)->level);
		store_level(w->s->store, (const struct ev_level *)h);
		break;
	case EV_LOOKS:
		store_looks(w->s->store, (const struct ev_looks *)h);
		break;
	case EV_OFF:
		add_sleeper(w, (struct ev_off *)h);
		ask_where(w, (const struct ev_off *)h);
		break;
	case EV_THREAD:
		remember_thread(w, (const struct ev_thread *)h);
		break;
	case EV_EXIT:
		forget_thread(w, h);
		break;
	default:
		break;
	}
	timeline_feed(w->timeline, h);
}

static void settle(struct writer *w, uint64_t until_ns)
{
	size_t n = 0;

	vec_sort(&w->due, due_order);
	while (n < w->due.n && w->due.items[n].t_ns <= until_ns) {
		apply(w, w->due.items[n].event);
		if (w->due.items[n].owned)
			free(w->due.items[n].event);
		n++;
	}
	memmove(w->due.items, w->due.items + n, (w->due.n - n) * sizeof(*w->due.items));
	w->due.n -= n;
}

/* What is not settled yet outlives the batch it came in. */
static void keep_rest(struct writer *w)
{
	for (size_t i = 0; i < w->due.n; i++) {
		struct due *d = &w->due.items[i];
		struct ev_hdr *copy;

		if (d->owned)
			continue;
		copy = xmalloc(d->event->size);
		memcpy(copy, d->event, d->event->size);
		d->event = copy;
		d->owned = true;
	}
}

static void on_batch(struct writer *w, struct batch_letter *b)
{
	for (size_t at = 0; at + sizeof(struct ev_hdr) <= b->n;) {
		struct ev_hdr *h = (void *)(b->events + at);
		struct due d = { .event = h };

		at += batch_stride(h);
		if (h->kind == EV_STACK) {
			store_stack(w->s->store, (const struct ev_stack *)h, want_symbol, w);
			continue;
		}
		d.t_ns = event_complete_ns(h);
		d.seq = w->seq++;
		vec_push(&w->due, d);
	}
	settle(w, b->drained_ns > BATCH_SLACK_NS ? b->drained_ns - BATCH_SLACK_NS : 0);
	keep_rest(w);
}

/* Letters are our own: text is as long as the stack says. */
static void on_native(struct writer *w, const struct native_letter *l)
{
	const char *text = l->text;

	for (unsigned i = 0; i < l->stack.n; i++) {
		struct store_symbol sym = { .resolved = true };

		if (l->stack.frames[i].lasti != EV_NATIVE_FRAME)
			continue;
		sym.function = text;
		sym.file = text += strlen(text) + 1;
		text += strlen(text) + 1;
		store_native_frame(w->s->store, l->stack.h.pid, &l->stack.frames[i], &sym);
	}
	store_stack(w->s->store, &l->stack, want_symbol, w);
}

static void on_symbol(struct writer *w, const struct symbol_letter *l)
{
	struct store_symbol sym = { .function = l->function, .file = l->file, .line = l->line,
				    .first_line = l->first_line, .resolved = l->resolved };

	store_symbol(w->s->store, l->frame_id, &sym);
}

static void on_thread_name(struct writer *w, const struct thread_name_letter *l)
{
	struct live_thread *t = find_thread(w, l->pid, l->tid);

	if (!t || l->start_ns > t->start_ns + START_TOLERANCE_NS || t->start_ns > l->start_ns + START_TOLERANCE_NS)
		return; /* another thread of that number */
	store_thread_name(w->s->store, l->pid, l->tid, t->start_ns, l->name);
}

static void on_sleeper(struct writer *w, const struct sleeper_letter *l)
{
	struct live_thread *t = need_thread(w, l->stack.h.pid, l->stack.h.tid);

	store_stack(w->s->store, &l->stack, want_symbol, w);
	t->sleeper_stack = l->stack.key;
	t->sleeper_parked = l->parked;
	t->sleeper_read_ns = l->read_ns;
}

static void on_process(struct writer *w, struct process_letter *l)
{
	store_process(w->s->store, &l->process);
}

static void open_letter(struct writer *w, struct letter *l)
{
	switch ((enum letter_kind)l->kind) {
	case LETTER_BATCH: on_batch(w, (struct batch_letter *)l); break;
	case LETTER_NATIVE: on_native(w, (const struct native_letter *)l); break;
	case LETTER_SYMBOL: on_symbol(w, (const struct symbol_letter *)l); break;
	case LETTER_THREAD_NAME: on_thread_name(w, (const struct thread_name_letter *)l); break;
	case LETTER_SLEEPER: on_sleeper(w, (const struct sleeper_letter *)l); break;
	case LETTER_GIL: store_gil(w->s->store, &((const struct gil_letter *)l)->gil); break;
	case LETTER_LOCK: store_lock(w->s->store, &((const struct lock_letter *)l)->lock); break;
	case LETTER_PROCESS: on_process(w, (struct process_letter *)l); break;
	case LETTER_OWN:
		store_own(w->s->store, &((const struct own_letter *)l)->own);
		atomic_store(&w->s->db_bytes, ((const struct own_letter *)l)->own.db_bytes);
		break;
	case LETTER_NOTE:
		store_note(w->s->store, ((const struct note_letter *)l)->t_ns, ((const struct note_letter *)l)->text);
		break;
	case LETTER_SHARED:
	case LETTER_FRAME: break;
	}
}

static void commit(struct writer *w)
{
	int err = store_commit(w->s->store);

	if (err)
		atomic_store(&w->s->store_err, err);
	w->committed_ns = clock_now_ns();
}

void *session_writer_main(void *session)
{
	struct writer w = { .s = session };
	struct timeline_config config = { .start_ns = w.s->start_ns, .sample_hz = w.s->options->sample_hz };
	struct live_thread *t, *tmp;

	wrap_sink(&w);
	w.timeline = timeline_new(&config, &w.sink);
	w.committed_ns = clock_now_ns();
	for (;;) {
		bool closed = mailbox_closed(&w.s->to_writer);
		struct letter *l = mailbox_take(&w.s->to_writer, 50 * NS_PER_MS);

		while (l) {
			struct letter *next = l->next;

			open_letter(&w, l);
			free(l);
			l = next;
		}
		if (clock_now_ns() - w.committed_ns >= COMMIT_EVERY_NS)
			commit(&w);
		if (closed)
			break;
	}
	settle(&w, UINT64_MAX);
	timeline_finish(w.timeline, w.s->end_ns);
	commit(&w);
	timeline_free(w.timeline);
	vec_done(&w.due);
	HASH_ITER(hh, w.live, t, tmp) {
		HASH_DEL(w.live, t);
		free(t);
	}
	return NULL;
}
