#pragma once
/* The three threads of a recording and what they share.  Private to session*.c.
 *
 *   capture (the caller's thread)   collector -> batches of events -> to_writer
 *   writer                          batches -> timeline -> store; asks for names of new frames -> to_resolver
 *   resolver                        reads target memory: names and lines, thread names, new interpreters -> to_writer
 *
 * Only the resolver reads target memory while recording: a target whose memory blocks stops it alone, not the
 * capture, which then starts another resolver; the one that blocks is left behind.
 * Only the writer touches the store.  Letters: enum letter_kind; what does not fit in a mailbox is counted as lost. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "agent/mailbox.h"
#include "agent/session.h"
#include "collectors/collector.h"
#include "core/event/event.h"
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
	LETTER_NOTE, /* anyone -> writer */
	LETTER_OWN, /* capture -> writer */
	LETTER_FRAME, /* writer -> resolver: a frame that wants a name */
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
	struct ev_stack stack;
};

struct gil_letter {
	struct letter l;
	struct store_gil gil;
};

struct note_letter {
	struct letter l;
	uint64_t t_ns;
	char text[];
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

struct session_target {
	struct target *target; /* the resolver's after start, but while `changed` is set: then the capture thread's */
	struct symbols *symbols;
	pid_t shown_pid;
	uint32_t pid; /* the same, as events name it */
	atomic_bool changed; /* interpreters changed: the collector must be told */
	atomic_bool ended;
};

struct session {
	const struct session_options *options;
	const struct collector_ops *ops;
	void *collector;
	struct store *store;
	struct session_target *targets;
	unsigned n_targets;
	struct mailbox to_writer, to_resolver;
	pthread_t writer, resolver;
	bool writer_runs, resolver_runs;
	struct letter *in_hand; /* frames the resolver has taken and not named yet */
	unsigned resolvers_given_up; /* reading a target's memory blocks them for ever; they still use everything in here */
	uint64_t start_ns, end_ns;
	/* written by the writer, shown as progress */
	atomic_uint_fast64_t waits, handoffs, events, lost, db_bytes;
	atomic_uint level;
	atomic_uint born; /* threads seen for the first time since the start: their names are wanted soon */
	atomic_int store_err;
	/* events dropped because to_writer was full; capture thread */
	uint64_t queue_lost;
	vec(uint8_t) batch; /* being filled; capture thread */
};

struct session_target *session_target_by_pid(struct session *s, uint32_t pid);
void session_note(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* session_attach.c: opens all targets; tells the collector of them, again if one has replaced its program meanwhile. */
int session_open_targets(struct session *s, struct fail *why);
int session_attach_targets(struct session *s, struct fail *why);
void session_close_targets(struct session *s);

void *session_writer_main(void *session);
void *session_resolver_main(void *session);
void session_watch_resolver(struct session *s);
