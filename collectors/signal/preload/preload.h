#pragma once
/* The library inside a target: its state, and what its parts offer each other.
 *   library.c  begins and ends: the door, the lease, fork, what is known of the interpreter
 *   threads.c  threads come and go; their slots and rings
 *   waits.c    the interposed waits
 *   samples.c  timers, the signal handler, the program's own use of signals
 *   stacks.c   Python stacks from our own memory, read so that a fault does no harm
 *   programs.c exec: no signal of ours may reach the next program
 *   linkage.c  in a process that runs already: its calls are led to us
 *
 * Owns: one mapping, one timer a thread, one pthread key, at most one signal's handler.
 * Context: as each function says; what a handler may call allocates nothing, locks nothing, leaves errno alone.
 * Errors: none are reported to the program: what cannot be done is left out, counted in struct shared. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "collectors/signal/preload/shared.h"

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { BLOCKS = 6, BLOCK_BYTES = 4096, SENT_STACKS = 256, WORDS = 128 };

struct blocks { /* memory read for one walk: pages of it, for one system call costs more than a page */
	uint64_t at[BLOCKS];
	uint32_t n, next;
	uint8_t bytes[BLOCKS][BLOCK_BYTES] __attribute__((aligned(8)));
};

struct thread_rec { /* of a thread; changed by that thread and its handler only, but for `timer` */
	struct shared_slot *slot; /* NULL: not in use */
	uint8_t *ring;
	uint32_t tid;
	uint32_t foreseen; /* found in a process that ran already: the thread itself does not know its record yet */
	volatile uint32_t busy; /* the library runs on this thread: the handler keeps out */
	volatile uint32_t wants_gil; /* it waits for the GIL */
	int timer; /* TIMER_NONE, or the kernel's number; taken with an exchange by whoever deletes it */
	uint64_t ident;
	struct gil_rec *gil; /* it last had or wanted */
	uint32_t took; /* … and has taken it since its last sleep on it */
	uint32_t slept; /* it has slept on a GIL before */
	uint64_t listed, listed_ns; /* its thread state, where only a list has it: stacks.c */
	uint64_t wait_context; /* with wait_stack: as of ev_off */
	uint64_t wait_stack; /* its own, while it has not had the GIL since */
	uint64_t since_stack_ns, stack_period_ns, credit_at_ns; /* how often stacks are read: stacks.c */
	int64_t credit_ns;
	uint64_t seen_ns, ran_ns, ran_cpu_ns, waited_ns; /* waits.c */
	uint64_t ran_switches, waits;
	uint64_t sent[SENT_STACKS]; /* keys whose frames gilscope has */
	struct blocks blocks;
	uint64_t walk_ns; /* when the walk began */
	struct word_seen { uint64_t addr, at_ns; uint32_t word, pad; } words[WORDS];
	uint8_t walk[352] __attribute__((aligned(8))); /* struct walk_buf */
	struct ev_stack stack;
};
#define TIMER_NONE (-1)

struct gil_rec { /* written under the GIL's own mutex, which whoever waits for it or signals it has */
	uint64_t addr, gc_collecting;
	uint32_t waiters; /* threads asleep on its words now */
	struct thread_rec *taker; /* who took it last */
	uint64_t released_ns, taken_ns; /* the last time while somebody waited … */
	uint32_t released_by; /* … and by whom, a tid */
};

struct gil_words { /* last_holder, locked, switch_number lie together in every version (checked by gilscope) */
	uint64_t last_holder;
	int32_t locked, pad;
	uint64_t switch_number;
};

