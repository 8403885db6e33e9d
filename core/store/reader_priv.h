#pragma once
/* What the files of the reading half share: reader.c (opening, guarding, running a query), reader_stacks.c, and the
 * queries in reader_rows.c, reader_sums.c, reader_waits.c, reader_blame.c.  Nobody else includes it.
 *
 * A query: reader_query() prepares, reader_next() steps; columns are read by the col_* functions, which range-check and
 * set q->damaged with the reason instead of returning nonsense; reader_done() finishes and gives the result. */
#include <sqlite3.h>
#include <sys/types.h>

#include "core/store/reader.h"

struct reader_stacks;

struct reader {
	sqlite3 *db;
	char *path; /* what SQLite has open */
	char *scratch; /* private directory with a copy, removed at the end; NULL usually */
	struct reader_info info;
	unsigned minor; /* of the file's format: tables of later ones are not there */
	char *text[9]; /* the strings of info, owned */
	unsigned n_text;
	struct fail failure;
	uint64_t file_bytes; /* with its WAL */
	dev_t dev;
	ino_t ino;
	int64_t last_credit; /* by rowid; more are not read */
	uint32_t max_id; /* READER_MAX_ID, or less: an id costs at least a byte of the file */
	uint64_t ticks, max_ticks; /* progress handler calls of the running query */
	unsigned running; /* queries, one inside another */
	bool own_views; /* the statement being prepared brings its views along (reader_views.c); those of the file are off */
	struct reader_stacks *stacks;
	bool sum_along; /* the next scans make the sums below; what is there already is not made again */
	struct state_sums *state_sums;
	struct wait_sums *wait_sums;
	struct credit_sums *credit_sums;
	struct hold_sums *hold_sums;
	struct handoff_sums *handoff_sums;
};

struct query {
	struct reader *r;
	sqlite3_stmt *st;
	const char *what; /* for messages: "the waits" */
	const char *damaged; /* column that cannot be; NULL while all is well */
	int err; /* what the callback returned, or -errno */
};

/* More than a sane recording has; a file beyond it is refused before memory is spent on it. */
#define READER_MAX_ID (1u << 22)

int reader_query(struct reader *r, struct query *ret, const char *what, const char *sql);
bool reader_next(struct query *q); /* false: end, error or damage */
int reader_done(struct query *q);
void reader_enlarge_cache(struct reader *r);
int reader_damaged(struct reader *r, const char *what, const char *detail);

int64_t col_int(struct query *q, int column, int64_t min, int64_t max, const char *name);
uint32_t col_id(struct query *q, int column, uint32_t n, const char *name); /* NULL is MODEL_NONE */
uint32_t col_must(struct query *q, int column, uint32_t n, const char *name); /* NULL is damage */
uint64_t col_time(struct query *q, int column); /* relative to absolute */
uint64_t col_span(struct query *q, int column); /* a duration: added to a time it does not overflow */
uint32_t col_flags(struct query *q, int column);
uint64_t col_u64(struct query *q, int column); /* any 64 bits (addresses) */
uint64_t col_count(struct query *q, int column); /* >= 0 */
int32_t col_nr(struct query *q, int column);
const char *col_text(struct query *q, int column); /* never NULL, until the next step */
uint64_t col_stack(struct query *q, int column); /* canonical id */

int reader_stacks_load(struct reader *r);
void reader_stacks_free(struct reader_stacks *x);
uint64_t reader_stack_canonical(struct reader *r, int64_t id);

/* What the named queries give, added up row by row: by the scans in reader_rows.c, read out in reader_sums.c,
 * reader_waits.c and reader_blame.c. */
struct state_sums *state_sums_new(const struct reader_info *info);
void state_sums_add(struct state_sums *x, const struct interval *i);
void state_sums_free(struct state_sums *x);
struct wait_sums *wait_sums_new(void);
void wait_sums_add(struct wait_sums *x, const struct wait *w);
void wait_sums_free(struct wait_sums *x);
struct credit_sums *credit_sums_new(const struct reader_info *info);
void credit_sums_add(struct credit_sums *x, const struct wait *w, const struct credit *c);
void credit_sums_free(struct credit_sums *x);
struct hold_sums *hold_sums_new(void);
void hold_sums_add(struct hold_sums *x, const struct hold *h);
void hold_sums_free(struct hold_sums *x);
struct handoff_sums *handoff_sums_new(void);
void handoff_sums_add(struct handoff_sums *x, const struct handoff *h);
void handoff_sums_free(struct handoff_sums *x);
/* 0 when the sums are there already, else what the scan gives that makes them. */
#define READER_SUM(r, sums, scan) __extension__ ({ \
	const bool along_ = (r)->sum_along; \
	int err_; \
	(r)->sum_along = true; \
	err_ = (r)->sums ? 0 : (scan); \
	(r)->sum_along = along_; \
	err_; \
})
