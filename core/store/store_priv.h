#pragma once
/* What the files of the writing half share: store.c (life cycle, transactions, errors), rows.c (the timeline's
 * records), stacks.c (interning), facts.c (the rest).  Nobody else includes it.
 *
 * Every row goes the same way: store_row() gives the prepared statement or NULL when the store has failed (the row is
 * then counted as lost), the caller binds, store_insert() steps it. */
#include <sqlite3.h>

#include "core/store/recording_file.h"
#include "core/store/store.h"

enum store_stmt {
	STMT_BEGIN, STMT_COMMIT, STMT_META,
	STMT_PROC, STMT_THREAD, STMT_LOCK, STMT_INTERVAL, STMT_TALLY, STMT_TALLY_HIST, STMT_WAIT, STMT_CREDIT, STMT_HOLD,
	STMT_HANDOFF, STMT_SAMPLE, STMT_STALL, STMT_PROCESS_EVENT,
	STMT_STRING, STMT_FRAME, STMT_NODE, STMT_STACK,
	STMT_PROCESS_INFO, STMT_PROCESS_ONLY, STMT_THREAD_NAME, STMT_GIL, STMT_LOCK_KIND,
	STMT_LOCK_OBJECT, STMT_WAIT_PLACE, STMT_LOSS, STMT_LEVEL, STMT_OWN, STMT_NOTE,
	STMT_PROCESS_COLLECTOR, STMT_LOOKS, STMT_NATIVE_FRAME, STMT_NATIVE_STACK, STMT_NATIVE_LOSS,
	STMT_N
};

struct store_stacks; /* stacks.c */
struct store_facts; /* facts.c */

struct store {
	sqlite3 *db;
	struct recording_file file;
	sqlite3_stmt *stmt[STMT_N];
	struct timeline_sink sink;
	struct store_stacks *stacks;
	struct store_facts *facts;
	uint64_t start_ns; /* rows hold times since then */
	int64_t last_ns; /* latest time in a row */
	uint64_t tallies;
	char collector[32]; /* that every process is recorded by */
	bool estimated;
	bool in_transaction;
	uint64_t open_rows; /* in the open transaction: lost when it fails */
	uint64_t lost_rows;
	int err; /* first failure, latched */
	char error[300];
};

sqlite3_stmt *store_row(struct store *s, enum store_stmt which);
void store_insert(struct store *s, sqlite3_stmt *st);
void store_latch(struct store *s, int rc);

static inline void bind_int(sqlite3_stmt *st, int column, int64_t v)
{
	sqlite3_bind_int64(st, column, v);
}

static inline void bind_u64(sqlite3_stmt *st, int column, uint64_t v)
{
	sqlite3_bind_int64(st, column, (int64_t)v);
}

/* NULL takes no byte in the row; bindings stay from the row before, so it must be said each time. */
static inline void bind_nonzero(sqlite3_stmt *st, int column, uint64_t v)
{
	if (v)
		sqlite3_bind_int64(st, column, (int64_t)v);
	else
		sqlite3_bind_null(st, column);
}

static inline void bind_id(sqlite3_stmt *st, int column, uint32_t id)
{
	if (id != MODEL_NONE)
		sqlite3_bind_int64(st, column, id);
	else
		sqlite3_bind_null(st, column);
}

/* System call number: -1 is none. */
static inline void bind_nr(sqlite3_stmt *st, int column, int32_t nr)
{
	if (nr >= 0)
		sqlite3_bind_int(st, column, nr);
	else
		sqlite3_bind_null(st, column);
}

/* Escaped (control characters, invalid UTF-8) and cut at 1 KiB: people print these with sqlite3 alone.  NULL or "" is
 * stored as NULL. */
#define STORE_TEXT_MAX 1024
void bind_text(sqlite3_stmt *st, int column, const char *text);
size_t store_text(char *ret, size_t size, const char *text, size_t max);

/* Time since the start; events of before it are negative. */
static inline int64_t store_time(struct store *s, uint64_t t_ns)
{
	int64_t rel = (int64_t)(t_ns - s->start_ns);

	if (rel > s->last_ns)
		s->last_ns = rel;
	return rel;
}

static inline uint64_t store_span(uint64_t t0_ns, uint64_t t1_ns)
{
	return t1_ns > t0_ns ? t1_ns - t0_ns : 0;
}

void store_rows_init(struct store *s); /* fills s->sink */

struct store_stacks *store_stacks_new(void);
void store_wait_places(struct store *s); /* once all names are in */
void store_stacks_free(struct store_stacks *x);
uint32_t store_stack_id(struct store *s, uint64_t key); /* 0: none */

struct store_facts *store_facts_new(void);
void store_facts_free(struct store_facts *x);
void store_facts_process(struct store *s, const struct proc_row *row); /* told before its rows */
void store_facts_thread(struct store *s, const struct thread_row *row);
void store_facts_finish(struct store *s); /* what never got a row of the timeline */
