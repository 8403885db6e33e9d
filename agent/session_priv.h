#pragma once
/* The three threads of a recording and what they share.  Private to session*.c.
 *
 *   capture (the caller's thread)   collector -> batches of events -> to_writer
 *   writer                          batches -> timeline -> store; asks for names of new frames -> to_resolver
 *   resolver                        reads target memory: names and lines, thread names, new interpreters -> to_writer
 *   native (with --native)          between the two: batches -> copies of C stacks are unwound -> to_writer
 *   followers                       ask new processes and programs whether they are Python -> collector, resolver
 *
 * Only the resolver and the followers read target memory while recording; where it does not answer, their disposable child is left
 * behind (core/target/read_child.h) and a note says what is missing.
 * Only the writer touches the store.  Letters: enum letter_kind; what does not fit in a mailbox is counted as lost. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "agent/mailbox.h"
#include "agent/session.h"
#include "collectors/collector.h"
#include "core/event/event.h"
#include "core/interp/parked.h"
#include "core/store/store.h"
#include "core/util/vec.h"

struct target;
struct symbols;

enum letter_kind {
	LETTER_BATCH, /* capture -> writer: events up to drained_ns */
	LETTER_SYMBOL, /* resolver -> writer */
	LETTER_THREAD_NAME, /* resolver -> writer */
	LETTER_SLEEPER, /* resolver -> writer: stack of a thread that slept when the recording began */
	LETTER_GIL, /* resolver -> writer */
	LETTER_LOCK, /* resolver -> writer: what a lock other than a GIL is */
	LETTER_NOTE, /* anyone -> writer */
	LETTER_PROCESS, /* anyone -> writer: name, program and interpreter of a process */
	LETTER_OWN, /* capture -> writer */
	LETTER_NATIVE, /* native -> writer: a stack with native frames, and their names */
	LETTER_FRAME, /* writer -> resolver: a frame that wants a name */
	LETTER_SHARED, /* writer -> resolver: a futex word that processes may share: in which file does it lie? */
};

struct native_letter {
	struct letter l;
	struct ev_stack stack;
	char text[]; /* function and file of each native frame, leaf first, each with its NUL */
};

struct batch_letter {
	struct letter l;
	uint64_t drained_ns; /* nothing older than this comes later, but for BATCH_SLACK_NS */
	size_t n;
	uint8_t events[]; /* one after the other, each 8-byte aligned */
};

/* Bytes from one event of a batch to the next. */
static inline size_t batch_stride(const struct ev_hdr *h)
{
	return (h->size + 7U) & ~(size_t)7;
}

struct symbol_letter {
	struct letter l;
	uint32_t frame_id, line, first_line;
	bool resolved;
	char *function, *file; /* into text */
	char text[];
};

struct thread_name_letter {
	struct letter l;
	uint32_t pid, tid;
	uint64_t start_ns; /* from /proc, in steps of a clock tick */
	char name[];
};

struct sleeper_letter {
	struct letter l;
	uint64_t read_ns; /* it holds for the first sleep if that lasted beyond this moment */
	struct parked parked; /* what it waits for, if it is parked */
	struct ev_stack stack;
};

struct gil_letter {
	struct letter l;
	struct store_gil gil;
};

struct lock_letter {
	struct letter l;
	struct store_lock lock;
	char name[]; /* what lock points to; raw */
};

struct note_letter {
	struct letter l;
	uint64_t t_ns;
	char text[];
};

struct process_letter {
	struct letter l;
	struct store_process process;
	char name[256], command[513], runtime[48]; /* what process points to */
};

struct own_letter {
	struct letter l;
	struct store_own own;
};

struct frame_letter {
	struct letter l;
	uint32_t frame_id, pid;
	struct ev_frame frame;
};

struct shared_letter {
	struct letter l;
	uint32_t pid;
	uint64_t addr;
};

