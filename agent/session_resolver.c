/* The resolver thread: everything that reads a target's memory while it is recorded. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/session_locks.h"
#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/interp/frames.h"
#include "core/symbols/lock_finder.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define REFRESH_EVERY_NS NS_PER_S
#define FIRST_NAMES_NS (200 * NS_PER_MS)
#define NAMES_EVERY_NS (2 * NS_PER_S)
#define NEW_NAMES_NS (100 * NS_PER_MS) /* … and so soon when a thread is new, */
#define NEW_NAMES_SHARE 100 /* … if reading them all takes no more than this part of the time */
#define KEEP_ENDED_NS (500 * NS_PER_MS)
#define TAKE_NS (20 * NS_PER_MS)

static void post(struct session *s, struct letter *l)
{
	if (!mailbox_post(&s->to_writer, l))
		free(l);
}

static void send_gils(struct session *s, struct session_target *t)
{
	const struct runtime *r = target_runtime(t->target);

	for (unsigned i = 0; r && i < r->n_interps; i++) {
		struct gil_letter *l;

		if (!r->interps[i].gil)
			continue;
		l = xcalloc(1, sizeof(*l));
		l->l = (struct letter){ .kind = LETTER_GIL, .bytes = sizeof(*l) };
		l->gil = (struct store_gil){ .pid = t->pid, .addr = r->interps[i].gil, .interp_id = r->interps[i].id };
		post(s, &l->l);
	}
}

/* A child that was forked is a copy of its parent: what cannot be had of it, or no longer, lies in the parent at the same place. */
static void find_symbol(struct session *s, struct session_target *t, const struct ev_frame *frame, struct symbol *sym)
{
	struct session_target *parent;

	if (session_target_adopt(s, t))
		send_gils(s, t);
	if (t->symbols)
		symbols_frame(t->symbols, frame, sym);
	parent = atomic_load(&t->forked_from);
	for (unsigned depth = 0; !sym->resolved && parent && depth < 8; depth++) {
		if (parent->symbols)
			symbols_frame(parent->symbols, frame, sym);
		parent = atomic_load(&parent->forked_from);
	}
}

/* The recording is over, and memory that does not answer has used up the time for the last names. */
static bool too_late(struct session *s)
{
	uint64_t until = atomic_load(&s->names_until_ns);

	if (!until || clock_now_ns() < until)
		return false;
	if (!s->late_told)
		session_note(s, "the last names and lines did not come in time: some are missing");
	s->late_told = true;
	return true;
}

static void resolve(struct session *s, const struct frame_letter *f)
{
	struct session_target *t = session_target_by_pid(s, f->pid);
	struct symbol sym = { .function = "?", .file = "?" };
	struct symbol_letter *l;
	size_t function, file, bytes;

	if (t && !too_late(s))
		find_symbol(s, t, &f->frame, &sym);
	function = strlen(sym.function) + 1;
	file = strlen(sym.file) + 1;
	bytes = sizeof(*l) + function + file;
	l = xcalloc(1, bytes);
	l->l = (struct letter){ .kind = LETTER_SYMBOL, .bytes = bytes };
	l->frame_id = f->frame_id;
	l->line = sym.line;
	l->first_line = sym.first_line;
	l->resolved = sym.resolved;
	l->function = l->text;
	l->file = l->text + function;
	memcpy(l->function, sym.function, function);
	memcpy(l->file, sym.file, file);
	post(s, &l->l);
}

static void send_names(struct session *s, struct session_target *t)
{
	struct target_thread *threads = NULL;
	unsigned n = 0;

	if (target_threads(t->target, true, &threads, &n) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		size_t len = strlen(threads[i].name) + 1, bytes = sizeof(struct thread_name_letter) + len;
		struct thread_name_letter *l;

		if (len == 1)
			continue;
		l = xcalloc(1, bytes);
		l->l = (struct letter){ .kind = LETTER_THREAD_NAME, .bytes = bytes };
		l->pid = t->pid;
		l->tid = (uint32_t)threads[i].tid;
		l->start_ns = threads[i].start_ns;
		memcpy(l->name, threads[i].name, len);
		post(s, &l->l);
	}
	free(threads);
}

/* The kernel programs read a thread's stack when it goes to sleep; of those that slept already it is read here, once. */
static void send_sleepers(struct session *s, struct session_target *t)
{
	const struct runtime *r = target_runtime(t->target);
	struct target_thread *threads = NULL;
	unsigned n = 0;

	if (!r || target_threads(t->target, false, &threads, &n) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct sleeper_letter *l;

		if (threads[i].state == 'R' || !threads[i].tstate)
			continue;
		l = xcalloc(1, sizeof(*l));
		l->l = (struct letter){ .kind = LETTER_SLEEPER, .bytes = sizeof(*l) };
		l->stack.key = frames_read(&r->walk, target_mem(t->target), threads[i].tstate, t->pid, &l->stack);
		lock_finder_parked(t->target, &threads[i], &l->parked);
		l->read_ns = clock_now_ns();
		l->stack.h.kind = EV_STACK;
		l->stack.h.size = (uint16_t)(offsetof(struct ev_stack, frames) + l->stack.n * sizeof(struct ev_frame));
		l->stack.h.pid = t->pid;
		l->stack.h.tid = (uint32_t)threads[i].tid;
		if (l->stack.key && !(l->stack.h.flags & EV_F_TORN))
			post(s, &l->l);
		else
			free(l);
	}
	free(threads);
}

