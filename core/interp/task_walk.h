#pragma once
/* Which asyncio task a thread runs, as a frame of its Python stack: it stands behind the outermost frame of the task's coroutine, where
 * the event loop called it.  Freestanding like frame_walk.h, which includes this and says what an includer defines.
 *
 * The task is found where the interpreter keeps it and believed only when its coroutine's frame is on the stack.  Its name comes along when it
 * is a number or short: a task may be gone before anybody could ask for it.
 *
 * Owns: nothing.  Context: any, BPF included.  Untrusted: every pointer and value.  Bounded: TASK_LOOPS + 6 reads. */

#include <linux/types.h>

#define WALK_SPAN 128 /* most bytes read at once, a power of two; every frame_* offset lies below it */
#define TASK_LOOPS 4 /* event loops at once that are told apart (up to 3.13): for so many the dict has 16 slots at most, */
#define TASK_SLOTS_LOG2 4
#define TASK_ENTRIES 10 /* … and so many entries, most of them deleted ones (Objects/dictobject.c, GROWTH_RATE, USABLE_FRACTION) */
#define TASK_ENTRY 24 /* hash, key, value */
#define TASK_NAME_BYTES 80 /* of a name that are looked at */
#define TASK_NAME_SHORT 12 /* characters that fit into a frame */
#define TASK_NUMBER_MAX 10000 /* from here on tasks without a name of their own are one: servers make one for each request */

/* As ev_frame.lasti: the frame is not of code, it names the task that runs the frames before it. */
enum task_frame {
	EV_TASK_NUMBER = -0x70000000, /* a task without a name of its own: code is its number, the last one stands for all that follow */
	EV_TASK_TEXT, /* code and check hold its name, up to 12 bytes of ASCII, filled up with zeros */
	EV_TASK_NAME, /* code is the address of its name, a Python str; check tells another one from it */
	EV_TASK_END,
};

/* All zero: nothing is known of tasks. */
struct walk_tasks {
	__u64 current; /* 3.11 to 3.13: the dict of loops to the tasks they run (Modules/_asynciomodule.c, current_tasks); else 0 */
	__u64 number_type; /* type of a name that is an int: of a task without a name of its own */
	__u64 callback; /* code object of asyncio.events.Handle._run */
	__u16 tstate_task; /* 3.14 and newer: PyThreadState.asyncio_running_task; else 0 */
	__u16 tstate_context_number; /* PyThreadState.context_ver: changes when a callback begins and when it ends */
	__u16 coro, name; /* of a TaskObj */
	__u8 coro_frame; /* of a PyCoroObject, its frame itself */
	__u8 object_type, str_length, str_state, str_ascii_shift, str_text, int_size, int_size_shift, int_digits;
	__u8 dict_keys, keys_log2_index_bytes, keys_indices;
	__u32 pad;
};
_Static_assert(sizeof(struct walk_tasks) == 48, "shared with BPF");

#ifdef WALK_READ

/* Of functions that a walk calls once.  In BPF they are global ones, which are verified by themselves: as a part of each walk of each program
 * they took the verifier 27,000 instructions more a program. */
#ifndef WALK_PART
#define WALK_PART WALK_FN
#endif

struct walk_buf { /* working memory, too large for a BPF stack */
	__u8 frame[256] __attribute__((aligned(8))); /* frame_span is a __u8: no reading can overrun it, which the verifier sees by itself */
	__u64 task[TASK_LOOPS], coro_frame[TASK_LOOPS]; /* tasks that may run, 0 none, and where their coroutines have their frames */
	__u32 task_at; /* index of the task's frame in the stack; WALK_NO_TASK */
	__u32 callback; /* EV_F_CALLBACK or 0; here and not in the walk's state, as its n is */
	__u64 context; /* with EV_F_CALLBACK: the thread's number of contexts, else 0 */
};
#define WALK_NO_TASK 0xffffffffU

/* The mask bounds the offset and keeps the access aligned, whatever the layout says. */
#define WALK_AT(type, buf, off) (*(type *)((buf)->frame + ((off) & (WALK_SPAN - sizeof(type)))))

static inline __attribute__((always_inline)) __u64 walk_mix(__u64 key, __u64 x)
{
	key ^= x;
	key *= 0x9e3779b97f4a7c15ULL;
	return key ^ (key >> 29);
}