struct library {
	struct shared *shared; /* NULL: never armed */
	volatile uint32_t *guard; /* 1: armed; on a page that a fork empties */
	uint64_t gil_size; /* bytes of a GIL from its address; 0: nothing is known of Python (a GIL that is off is still of some size) */
	uint64_t gil_queue; /* the mutex through which PyPy's waiters pass; 0 none */
	/* for the way that a million signals a second go: the words of the one GIL (all memory when there are several), and those of its
	 * forced switch */
	uint64_t watched, watched_len, forced, forced_len;
	uint32_t n_gils, config_seen, config_lock, pid;
	struct gil_rec gils[SHARED_MAX_GILS];
	struct walk_layout walk;
	uint64_t tss_offset;
	int signal; /* 0: none taken */
	uint32_t high; /* records below this have been used */
	uint32_t foreseen; /* threads found at the beginning */
	uint64_t full_until_ns; /* no slot was free: not to be looked for before */
	pthread_key_t key;
	bool has_key;
	bool glibc; /* whose locks say more than musl's */
	char door[108];
};
extern struct library lib __attribute__((visibility("hidden")));
extern struct thread_rec thread_recs[SHARED_SLOTS] __attribute__((visibility("hidden")));
extern __thread struct thread_rec *self_rec __attribute__((tls_model("initial-exec"), visibility("hidden")));

struct real { /* what we stand before; each begins as a stub that finds them all */
	int (*cond_wait)(pthread_cond_t *, pthread_mutex_t *);
	int (*cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	int (*cond_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
	int (*cond_signal)(pthread_cond_t *);
	int (*mutex_lock)(pthread_mutex_t *);
	int (*sem_wait)(sem_t *);
	int (*sem_timedwait)(sem_t *, const struct timespec *);
	int (*sem_clockwait)(sem_t *, clockid_t, const struct timespec *);
	int (*thread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*sigaction)(int, const struct sigaction *, struct sigaction *);
	void (*(*signal)(int, void (*)(int)))(int);
	int (*execve)(const char *, char *const[], char *const[]);
	int (*execv)(const char *, char *const[]);
	int (*execvp)(const char *, char *const[]);
	int (*execvpe)(const char *, char *const[], char *const[]);
	int (*fexecve)(int, char *const[], char *const[]);
};
extern struct real real __attribute__((visibility("hidden")));
void real_find(void);

static inline bool armed(void)
{
	return lib.guard && *lib.guard;
}

/* library.c; async-signal-safe */
void disarm(uint32_t why_not_sampling); /* for good; SAMPLING_N: as it is */
bool lease_holds(uint64_t now);
void config_follow(void); /* takes over what gilscope has published since */

/* threads.c */
struct thread_rec *thread_self_slow(void); /* not in a handler: it may take a slot; NULL: none to be had */
void thread_put(struct thread_rec *t, const struct ev_hdr *e, enum ev_loss_class cls);
void threads_forget(void); /* in a forked child: the parent's */
void threads_foresee(void); /* those that run already; before linkage_change */
struct thread_rec *thread_adopt(void); /* the record of a thread that was foreseen; NULL: none.  Async-signal-safe */
static inline struct thread_rec *thread_self(void)
{
	return LIKELY(self_rec) ? self_rec : thread_self_slow();
}

/* linkage.c; while the dynamic linker loads us */
void linkage_change(void);

/* samples.c; async-signal-safe but for the first */
void samples_begin(void); /* takes a signal */
void samples_end(uint32_t why);
void timer_begin(struct thread_rec *t);
void timer_end(struct thread_rec *t);

/* stacks.c; async-signal-safe.  Keys of the stacks, whose frames are in the ring; 0 none. */
bool self_read(void *ret, uint64_t addr, uint64_t len);
uint64_t own_tstate(struct thread_rec *t);
uint64_t stack_take(struct thread_rec *t, uint64_t tstate, bool moving);
void parked_look(struct thread_rec *t, uint64_t tstate, struct ev_off *e); /* fills in what the thread is parked on */
uint64_t stack_context(const struct thread_rec *t); /* of the stack just taken: as of ev_off */
bool stack_due(struct thread_rec *t, uint64_t now);
void stack_paid(struct thread_rec *t, uint64_t cost_ns);

/* waits.c; async-signal-safe */
struct gil_rec *gil_of(uint64_t addr);
uint32_t take_seen(const struct thread_rec *t, bool waits); /* flags: has it had the GIL since its last sleep on it, while it waits again? */
void look_at_gil(struct thread_rec *t, struct gil_rec *g, uint64_t tstate, struct gil_words *w, uint32_t *flags, __u64 *holder_ident);
bool gil_read_words(const struct gil_rec *g, bool alive, struct gil_words *ret);
void account_ran(struct thread_rec *t, uint64_t now); /* the thread does something at `now`; tells of time off the CPU before */
