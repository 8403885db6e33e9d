#pragma once
/* What the bpf programs and their loader share beyond the events: the configuration of a target and the counters.
 * Includes nothing but the walk's layout; both sides provide __u8 … __u64. */
#include "core/interp/frame_walk.h"

#define BPF_MAX_PROCS 1024 /* targets at once */
#define BPF_MAX_GILS 16

struct bpf_gil {
	__u64 addr;
	__u64 gc_collecting; /* address of an int, 0 unknown */
};

/* A thread state that names another thread than the one that runs on it: 3.12 runs a subinterpreter on the state made by the
 * thread that created the interpreter (Modules/_xxsubinterpretersmodule.c).  Learnt when such a thread holds a GIL itself. */
struct bpf_alias {
	__u64 tstate, ident;
};
#define BPF_ALIASES 16

/* Value of the map `procs`, keyed by thread group id (initial pid namespace). */
struct bpf_proc {
	__u32 python; /* 0: thread states only; set to 0 by the exec program, the layout is void then */
	__u32 n_gils;
	__u64 tss_offset; /* from the fs base: where the thread's PyThreadState is kept; 0 unknown */
	struct walk_layout walk;
	struct bpf_gil gils[BPF_MAX_GILS];
	__u32 several_interps, pad;
	struct bpf_alias aliases[BPF_ALIASES]; /* slot by address; written by the programs */
};

#define BPF_SHORT_NS 1000000

enum bpf_counter { /* per CPU; the first EV_LOSS_N are enum ev_loss_class */
	BPF_COUNT_EVENTS = 12,
	BPF_COUNT_STACKS,
	BPF_COUNT_STACKS_TORN,
	BPF_COUNT_STACKS_TRUNCATED,
	BPF_COUNT_SHORT, /* off events of less than BPF_SHORT_NS that are sleeps on a GIL, but for the 0.1 ms of PyPy's first waiter: they are few */
	BPF_COUNT_LOOKS, /* at the GIL's words, when a thread left the CPU */
	BPF_COUNT_FRAMES, /* walked, whatever became of the stack */
	BPF_COUNT_SWITCHES, /* runs of on_switch that a target took part in … */
	BPF_COUNT_STACK_RUNS, /* … and of these, runs that walked stacks */
	BPF_COUNT_NATIVE, /* copies of C stacks sent */
	BPF_COUNT_NATIVE_SKIPPED, /* … and those that would have been more than a CPU may take */
	BPF_COUNT_N,
};

struct bpf_counters { /* together, so that a switch touches a line or two of them */
	__u64 n[BPF_COUNT_N];
};

/* The dials, in .bss: written by user space, read by the programs. */
struct bpf_dials {
	__u64 min_wait_ns; /* shorter sleeps on a GIL are only counted */
	__u64 min_off_ns; /* shorter waits for other locks, and stretches off the CPU holding the GIL, are only counted */
	__u64 min_other_ns; /* the same for all other stretches */
	__u64 look_period_ns; /* a thread's GIL is looked at once in so long; 0 always */
	__u64 stack_period_ns; /* stacks once per so much waiting of a thread; 0 always */
	__u32 armed; /* 0: drop everything */
	__u32 iter_mode; /* enum bpf_iter_mode, what the task iterator is to do */
	__u32 only_pid; /* the one target, found in `only_proc` without a map lookup; 0: several, in the map */
	__u32 pid_level; /* of our pid namespace, when it is not the initial one: which of a task's numbers is ours */
	__u32 find_pid, found_pid; /* BPF_ITER_FIND: a process by our number, its number in the initial namespace */
	__u32 no_stacks; /* for benchmarks: none at all are walked when a thread leaves the CPU */
	__u32 pad;
	__u64 start_ns; /* stands for t_out of threads asleep at the start */
};
#define BPF_NO_PID 0xffffffffU
enum bpf_iter_mode { BPF_ITER_START, BPF_ITER_STOP, BPF_ITER_FIND };
