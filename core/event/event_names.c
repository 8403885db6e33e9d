/* Tables made from event_kinds.def; the flag words are the EV_F_ names without their prefix. */
#include "core/event/event_names.h"

#include <string.h>

#include "core/event/event_parked.h"

static const struct { const char *name, *meaning; size_t size; } kinds[] = {
#define EVENT(number, name, NAME, meaning) [number] = { #name, meaning, sizeof(struct ev_##name) },
#include "core/event/event_kinds.def"
#undef EVENT
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *event_name(unsigned kind)
{
	return kind < N_KINDS ? kinds[kind].name : NULL;
}

const char *event_meaning(unsigned kind)
{
	return kind < N_KINDS ? kinds[kind].meaning : NULL;
}

size_t event_size(unsigned kind)
{
	return kind < N_KINDS ? kinds[kind].size : 0;
}

unsigned event_kind(const char *name, size_t len)
{
	for (unsigned k = 0; k < N_KINDS; k++)
		if (kinds[k].name && strlen(kinds[k].name) == len && !memcmp(kinds[k].name, name, len))
			return k;
	return 0;
}

bool event_size_ok(const struct ev_hdr *h, size_t len)
{
	const struct ev_stack *stack = (const struct ev_stack *)h;

	if (len < sizeof(*h) || h->size > len || !event_size(h->kind))
		return false;
	if (h->kind == EV_NATIVE) {
		const struct ev_native *native = (const struct ev_native *)h;

		return h->size >= offsetof(struct ev_native, bytes) && native->n_frames <= EV_MAX_FRAMES &&
		       native->n_entries <= EV_MAX_ENTRIES && h->size == offsetof(struct ev_native, bytes) + native->n_bytes;
	}
	if (h->kind != EV_STACK)
		return h->size == event_size(h->kind);
	return h->size >= offsetof(struct ev_stack, frames) && stack->n <= EV_MAX_FRAMES &&
	       h->size == offsetof(struct ev_stack, frames) + stack->n * sizeof(struct ev_frame);
}

static __u64 later(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

__u64 event_complete_ns(const struct ev_hdr *h)
{
	switch ((enum ev_kind)h->kind) {
	case EV_OFF: return later(((const struct ev_off *)h)->t_in_ns, ((const struct ev_off *)h)->t_out_ns);
	case EV_SAMPLE: return ((const struct ev_sample *)h)->t_ns;
	case EV_THREAD: return ((const struct ev_thread *)h)->t_ns;
	case EV_EXIT: return ((const struct ev_exit *)h)->t_ns;
	case EV_FORK: return ((const struct ev_fork *)h)->t_ns;
	case EV_EXEC: return ((const struct ev_exec *)h)->t_ns;
	case EV_AGG: return later(((const struct ev_agg *)h)->t1_ns, ((const struct ev_agg *)h)->t0_ns);
	case EV_LOSS: return ((const struct ev_loss *)h)->t1_ns;
	case EV_LEVEL: return ((const struct ev_level *)h)->t_ns;
	case EV_HOLD: return later(((const struct ev_hold *)h)->t1_ns, ((const struct ev_hold *)h)->t0_ns);
	case EV_LOOKS: return later(((const struct ev_looks *)h)->t1_ns, ((const struct ev_looks *)h)->t0_ns);
	case EV_STACK:
	case EV_NATIVE: return 0;
	}
	return 0;
}

#define FLAG(name) { EV_F_##name, #name }
const struct event_word event_flag_words[] = {
	FLAG(BLOCKED), FLAG(FUTEX_WAIT), FLAG(GIL_WAIT), FLAG(GIL_SEEN), FLAG(LOCKED), FLAG(SELF_HOLDS), FLAG(GC),
	FLAG(WANTS_GIL), FLAG(KERNEL), FLAG(TRUNCATED), FLAG(TORN), FLAG(PROCESS), FLAG(UNFINISHED), FLAG(AT_START),
	FLAG(PYTHON), FLAG(RENAMED), FLAG(FORCED_SWITCH), FLAG(GIL_MUTEX), FLAG(MOVED), FLAG(STAYED),
	FLAG(SELF_LAST), FLAG(NOT_RELEASED), FLAG(IN_SEEN), FLAG(UNPLACED), FLAG(FOLLOWED), FLAG(INFERRED), FLAG(TAKE_SEEN),
	FLAG(SAMPLED), FLAG(GIL_POLL), FLAG(GIL_QUEUE), FLAG(NATIVE),
	{ 0, NULL },
};

const struct event_word event_loss_words[] = {
	{ EV_LOSS_RING_OFF, "ring_off" }, { EV_LOSS_RING_STACK, "ring_stack" }, { EV_LOSS_RING_SAMPLE, "ring_sample" },
	{ EV_LOSS_RING_OTHER, "ring_other" }, { EV_LOSS_STORAGE, "storage" }, { EV_LOSS_QUEUE, "queue" },
	{ EV_LOSS_WRITE, "write" }, { EV_LOSS_RING_NATIVE, "ring_native" }, { EV_LOSS_UNWIND, "unwind" }, { 0, NULL },
};

const struct event_word event_reason_words[] = {
	{ EV_LEVEL_START, "start" }, { EV_LEVEL_EVENT_RATE, "event_rate" }, { EV_LEVEL_STACK_RATE, "stack_rate" },
	{ EV_LEVEL_OWN_CPU, "own_cpu" }, { EV_LEVEL_LOSS, "loss" }, { EV_LEVEL_RECOVERED, "recovered" }, { 0, NULL },
};

const struct event_word event_agg_words[] = {
	{ EV_AGG_GIL, "gil" }, { EV_AGG_LOCK, "lock" }, { EV_AGG_BLOCKED, "blocked" }, { EV_AGG_SLEEP, "sleep" },
	{ EV_AGG_RUNNABLE, "runnable" }, { 0, NULL },
};

const struct event_word event_parked_words[] = {
	{ EV_PARKED_NOT, "-" }, { EV_PARKED_ELSEWHERE, "elsewhere" }, { EV_PARKED_MUTEX, "mutex" }, { EV_PARKED_LOCK, "lock" },
	{ EV_PARKED_OBJECT, "object" }, { EV_PARKED_SECTION, "section" }, { EV_PARKED_STOPPED, "stopped" },
	{ EV_PARKED_STOPPING, "stopping" }, { 0, NULL },
};
