/* See emit.h. */
#include "collectors/remote/emit.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/event/event.h"
#include "core/interp/frames.h"
#include "core/target/target.h"

#define SENT_MAX 65536 /* keys remembered; one that made room for another is sent again */

static uint64_t sent[SENT_MAX];

static enum ev_loss_class loss_class(unsigned kind)
{
	return kind == EV_OFF ? EV_LOSS_RING_OFF : kind == EV_STACK ? EV_LOSS_RING_STACK : kind == EV_SAMPLE ? EV_LOSS_RING_SAMPLE : EV_LOSS_RING_OTHER;
}

void emit(struct remote_shared *s, const struct ev_hdr *event)
{
	if (!ring_push(&s->ring, event))
		atomic_fetch_add(&s->lost[loss_class(event->kind)], 1);
}

void emit_note(struct remote_shared *s, const char *fmt, ...)
{
	unsigned n = atomic_load(&s->n_notes);
	va_list args;

	if (n == REMOTE_NOTES_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(s->notes[n], sizeof(s->notes[n]), fmt, args);
	va_end(args);
	atomic_store(&s->n_notes, n + 1);
}

uint64_t emit_stack(struct remote_shared *s, struct target *target, struct track *t)
{
	const struct runtime *r = target_runtime(target);
	struct ev_stack stack;
	uint64_t key;

	if (!r || !t->tstate)
		return 0;
	key = frames_read(&r->walk, target_mem(target), t->tstate, t->pid, &stack);
	if (!(stack.h.flags & EV_F_CALLBACK) || mem_u64(target_mem(target), t->tstate + r->walk.tasks.tstate_context_number, &t->context) != 0)
		t->context = 0;
	if (!key || sent[key % SENT_MAX] == key)
		return key;
	stack.h.kind = EV_STACK;
	stack.h.size = (uint16_t)(offsetof(struct ev_stack, frames) + stack.n * sizeof(struct ev_frame));
	stack.h.pid = t->pid;
	stack.h.tid = t->tid;
	stack.key = key;
	stack.inner = 0;
	if (ring_push(&s->ring, &stack.h))
		sent[key % SENT_MAX] = key;
	else
		atomic_fetch_add(&s->lost[EV_LOSS_RING_STACK], 1);
	atomic_fetch_add(&s->stacks, 1);
	return key;
}
