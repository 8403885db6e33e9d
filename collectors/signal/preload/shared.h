#pragma once
/* The memory that the library in a process shares with gilscope: what gilscope knows of the interpreter goes in, events come out.
 * One sealed memfd per process, made by gilscope (collectors/signal/door.c) and asked for by the library through a socket.
 *
 * Owns: nothing.  Context: both processes; each field says who writes it.  gilscope trusts nothing that the target may write. */
#include <stdint.h>

#include "collectors/signal/preload/ring.h"
#include "core/interp/frame_walk.h"

#define SHARED_MAGIC UINT64_C(0x31676973706c6967) /* "gilpsig1" */
#define SHARED_SLOTS 512U /* threads of a process at once */
#define SHARED_RING_BYTES (256U << 10)
#define SHARED_SPARE_RINGS 8U /* so many more than are in use have their memory already */
#define SHARED_MAX_GILS 16
#define SHARED_LEASE_NS UINT64_C(2000000000)
#define SHARED_DOOR_ENV "GILSCOPE_DOOR" /* path of the socket */
#define SHARED_LIBRARY "libgilscope_preload.so"
#define SHARED_INJECTED "libgilscope_injected.so" /* the same, where a process was asked to load it: the door is a file beside it … */
#define SHARED_DOOR "door" /* … of that name */

struct shared_gil {
	uint64_t addr;
	uint64_t gc_collecting; /* address of an int, 0 unknown */
};

struct shared_config { /* gilscope's; constant once published, the next one goes into the other place */
	uint32_t python, n_gils;
	uint64_t tss_offset; /* from pthread_self(): where the thread's PyThreadState is kept; 0 unknown */
	struct walk_layout walk;
	struct shared_gil gils[SHARED_MAX_GILS];
};

enum shared_slot_state { SLOT_FREE, SLOT_LIVE, SLOT_ENDED /* gilscope drains it, then sets it free */ };

/* What of a thread's waiting is not over yet, for the end of the recording. */
struct shared_waiting {
	uint64_t since_ns; /* 0: does not wait */
	uint64_t word, gil, own_stack;
	uint32_t flags, pad;
};

struct shared_slot { /* of one thread; its library's but for state and ring.tail */
	uint32_t state, tid;
	uint64_t ident;
	uint64_t lost[EV_LOSS_QUEUE]; /* by enum ev_loss_class, since the slot was taken */
	uint64_t stacks_left_out; /* waits whose stacks were not read, to stay cheap */
	uint64_t busy; /* samples that came while the library itself ran: not taken */
	uint64_t seen_ns, seen_cpu_ns; /* its last event: when, and how much CPU time it had used */
	struct shared_waiting waiting;
	struct ring ring;
} __attribute__((aligned(64)));

enum shared_sampling { /* why threads are sampled or not */
	SAMPLING_NONE, /* not asked for */
	SAMPLING_ON,
	SAMPLING_NO_SIGNAL, /* every signal we might use has a handler */
	SAMPLING_TAKEN, /* the program has installed a handler for ours */
	SAMPLING_NO_TIMER, /* the kernel gave none */
	SAMPLING_N,
};

struct shared { /* gilscope's up to `config`, the library's from `sampling` on */
	uint64_t magic;
	uint32_t bytes_of_head, slots;
	uint64_t lease_ns; /* CLOCK_MONOTONIC: over after that moment */
	uint32_t stop; /* nothing more is wanted */
	uint32_t ready; /* slots whose ring has memory: only those below may be taken */
	uint32_t sample_hz;
	uint32_t follow; /* children too; else the library takes itself out of the environment */
	uint32_t config_at; /* config[(config_at - 1) & 1] holds; 0: none yet */
	uint32_t pad;
	struct shared_config config[2];
	uint32_t sampling, signal; /* enum shared_sampling; the signal used */
	uint32_t over; /* it has stopped, all timers are deleted */
	uint32_t no_slot; /* threads that found none */
	uint32_t inside; /* injected: all has been done … */
	uint32_t calls_changed, calls_left; /* … so many calls lead to us now, so many lead to somebody else, as before */
	struct shared_slot slot[SHARED_SLOTS];
};

static inline uint64_t shared_rings_at(void)
{
	return (sizeof(struct shared) + 4095U) & ~UINT64_C(4095);
}

static inline uint64_t shared_bytes(void)
{
	return shared_rings_at() + (uint64_t)SHARED_SLOTS * SHARED_RING_BYTES;
}

static inline uint8_t *shared_ring_data(const struct shared *s, uint32_t slot)
{
	return (uint8_t *)(uintptr_t)s + shared_rings_at() + (uint64_t)slot * SHARED_RING_BYTES;
}

/* What the library says when it connects. */
enum shared_hello_kind {
	HELLO_PROGRAM = 1, /* a program has begun */
	HELLO_FORK = 2, /* a forked child goes on */
	HELLO_INJECTED = 3, /* a program that ran already was asked to let us in */
};
struct shared_hello {
	uint64_t magic;
	uint32_t kind, parent; /* getppid() */
};

/* Kinds of records in the rings besides events: the timeline never sees them. */
#define SHARED_RAN 0x7f01 /* struct shared_ran */
struct shared_ran { /* how a thread spent the time between its last event and the next */
	struct ev_hdr h;
	uint64_t from_ns, to_ns;
	uint64_t off_ns; /* of it off the CPU, when and why is not known */
	uint32_t blocked; /* times it gave the CPU up by itself; 0: it was preempted */
	uint32_t pad;
};
