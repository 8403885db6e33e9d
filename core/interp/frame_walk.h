#pragma once
/* The Python frame walk, bounded and freestanding: compiled into the BPF programs and, with a stub reader, into
 * the host tests and the fuzzer.  It includes nothing but the kernel's integer types.
 * The walk itself (walk_frames) is there for includers that first define
 *     WALK_READ(dst, len, addr)      0 on success; a fault is harmless
 *     WALK_FN                        storage class, e.g. static __noinline
 *     WALK_PART                      optional: the same of what a walk calls once
 *     WALK_RUN(w)                    optional: runs walk_step(w) up to WALK_STEPS times
 *     WALK_ENTRY(w, addr)            optional: the frames so far, from the last such call on, run in one call of the evaluation loop;
 *                                    addr: of the entry frame that it keeps on the C stack (3.12+), 0 none
 * and include core/event/event.h.
 *
 * Owns: nothing.  Context: any, BPF included.  Untrusted: every pointer and value.  Bounded: WALK_STEPS steps, four reads each. */

#include <linux/types.h>

#include "core/interp/task_walk.h"

#define WALK_MAX_FRAMES 128
#define WALK_MAX_SHIMS 32
#define WALK_STEPS (WALK_MAX_FRAMES + WALK_MAX_SHIMS)
#define WALK_NO_FIELD 0xffff
#define WALK_NO_OWNER 0xff
#define WALK_TLBC_MAX 0xfffff /* threads */

/* What the walk needs of a version; offsets from the layout row or the target's own debug offsets. */
struct walk_layout {
	__u16 tstate_frame; /* PyThreadState: frame (<=3.10), cframe (3.11, 3.12), current_frame (3.13+); WALK_NO_FIELD: no frames (PyPy) */
	__u16 cframe_frame; /* offset of current_frame in _PyCFrame; WALK_NO_FIELD when tstate points at the frame */
	__u16 tstate_thread_id; /* PyThreadState.thread_id */
	__u16 tstate_interp;
	__u16 interp_gil; /* PyInterpreterState: pointer to the GIL it follows (3.12+); WALK_NO_FIELD: one GIL, in the runtime */
	__u16 code_firstlineno;
	__u16 code_bytecode; /* co_code_adaptive, where instruction pointers start; unused with lasti_scale */
	__u8 frame_code, frame_prev, frame_instr, frame_owner; /* owner WALK_NO_OWNER: no shim frames (<=3.11) */
	__u8 frame_span; /* bytes to read of a frame: the last field's end, <= WALK_SPAN */
	__u8 lasti_scale; /* 0: frame_instr is a pointer into the code; 1, 2: it is an int, times this = bytes */
	__u8 code_tag_mask; /* low bits to clear from the code pointer (3.14+: 3) */
	__u8 owner_shim; /* owner values from this on are not Python frames (3) */
	/* The GIL, from its address.  Asleep in gil_wait …: it waits for it; in gil_forced …: it gave it up on demand, with
	 * WALK_GIL_IDENT: it waits behind another waiter; either way who has just taken it wakes it; elsewhere below gil_size: a
	 * bounce on its mutex. */
	__u8 gil_words; /* enum walk_gil_words: what is at gil_holder */
	__u8 frame_entry; /* is_entry (3.11), WALK_NO_OWNER elsewhere */
	__u16 gil_size, gil_wait, gil_wait_len, gil_forced, gil_forced_len;
	__u16 gil_locked; /* with WALK_GIL_IDENT only */
	__u16 gil_cond;
	/* Where the list of thread states begins, for programs that keep a thread's own nowhere else (2.7) */
	__u16 interp_tstate_head, tstate_next;
	__u16 code_tlbc; /* list of the copies: its size, their addresses */
	/* See parked.h.  Of builds without the GIL, else WALK_NO_FIELD … */
	__u16 tstate_state, tstate_critical, interp_world;
	__u8 object_mutex; /* … or WALK_NO_OWNER */
	__u8 object_type;
	__u8 frame_tlbc; /* index of the copy of the bytecode that the frame runs; WALK_SPAN: there is one only */
	/* Of the C library (libc.h) */
	__u8 cond_list; /* in a condition: where its list of waiters begins (cond_list.h), 0 none.  Its own words are then no waits for it */
	__u8 tss_pointer; /* from the thread pointer: the pointer to thread-specific data, 0 they are there */
	__u8 pad;
	__u64 interpreters; /* address of the pointer to the first interpreter; 0: the thread knows its own */
	__u64 gil_holder; /* may lie elsewhere in the process: the sum wraps */
	__u64 world; /* address of the whole process's struct _stoptheworld_state, 0 none */
	struct walk_tasks tasks;
};
_Static_assert(sizeof(struct walk_layout) == 128, "shared with BPF");

enum walk_gil_words {
	WALK_GIL_TOGETHER, /* last_holder, locked (an int), switch_number, each 8 bytes on (3.7+) */
	WALK_GIL_CURRENT, /* the thread state that has it now, 0 none */
	WALK_GIL_SEMAPHORE, /* … and who wakes a waiter has just let go (2.7) */
	WALK_GIL_IDENT, /* the pthread id of who has it, 0 none; void while the char at gil_locked is 0 (PyPy) */
};

#ifdef WALK_READ

/* Address of the innermost frame of a thread state, 0 if there is none or it cannot be read. */
static inline __attribute__((always_inline)) __u64 walk_top(const struct walk_layout *l, __u64 tstate)
{
	__u64 p = 0;

	if (l->tstate_frame == WALK_NO_FIELD || WALK_READ(&p, sizeof(p), tstate + l->tstate_frame))
		return 0;
	if (l->cframe_frame != WALK_NO_FIELD && p && WALK_READ(&p, sizeof(p), p + l->cframe_frame))
		return 0;
	return p;
}