struct session_target {
	struct target *target; /* NULL: no Python, or not known yet.  Changed by the resolver only, under session.swap; while */
	struct symbols *symbols; /* … `changed` is set both are the capture thread's, else the resolver's after start */
	pid_t shown_pid;
	uint32_t pid; /* the same, as events name it */
	bool root; /* named by the user, not found by following */
	bool loops_told; /* that its event loops run in C, in a note */
	unsigned silent_told; /* places of its memory that did not answer, told in a note */
	atomic_bool changed; /* interpreters changed: the collector must be told */
	atomic_bool ended;
	atomic_uint_fast64_t ended_ns;
	_Atomic(struct session_target *) forked_from; /* whose memory its own is a copy of; NULL once it runs another program */
	_Atomic(struct session_found *) found; /* by session_follow.c, for the resolver to take over */
	struct session_ask *ask; /* of session_follow.c, NULL when nobody asks */
	struct session_target *same_bucket; /* older ones; set once */
};

struct session_found { /* a target whose Python is known */
	struct target *target;
	struct symbols *symbols;
};

#define TARGETS_MAX 65536 /* seen in one recording; 1024 at once (BPF_MAX_PROCS) */
#define TARGET_BUCKETS 4096

struct session {
	const struct session_options *options;
	const struct collector_ops *ops;
	void *collector;
	struct store *store;
	struct session_target **targets; /* grows at its end while recording, by the capture thread; nothing is removed */
	atomic_uint n_targets;
	_Atomic(struct session_target *) by_pid[TARGET_BUCKETS]; /* newest first */
	pthread_mutex_t swap; /* of session_target.target, while other threads may look at it */
	struct session_follow *follow; /* NULL: children are left alone */
	struct mailbox to_writer, to_resolver, to_native;
	pthread_t writer, resolver, native_thread;
	bool writer_runs, resolver_runs, native_runs;
	struct session_native *native; /* NULL: no native frames, and no thread for them */
	bool late_told; /* the resolver's */
	atomic_uint_fast64_t names_until_ns; /* the resolver asks for no more names after that; 0: as long as it goes on */
	uint64_t start_ns, end_ns;
	/* written by the writer, shown as progress */
	atomic_uint_fast64_t waits, handoffs, events, lost, db_bytes;
	atomic_uint level;
	atomic_uint born; /* threads seen for the first time since the start: their names are wanted soon */
	atomic_int store_err;
	/* events dropped because a mailbox was full, not told yet */
	atomic_uint_fast64_t queue_lost;
	vec(uint8_t) batch; /* being filled; capture thread */
};

/* session_targets.c: the table of targets; NULL from new when it is full. */
struct session_target *session_target_new(struct session *s, pid_t pid);
struct session_target *session_target_by_pid(struct session *s, uint32_t pid);
void session_close_targets(struct session *s);
bool session_ended(struct session *s); /* all that the user named */
void session_target_ended(struct session_target *t);
void session_target_close(struct session_target *t);
/* The resolver's: takes over what was found of it meanwhile; true when there was something. */
bool session_target_adopt(struct session *s, struct session_target *t);
size_t session_count_events(const uint8_t *events, size_t bytes); /* of a batch */
void session_note(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* session_attach.c: opens all targets; tells the collector of them, again if one has replaced its program meanwhile. */
int session_open_targets(struct session *s, struct fail *why);
int session_attach_targets(struct session *s, struct fail *why);
int session_open_one(struct session_target *t, bool threads_only, struct fail *why); /* one process */

/* session_follow.c: children of targets, and programs that replace others: who they are, and whether there is Python in them. */
int session_follow_start(struct session *s, struct fail *why);
void session_follow_event(struct session *s, const struct ev_hdr *h); /* capture thread: fork, exec, a new thread */
void session_follow_existing(struct session *s); /* descendants of the targets that are not recorded yet; before arming and after */
void session_follow_stop(struct session *s); /* says what could not be asked */
void session_follow_free(struct session *s);

void session_send_process(struct session *s, const struct session_target *t, const struct target *target);
void *session_writer_main(void *session);
void *session_resolver_main(void *session);
