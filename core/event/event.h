#pragma once
/* The events a collector emits: facts only (times, ids, addresses); what they mean is decided in core/timeline.
 * Shared with BPF programs and (later) the in-target library, so it includes nothing but
 * the kernel's integer types.  Little-endian 64-bit, fixed arrays, explicit padding.
 *
 * Units: *_ns are CLOCK_MONOTONIC nanoseconds.  pid/tid are those of the pid namespace gilscope runs in.
 * `ident` is the pthread id that CPython stores as tstate->thread_id; on x86-64 it equals the thread's fs base,
 * which is how a holder's PyThreadState is tied to a kernel thread without a table in BPF.
 * Stack keys are 64-bit content hashes; 0 means no stack was taken. */

#include <linux/types.h>

#define EV_COMM_LEN 16
#define EV_MAX_FRAMES 128
#define EV_MAX_ENTRIES 32
#define EV_STACK_BYTES 16384 /* most of a copy of a C stack */
#define EV_REGS 17 /* in the order of DWARF on x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8 … r15 rip */
#define EV_REG_SP 7
#define EV_REG_IP 16
#define EV_NO_NUMBER (~0ULL) /* as a switch number: this interpreter keeps none */

enum ev_kind {
#define EVENT(number, name, NAME, meaning) EV_##NAME = number,
#include "event_kinds.def"
#undef EVENT
};

/* First bytes of every event. */
struct ev_hdr {
	__u16 kind; /* enum ev_kind */
	__u16 size; /* of the whole event */
	__u32 flags; /* EV_F_* */
	__u32 pid; /* thread group */
	__u32 tid;
};

enum ev_flags {
	EV_F_BLOCKED = 1 << 0, /* off: it slept (else it was preempted, still runnable) */
	EV_F_FUTEX_WAIT = 1 << 1, /* off: asleep in futex() with a WAIT-class operation; arg0 is the word */
	EV_F_GIL_WAIT = 1 << 2, /* off: that word lies inside the GIL at .gil */
	EV_F_GIL_SEEN = 1 << 3, /* the GIL's words could be read; the next three flags mean something */
	EV_F_LOCKED = 1 << 4, /* gil.locked was 1 */
	EV_F_SELF_HOLDS = 1 << 5, /* … and the holder is this thread */
	EV_F_GC = 1 << 6, /* … and the garbage collector was running */
	EV_F_WANTS_GIL = 1 << 7, /* sample: a register points into the GIL while another thread holds it */
	EV_F_KERNEL = 1 << 8, /* sample: in kernel mode */
	EV_F_TRUNCATED = 1 << 9, /* stack: deeper than EV_MAX_FRAMES, root end missing */
	EV_F_TORN = 1 << 10, /* stack: the walk hit unreadable or implausible memory; the frames up to there */
	EV_F_PROCESS = 1 << 11, /* exit: the last thread of the process */
	EV_F_UNFINISHED = 1 << 12, /* off: still off the CPU when the recording ended; t_in_ns is that end */
	EV_F_AT_START = 1 << 13, /* off/thread: already so when the recording began; t_out_ns is that begin */
	EV_F_PYTHON = 1 << 14, /* the thread has a Python thread state */
	EV_F_RENAMED = 1 << 15, /* thread: only the name changed */
	EV_F_FORCED_SWITCH = 1 << 16, /* off: the word lies in gil.switch_cond/switch_mutex: it gave the GIL up on demand */
	EV_F_GIL_MUTEX = 1 << 17, /* off: the word is gil.mutex, a short bounce on the way into or out of the GIL */
	EV_F_MOVED = 1 << 18, /* off, GIL_WAIT: it ran Python code or signalled the GIL's condition since its last sleep on a GIL, so had it in between */
	EV_F_STAYED = 1 << 19, /* … it did neither, as far as was seen: a loop may come back to the same instruction */
	EV_F_SELF_LAST = 1 << 20, /* gil.last_holder is this thread, whether it holds the GIL still or not */
	EV_F_NOT_RELEASED = 1 << 21, /* off, GIL_WAIT: the waker had not just released the GIL (a waiter that timed out wakes others too) */
	EV_F_IN_SEEN = 1 << 22, /* off: in_number is valid, and another thread was the last holder at that moment */
	EV_F_UNPLACED = 1 << 23, /* agg: at some sleep on a GIL it was not looked where its Python code stood */
	EV_F_FOLLOWED = 1 << 24, /* fork: the child is recorded too */
	EV_F_SAMPLED = 1 << 27, /* off/sample, with INFERRED: by a collector that only samples; who had the GIL is in hold events, not to be concluded */
	EV_F_INFERRED = 1 << 25, /* off/sample: concluded from samples, not observed; times are estimates, off by up to a sampling period */
	EV_F_CALLBACK = 1U << 31, /* stack, between the walk and who sends it: in a callback of an asyncio event loop */
	EV_F_TAKE_SEEN = 1 << 26, /* off/sample: MOVED or STAYED is certain: a thread that takes the GIL is seen doing so */
	EV_F_GIL_POLL = 1 << 28, /* off, GIL_WAIT: PyPy's first waiter, who looks at the GIL every 0.1 ms: it may have it without having been woken */
	EV_F_GIL_QUEUE = 1 << 29, /* off, GIL_WAIT: a PyPy's other waiters: who wakes it has just taken the GIL */
	EV_F_NATIVE = 1 << 30, /* stack: it has native frames, and `inner` means something */
};