/* A changed set of interpreters is handed to the capture thread, which tells the collector; until it has, hands off. */
static bool has_gil(const struct target *target)
{
	const struct runtime *r = target_runtime(target);

	return r && r->n_interps && r->interps[r->n_interps - 1].gil;
}

static void tell_loops(struct session *s, struct session_target *t)
{
	const struct runtime *r = target_runtime(t->target);

	if (!r || !r->loops_in_c || t->loops_told)
		return;
	t->loops_told = true;
	session_note(s, "pid %d: it has imported uvloop, whose event loops run in C: callbacks of tasks that take long are told, others are not",
		     (int)t->shown_pid);
}

static void refresh(struct session *s, struct session_target *t)
{
	bool had_gil;
	int r;

	if (atomic_load(&t->changed) || !t->symbols)
		return;
	had_gil = has_gil(t->target);
	r = target_refresh(t->target);
	tell_loops(s, t);
	if (r != RUNTIME_CHANGED)
		return;
	if (target_runtime(t->target)->free_threaded && has_gil(t->target) != had_gil)
		session_note(s, "pid %d: its GIL was switched %s while it ran (an extension that needs it was imported, or its last user ended)",
			     (int)t->shown_pid, had_gil ? "off" : "on");
	send_gils(s, t);
	atomic_store(&t->changed, true);
	while (atomic_load(&t->changed) && !mailbox_closed(&s->to_resolver))
		usleep(1000);
}

/* Where its memory did not answer within the limit of a read. */
static void tell_silent(struct session *s, struct session_target *t)
{
	uint64_t addr;

	while (t->target && t->silent_told < target_silent_places(t->target, t->silent_told, &addr)) {
		t->silent_told++;
		session_note(s, "pid %d: its memory at 0x%" PRIx64 " did not answer: names and lines that lie there are missing",
			     (int)t->shown_pid, addr);
	}
}

/* What has ended needs no descriptors; its names are kept a while for those who ask late. */
static void forget(struct session *s, struct session_target *t)
{
	if (!s->follow || t->root || !t->target || clock_now_ns() - atomic_load(&t->ended_ns) < KEEP_ENDED_NS)
		return;
	pthread_mutex_lock(&s->swap);
	session_target_close(t);
	pthread_mutex_unlock(&s->swap);
}

void *session_resolver_main(void *session)
{
	struct session *s = session;
	uint64_t refreshed_ns = clock_now_ns(), named_ns = refreshed_ns - NAMES_EVERY_NS + FIRST_NAMES_NS;
	uint64_t pause_ns = NEW_NAMES_NS;
	unsigned born = 0;
	struct session_locks *locks = session_locks_new();
	bool closed;

	for (unsigned i = 0; i < s->n_targets; i++) {
		if (!s->targets[i]->target)
			continue;
		send_gils(s, s->targets[i]);
		send_sleepers(s, s->targets[i]);
	}
	do {
		struct letter *l;
		uint64_t now;

		closed = mailbox_closed(&s->to_resolver);
		l = mailbox_take(&s->to_resolver, TAKE_NS);
		while (l) {
			struct letter *next = l->next;

			if (l->kind == LETTER_SHARED)
				session_locks_where(locks, s, (const struct shared_letter *)l);
			else
				resolve(s, (const struct frame_letter *)l);
			free(l);
			l = next;
		}
		now = clock_now_ns();
		unsigned now_born = atomic_load(&s->born);
		bool names = closed || now - named_ns >= NAMES_EVERY_NS || (now - named_ns >= pause_ns && now_born != born);
		bool again = now - refreshed_ns >= REFRESH_EVERY_NS;

		for (unsigned i = 0; i < s->n_targets; i++) {
			struct session_target *t = s->targets[i];

			if (session_target_adopt(s, t))
				send_gils(s, t);
			if (atomic_load(&t->ended))
				forget(s, t);
			if (!t->target || atomic_load(&t->ended))
				continue;
			if (again && !closed)
				refresh(s, t);
			if (names && !too_late(s))
				send_names(s, t);
			if (!closed && !too_late(s))
				session_locks_look(locks, s, t);
			tell_silent(s, t);
		}
		if (again)
			refreshed_ns = now;
		if (names) {
			uint64_t took = clock_now_ns() - now;

			named_ns = now;
			born = now_born;
			pause_ns = took * NEW_NAMES_SHARE > NEW_NAMES_NS ? took * NEW_NAMES_SHARE : NEW_NAMES_NS;
		}
	} while (!closed);
	session_locks_free(locks);
	return NULL;
}