static inline __attribute__((always_inline)) void walk_running_task(const struct walk_tasks *t, __u64 tstate, struct walk_buf *b)
{
	__u32 n = 0, listed = TASK_ENTRIES;
	__u64 keys = 0, task;
	__u8 log2 = 0;

	if (t->tstate_task) {
		WALK_READ(&b->task[0], sizeof(b->task[0]), tstate + t->tstate_task);
		return;
	}
	if (WALK_READ(&keys, sizeof(keys), t->current + t->dict_keys) || !keys ||
	    WALK_READ(&log2, sizeof(log2), keys + t->keys_log2_index_bytes) ||
	    log2 > TASK_SLOTS_LOG2) /* of the index's bytes, one a slot */
		return;
	if (log2 < TASK_SLOTS_LOG2)
		listed = TASK_ENTRIES / 2;
	if (WALK_READ(b->frame, listed * TASK_ENTRY, keys + t->keys_indices + (1ULL << log2)))
		return;
	for (__u32 i = 0; i < TASK_ENTRIES; i++) {
		task = i < listed ? *(__u64 *)(b->frame + i * TASK_ENTRY + 16) : 0;
		if (task)
			b->task[n++ & (TASK_LOOPS - 1)] = task;
	}
}

/* Always 0. */
WALK_PART int walk_find_tasks(const struct walk_tasks *t, __u64 tstate, struct walk_buf *b)
{
	if (!t || !b)
		return 0;
	b->task_at = WALK_NO_TASK;
	b->callback = 0;
	for (int i = 0; i < TASK_LOOPS; i++)
		b->task[i] = b->coro_frame[i] = 0;
	if (!t->coro)
		return 0;
	walk_running_task(t, tstate, b);
	for (int i = 0; i < TASK_LOOPS; i++) {
		__u64 coro = 0;

		if (b->task[i] && !WALK_READ(&coro, sizeof(coro), b->task[i] + t->coro) && coro)
			b->coro_frame[i] = coro + t->coro_frame;
	}
	return 0;
}

/* The task whose coroutine's frame this is, 0 none. */
static inline __attribute__((always_inline)) __u64 walk_task_of(const struct walk_buf *b, __u64 frame)
{
	for (int i = 0; i < TASK_LOOPS; i++)
		if (b->coro_frame[i] == frame)
			return b->task[i];
	return 0;
}

static inline __attribute__((always_inline)) __u64 walk_low_bytes(__u64 x, __u64 n)
{
	return n >= 8 ? x : x & ((1ULL << 8 * (n & 7)) - 1);
}

static inline __attribute__((always_inline)) void walk_number(struct ev_frame *f, __u64 number)
{
	f->code = number < TASK_NUMBER_MAX ? number : TASK_NUMBER_MAX;
	f->lasti = EV_TASK_NUMBER;
	f->check = 0;
}

/* What is at name, a str or an int, in an event's frame. */
static inline __attribute__((always_inline)) void walk_name(const struct walk_tasks *t, __u64 name, struct walk_buf *b, struct ev_frame *f)
{
	__u64 length, text, more;

	f->code = name;
	f->lasti = EV_TASK_NAME;
	f->check = 0;
	if (WALK_READ(b->frame, TASK_NAME_BYTES, name))
		return;
	if (WALK_AT(__u64, b, t->object_type) == t->number_type) {
		walk_number(f, WALK_AT(__u64, b, t->int_size) >> (t->int_size_shift & 7) > 1 ? TASK_NUMBER_MAX : WALK_AT(__u32, b, t->int_digits));
		return;
	}
	length = WALK_AT(__u64, b, t->str_length);
	text = WALK_AT(__u64, b, t->str_text);
	more = WALK_AT(__u32, b, t->str_text + 8);
	if ((WALK_AT(__u32, b, t->str_state) >> (t->str_ascii_shift & 31) & 3) != 3) /* not compact and ASCII */
		text = 0;
	else if (length >= 10 && walk_low_bytes(text, 5) == 0x2d6b736154ULL && walk_low_bytes(text >> 40, 1) - '1' < 9) { /* "Task-12345" */
		walk_number(f, TASK_NUMBER_MAX);
		return;
	} else if (length <= TASK_NAME_SHORT) {
		f->code = walk_low_bytes(text, length);
		f->check = (__u32)(length > 8 ? walk_low_bytes(more, length - 8) : 0);
		f->lasti = EV_TASK_TEXT;
		return;
	}
	f->check = (__u32)walk_mix(length, text);
}

/* The name of the task whose place was kept; returns the stack's key with it. */
WALK_PART __u64 walk_task_name(const struct walk_tasks *t, __u64 key, struct walk_buf *b, struct ev_frame *f)
{
	__u64 name = 0;

	if (!t || !b || !f)
		return key;
	if (WALK_READ(&name, sizeof(name), f->code + t->name))
		name = 0;
	walk_name(t, name, b, f);
	return walk_mix(walk_mix(key, f->code), (__u64)(__u32)f->lasti << 32 | f->check);
}
#endif