/* One stretch off the CPU, emitted when the thread runs again. */
struct ev_off {
	struct ev_hdr h;
	__u64 t_out_ns, t_in_ns;
	__u64 t_wake_ns; /* when it was made runnable; 0 if not seen */
	__u64 arg0; /* first system call argument (futex word, fd) */
	__u32 arg1; /* second one, low half (futex operation) */
	__s32 nr; /* system call, -1 none */
	__u64 gil; /* address of the GIL looked at (waited for, else the thread's own), 0 none */
	__u64 holder_ident; /* tstate->thread_id of gil.last_holder; meaningful with EV_F_LOCKED */
	__u64 switch_number; /* gil.switch_number at t_out: how often it went to another thread than its last holder */
	__u64 in_number; /* the same when it was woken or came back to the CPU, the later that could be read; with EV_F_IN_SEEN */
	__u64 own_stack; /* this thread's Python stack at t_out */
	__u64 holder_stack; /* the holder's, read in this thread's context at t_out */
	__u64 waker_stack; /* the waker's at t_wake (GIL waits only) */
	__u32 waker_pid, waker_tid, cpu_out, cpu_in;
	/* Asleep on another lock than a GIL.  CPython 3.13 and newer park a waiter on a semaphore on its own C stack (Python/parking_lot.c):
	 * arg0 is that word, `parked` the address it stands for; else 0. */
	__u64 parked;
	/* Who has it, where the lock says so.  Of a parked one an ident: the word 8 bytes behind, in an RLock (3.14, _PyRecursiveMutex.thread);
	 * who stopped the world.  Of FUTEX_WAIT __owner, a tid, of glibc's mutex.  Other locks have anything there: it must name a thread. */
	__u64 lock_owner;
	/* As the kernel sends it: the id of the ev_native taken at t_out.  Once that is unwound the key of the merged stack; 0 none. */
	__u64 native;
	__u32 parked_as, pad; /* enum ev_parked (event_parked.h): what lay at that address */
	__u64 context; /* at own_stack, in a callback of an event loop: PyThreadState.context_ver, which tells it from the next one; else 0 */
};

/* One Python frame as it can be had cheaply in the kernel. */
struct ev_frame {
	__u64 code; /* address of the code object, tag bits cleared; 0 = a frame that could not be read */
	__s32 lasti; /* byte offset of the instruction in the code, <0 not started; enum task_frame: a task's; EV_NATIVE_FRAME: no Python, code is an instruction's address */
	__u32 check; /* co_firstlineno at that moment: tells a reused address from the old function; native: of the file it lies in */
};
#define EV_NATIVE_FRAME (-0x7fffffff - 1)

struct ev_stack {
	struct ev_hdr h; /* size counts only the n frames present */
	__u64 key;
	__u32 n;
	__u32 inner; /* with EV_F_NATIVE: so many innermost frames are the interpreter's and the C library's; the one above them names the stack */
	struct ev_frame frames[EV_MAX_FRAMES]; /* leaf first */
};

/* One call of the interpreter's evaluation loop. */
struct ev_entry {
	__u64 addr; /* of something that it keeps in its frame on the C stack; 0 unknown */
	__u32 frames; /* Python frames up to its outermost one */
	__u32 pad;
};

/* What a thread's native frames can be worked out of.  Sent apart from other events: it may come after the one that names it. */
struct ev_native {
	struct ev_hdr h; /* GIL_WAIT: its thread waits for the GIL; TRUNCATED: the stack is longer; INFERRED: only sp and ip are known; size counts only n_bytes */
	__u64 id; /* what off and sample events call it */
	__u64 stack; /* key of the Python frames, 0 none */
	__u64 regs[EV_REGS];
	__u32 n_frames, n_entries, n_bytes;
	__u32 each; /* every Python frame is a call of the evaluation loop (3.10 and older); entries are empty then */
	struct ev_entry entries[EV_MAX_ENTRIES]; /* innermost first */
	struct ev_frame frames[EV_MAX_FRAMES]; /* leaf first */
	__u8 bytes[EV_STACK_BYTES]; /* from the stack pointer on */
};

struct ev_sample {
	struct ev_hdr h;
	__u64 t_ns;
	__u64 gil, holder_ident;
	__u64 stack;
	__u64 ip;
	__s32 nr; /* system call it was in, -1 none */
	__u32 cpu;
	__u64 native; /* as in ev_off */
	__u64 context; /* as of ev_off */
};