/* Where the bytecode starts that the frame runs.  Without the GIL each thread has its own copy, specialised for itself: the code object's
 * co_tlbc points to { size, entries[] }, entry 0 is the one in the code object (CPython 3.14, struct _PyCodeArray). */
static inline __attribute__((always_inline)) __u64 walk_bytecode(const struct walk_layout *l, const struct walk_buf *b, __u64 code)
{
	__u64 list = 0, own = 0;
	__u32 index;

	if (l->frame_tlbc >= WALK_SPAN)
		return code + l->code_bytecode;
	index = WALK_AT(const __u32, b, l->frame_tlbc);
	if (!index || index > WALK_TLBC_MAX || WALK_READ(&list, sizeof(list), code + l->code_tlbc) || !list ||
	    WALK_READ(&own, sizeof(own), list + 8 + 8 * (__u64)index) || !own)
		return code + l->code_bytecode;
	return own;
}

static inline __attribute__((always_inline)) __s32 walk_lasti(const struct walk_layout *l, const struct walk_buf *b, __u64 code)
{
	if (l->lasti_scale)
		return (__s32)(WALK_AT(const __u32, b, l->frame_instr) * l->lasti_scale);
	__s64 d = WALK_AT(const __u64, b, l->frame_instr) - walk_bytecode(l, b, code);
	return d < -1 || d > 0x3ffffff ? -1 : (__s32)d;
}

/* A walk in progress.  n lives in out, in memory, on purpose: a register would make the verifier follow every pair of
 * (step, frame) apart. */
struct walk_state {
	const struct walk_layout *l;
	struct walk_buf *b;
	struct ev_stack *out;
	__u64 frame, key;
	__u32 flags;
};

#ifndef WALK_ENTRY
#define WALK_ENTRY(w, addr) (void)(addr)
#endif

/* The frame at `at` is in the stack; is it where a task or callback begins? */
static inline __attribute__((always_inline)) void walk_note_task(struct walk_state *w, __u64 at, __u64 code)
{
	__u64 task = walk_task_of(w->b, at);

	if (code == w->l->tasks.callback)
		w->b->callback = EV_F_CALLBACK;
	if (!task || w->out->n >= WALK_MAX_FRAMES)
		return;
	w->b->callback = EV_F_CALLBACK;
	w->b->task_at = w->out->n;
	w->out->frames[w->out->n & (WALK_MAX_FRAMES - 1)].code = task; /* its name is read after the walk */
	w->out->n++;
}

/* One frame further; returns 1 when the walk is over. */
static inline __attribute__((always_inline)) int walk_step(struct walk_state *w)
{
	const struct walk_layout *l = w->l;
	struct ev_stack *out = w->out;
	struct walk_buf *b = w->b;
	__u32 check = 0;

	if (!w->frame)
		return 1;
	if (out->n >= WALK_MAX_FRAMES) {
		w->flags |= EV_F_TRUNCATED;
		return 1;
	}
	if (WALK_READ(b->frame, l->frame_span, w->frame)) {
		w->flags |= EV_F_TORN;
		return 1;
	}
	__u64 code, at = w->frame;
	code = WALK_AT(__u64, b, l->frame_code) & ~(__u64)l->code_tag_mask;
	w->frame = WALK_AT(__u64, b, l->frame_prev);
	if (l->frame_owner != WALK_NO_OWNER && WALK_AT(__u8, b, l->frame_owner) >= l->owner_shim) {
		WALK_ENTRY(w, at);
		return 0;
	}
	if (WALK_READ(&check, sizeof(check), code + l->code_firstlineno)) {
		w->flags |= EV_F_TORN;
		return 1;
	}
	struct ev_frame *f = &out->frames[out->n & (WALK_MAX_FRAMES - 1)];
	f->code = code;
	f->lasti = walk_lasti(l, b, code);
	f->check = check;
	w->key = walk_mix(walk_mix(w->key, code), (__u64)(__u32)f->lasti << 32 | check);
	out->n++;
	if (l->tasks.coro)
		walk_note_task(w, at, code);
	if (l->frame_entry != WALK_NO_OWNER && WALK_AT(__u8, b, l->frame_entry))
		WALK_ENTRY(w, 0);
	return 0;
}

#ifndef WALK_RUN
#define WALK_RUN(w) for (int i = 0; i < WALK_STEPS && !walk_step(w); i++)
#endif

/* Fills out->frames, n and flags; returns the content key (never 0 with n > 0, 0 with no frames).  seed tells processes apart. */
WALK_FN __u64 walk_frames(const struct walk_layout *l, __u64 tstate, __u64 seed, struct walk_buf *b, struct ev_stack *out)
{
	struct walk_state w = { .l = l, .b = b, .out = out, .key = seed };

	out->n = 0;
	walk_find_tasks(&l->tasks, tstate, b);
	w.frame = walk_top(l, tstate);
	WALK_RUN(&w);
	if (b->task_at < WALK_MAX_FRAMES)
		w.key = walk_task_name(&l->tasks, w.key, b, &out->frames[b->task_at & (WALK_MAX_FRAMES - 1)]);
	b->context = 0;
	if (b->callback && WALK_READ(&b->context, sizeof(b->context), tstate + l->tasks.tstate_context_number))
		b->context = 0;
	out->h.flags = w.flags | b->callback;
	if (!out->n)
		return 0;
	return w.key ? w.key : 1;
}
#endif