struct ev_thread {
	struct ev_hdr h;
	__u64 t_ns;
	__u64 start_ns; /* CLOCK_BOOTTIME birth of the kernel thread: (tid, start_ns) is its identity */
	__u64 ident; /* pthread id, 0 unknown */
	char comm[EV_COMM_LEN];
};

struct ev_exit {
	struct ev_hdr h;
	__u64 t_ns;
	__s32 code; /* wait status, with EV_F_PROCESS */
	__u32 pad;
};

struct ev_fork {
	struct ev_hdr h; /* of the parent */
	__u64 t_ns;
	__u32 child_pid, child_tid;
};

struct ev_exec {
	struct ev_hdr h;
	__u64 t_ns;
	char comm[EV_COMM_LEN];
};

/* Off-CPU stretches shorter than the current threshold, counted in the kernel since the last ev_agg of the thread. */
enum ev_agg_class { EV_AGG_GIL, EV_AGG_LOCK, EV_AGG_BLOCKED, EV_AGG_SLEEP, EV_AGG_RUNNABLE, EV_AGG_N };
#define EV_AGG_BUCKETS 16 /* bucket b counts GIL waits of [2^b, 2^(b+1)) * 1024 ns; b 0 also takes shorter ones */
struct ev_agg {
	struct ev_hdr h;
	__u64 t0_ns, t1_ns; /* first t_out and last t_in covered */
	__u64 gil; /* of the GIL waits */
	__u64 ns[EV_AGG_N];
	__u64 held_ns[EV_AGG_N]; /* part of ns during which the thread held its GIL */
	__u32 n[EV_AGG_N];
	__u32 hist[EV_AGG_BUCKETS];
	__u32 pad;
};

enum ev_loss_class {
	EV_LOSS_RING_OFF, EV_LOSS_RING_STACK, EV_LOSS_RING_SAMPLE, EV_LOSS_RING_OTHER, /* ring buffer full */
	EV_LOSS_STORAGE, /* no per-thread storage: stretch not timed */
	EV_LOSS_QUEUE, /* user-space queue full */
	EV_LOSS_WRITE, /* could not be stored */
	EV_LOSS_RING_NATIVE, /* copies of C stacks: their ring was full */
	EV_LOSS_UNWIND, /* … or they could not be unwound in time, or not at all: the Python frames stand alone */
	EV_LOSS_N
};
struct ev_loss {
	struct ev_hdr h; /* pid, tid 0 */
	__u64 t0_ns, t1_ns; /* lost at some time in between */
	__u64 count;
	__u32 cls; /* enum ev_loss_class */
	__u32 pad;
};

struct ev_level {
	struct ev_hdr h;
	__u64 t_ns;
	__u64 min_off_ns; /* shorter stretches are only counted */
	__u64 stack_period_ns; /* stacks once per so much waiting time of a thread; 0 always */
	__u32 level; /* 3 all, 2 stacks thinned, 1 short stretches only counted, 0 counters only */
	__u32 reason; /* enum ev_level_reason */
};
enum ev_level_reason { EV_LEVEL_START, EV_LEVEL_EVENT_RATE, EV_LEVEL_STACK_RATE, EV_LEVEL_OWN_CPU, EV_LEVEL_LOSS, EV_LEVEL_RECOVERED, EV_LEVEL_REASON_N };

/* With EV_F_INFERRED.  A long hold comes in pieces: the next one begins where the last one ended. */
struct ev_hold {
	struct ev_hdr h;
	__u64 t0_ns, t1_ns;
	__u64 gil;
};

/* Of one GIL, since the last one of it.  The distance between two looks is the error of every estimated time. */
struct ev_looks {
	struct ev_hdr h; /* tid 0 */
	__u64 t0_ns, t1_ns;
	__u64 gil;
	__u64 n; /* looks */
	__u64 p50_ns, p99_ns, max_ns; /* distance from one to the next */
	__u64 switches; /* gil.switch_number: how often it went to another thread than its last holder */
	__u64 seen; /* how often the last holder was another one than at the look before */
};

#ifndef __bpf__
#define EV_SIZE_CHECK(name, bytes) _Static_assert(sizeof(struct ev_##name) == (bytes), "wire size of ev_" #name)
EV_SIZE_CHECK(hdr, 16);
EV_SIZE_CHECK(off, 168);
EV_SIZE_CHECK(frame, 16);
EV_SIZE_CHECK(stack, 32 + EV_MAX_FRAMES * 16);
EV_SIZE_CHECK(entry, 16);
EV_SIZE_CHECK(native, 2744 + EV_STACK_BYTES);
EV_SIZE_CHECK(sample, 80);
EV_SIZE_CHECK(thread, 56);
EV_SIZE_CHECK(exit, 32); EV_SIZE_CHECK(fork, 32); EV_SIZE_CHECK(exec, 40);
EV_SIZE_CHECK(agg, 208);
EV_SIZE_CHECK(loss, 48); EV_SIZE_CHECK(level, 48);
EV_SIZE_CHECK(hold, 40); EV_SIZE_CHECK(looks, 88);
#undef EV_SIZE_CHECK
#endif
