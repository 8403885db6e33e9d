/* Reading half: opening a file that anybody may have made, and running queries on it with a budget.
 *
 * What protects us, in this order: only regular files; the header's application id and version before SQLite parses
 * anything; SQLite's own hardening (read-only, defensive, no trusted schema, small limits, cell size checks, no mmap);
 * the text of every table compared with ours; an authorizer that lets only SELECTs on tables through, so no view,
 * trigger or function of the file ever runs; a step budget in proportion to the file; and range checks on each value.
 *
 * A file left by kill -9 has its newest batches in FILE-wal.  SQLite reads them when it may write FILE-shm beside it;
 * where it may not (read-only directory), the pair is copied to a private directory first.  The file itself is never
 * changed: a read-only connection does not checkpoint. */
#include "core/store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/reader_priv.h"
#include "core/store/schema.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

#define TICK_OPS 1000

static int cannot_read(struct fail *why, int err, const char *path, const char *reason)
{
	char shown[300];

	escape_to(shown, sizeof(shown), path, strlen(path));
	return fail_set(why, err, FAIL_DATA, "could not read recording '%s': %s", shown, reason);
}

/* ---- queries ---- */

static int on_progress(void *ctx)
{
	struct reader *r = ctx;

	return ++r->ticks > r->max_ticks;
}

int reader_damaged(struct reader *r, const char *what, const char *detail)
{
	char reason[300], shown[200];

	escape_to(shown, sizeof(shown), detail, strlen(detail));
	snprintf(reason, sizeof(reason), "%s are damaged (%s)", what, shown);
	cannot_read(&r->failure, -EBADMSG, r->info.path, reason);
	return fail_hint(&r->failure, "What can still be saved comes out with: sqlite3 FILE .recover");
}

int reader_query(struct reader *r, struct query *ret, const char *what, const char *sql)
{
	*ret = (struct query){ .r = r, .what = what };
	if (r->running++ == 0) /* one inside another shares its budget */
		r->ticks = 0;
	if (sqlite3_prepare_v2(r->db, sql, -1, &ret->st, NULL) != SQLITE_OK)
		ret->err = reader_damaged(r, what, sqlite3_errmsg(r->db));
	return ret->err;
}

bool reader_next(struct query *q)
{
	int rc;

	if (q->damaged && !q->err)
		q->err = reader_damaged(q->r, q->what, q->damaged);
	if (q->err)
		return false;
	rc = sqlite3_step(q->st);
	if (rc == SQLITE_ROW)
		return true;
	if (rc == SQLITE_INTERRUPT) {
		cannot_read(&q->r->failure, -ETIME, q->r->info.path, "a query took longer than its size allows");
		q->err = fail_hint(&q->r->failure, "The file is probably damaged: check it with "
				   "sqlite3 FILE 'PRAGMA integrity_check'.");
	} else if (rc != SQLITE_DONE) {
		q->err = reader_damaged(q->r, q->what, sqlite3_errmsg(q->r->db));
	}
	return false;
}

int reader_done(struct query *q)
{
	if (q->damaged && !q->err)
		q->err = reader_damaged(q->r, q->what, q->damaged);
	sqlite3_finalize(q->st);
	q->st = NULL;
	q->r->running--;
	return q->err;
}

int64_t col_int(struct query *q, int column, int64_t min, int64_t max, const char *name)
{
	int64_t v = sqlite3_column_int64(q->st, column);

	if (v >= min && v <= max)
		return v;
	q->damaged = name;
	return min;
}

uint32_t col_must(struct query *q, int column, uint32_t n, const char *name)
{
	int64_t v = sqlite3_column_int64(q->st, column);

	/* NULL is 0 as a number, so only of a 0 the type is asked: it costs as much as the number */
	if (v >= 0 && v < n && (v || sqlite3_column_type(q->st, column) == SQLITE_INTEGER))
		return (uint32_t)v;
	q->damaged = name;
	return 0;
}

uint32_t col_id(struct query *q, int column, uint32_t n, const char *name)
{
	int64_t v = sqlite3_column_int64(q->st, column);

	if (v > 0 && v < n)
		return (uint32_t)v;
	return sqlite3_column_type(q->st, column) == SQLITE_NULL ? MODEL_NONE : col_must(q, column, n, name);
}

uint64_t col_u64(struct query *q, int column)
{
	return (uint64_t)sqlite3_column_int64(q->st, column);
}

uint64_t col_count(struct query *q, int column)
{
	return (uint64_t)col_int(q, column, 0, INT64_MAX, "a negative count");
}

uint64_t col_time(struct query *q, int column)
{
	/* a century either way; nothing overflows when spans are added to it */
	int64_t rel = col_int(q, column, -(INT64_MAX / 4), INT64_MAX / 4, "an impossible time");
	uint64_t start = q->r->info.start_mono_ns;

	return rel < 0 && (uint64_t)-rel > start ? 0 : start + (uint64_t)rel;
}

uint64_t col_span(struct query *q, int column)
{
	return (uint64_t)col_int(q, column, 0, INT64_MAX / 4, "an impossible duration");
}

uint32_t col_flags(struct query *q, int column)
{
	return (uint32_t)col_int(q, column, 0, UINT32_MAX, "impossible flags");
}

int32_t col_nr(struct query *q, int column)
{
	int64_t v = col_int(q, column, 0, 0xffff, "an impossible system call");

	return v == 0 && sqlite3_column_type(q->st, column) == SQLITE_NULL ? -1 : (int32_t)v;
}

const char *col_text(struct query *q, int column)
{
	const char *s = (const char *)sqlite3_column_text(q->st, column);

	return s ? s : "";
}

uint64_t col_stack(struct query *q, int column)
{
	return reader_stack_canonical(q->r, sqlite3_column_int64(q->st, column));
}

/* ---- opening ---- */

struct header { /* of an SQLite file, what we look at before SQLite does */
	unsigned char bytes[100];
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int check_header(const struct header *h, ssize_t n, const char *path, struct fail *why)
{
	uint32_t version = be32(h->bytes + 60);
	char reason[200];

	if (n == 0) {
		cannot_read(why, -ENODATA, path, "it is empty");
		return fail_hint(why, "gilscope was stopped before it had written anything.");
	}
	if (n < (ssize_t)sizeof(h->bytes) || memcmp(h->bytes, "SQLite format 3", 16) ||
	    be32(h->bytes + 68) != SCHEMA_APPLICATION_ID) {
		cannot_read(why, -EINVAL, path, "it is not a gilscope recording");
		return fail_hint(why, "Recordings are made by: gilscope record -p PID -o FILE");
	}
	if (version / 1000 == SCHEMA_MAJOR)
		return 0;
	snprintf(reason, sizeof(reason), "its format is version %u.%u, this gilscope reads %u.x", version / 1000,
		 version % 1000, SCHEMA_MAJOR);
	cannot_read(why, -EPROTONOSUPPORT, path, reason);
	return fail_hint(why, version / 1000 > SCHEMA_MAJOR ? "It was made by a newer gilscope: read it with that one." :
						       "It was made by an older gilscope: read it with that one.");
}

static bool beside(const char *path, const char *suffix, char *ret, size_t size)
{
	struct stat st;

	return snprintf(ret, size, "%s%s", path, suffix) < (int)size && lstat(ret, &st) == 0 && st.st_size > 0;
}

/* Copied or downloaded in part: what is missing might be only rows, and then nothing else would tell. */
static int check_length(const struct reader *r, const struct header *h, const char *path, struct fail *why)
{
	uint64_t page = (uint64_t)h->bytes[16] << 8 | h->bytes[17], want;
	char other[PATH_MAX], reason[100];

	want = be32(h->bytes + 28) * (page == 1 ? 65536 : page);
	/* the count is valid when the two counters agree; beside a WAL the file may be behind it */
	if (memcmp(h->bytes + 24, h->bytes + 92, 4) || want <= r->file_bytes || beside(r->path, "-wal", other, sizeof(other)))
		return 0;
	snprintf(reason, sizeof(reason), "it was cut short (%llu of %llu bytes are there)", (unsigned long long)r->file_bytes,
		 (unsigned long long)want);
	cannot_read(why, -EBADMSG, path, reason);
	return fail_hint(why, "Copy it again; what is there comes out with: sqlite3 FILE .recover");
}

static int check_file(struct reader *r, const char *path, struct fail *why)
{
	struct header h;
	struct stat st;
	ssize_t n;
	int fd;

	r->path = realpath(path, NULL);
	if (!r->path) {
		cannot_read(why, -errno, path, errno == ENOENT ? "there is no such file" : strerror(errno));
		return fail_hint(why, "Recordings are made by: gilscope record -p PID -o FILE");
	}
	if (lstat(r->path, &st) < 0)
		return cannot_read(why, -errno, path, strerror(errno));
	if (!S_ISREG(st.st_mode)) { /* before open: a FIFO would block, a device could act */
		cannot_read(why, -EINVAL, path, S_ISDIR(st.st_mode) ? "it is a directory" : "it is not a regular file");
		return fail_hint(why, "Give the .gilscope file itself.");
	}
	fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		cannot_read(why, -errno, path, strerror(errno));
		return fail_hint(why, "Recordings are readable by their owner only: run this as the user who made it.");
	}
	n = pread(fd, h.bytes, sizeof(h.bytes), 0);
	if (n < 0)
		cannot_read(why, -errno, path, strerror(errno));
	close(fd);
	r->file_bytes = (uint64_t)st.st_size;
	r->minor = n == sizeof(h.bytes) ? be32(h.bytes + 60) % 1000 : 0;
	if (n < 0)
		return why->err;
	return check_header(&h, n, path, why) ? why->err : check_length(r, &h, path, why);
}

static void set_limits(sqlite3 *db)
{
	static const int limits[][2] = {
		{ SQLITE_LIMIT_LENGTH, 1 << 20 }, { SQLITE_LIMIT_SQL_LENGTH, 1 << 16 }, { SQLITE_LIMIT_COLUMN, 64 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 64 }, { SQLITE_LIMIT_COMPOUND_SELECT, 8 }, { SQLITE_LIMIT_VDBE_OP, 20000 },
		{ SQLITE_LIMIT_FUNCTION_ARG, 8 }, { SQLITE_LIMIT_ATTACHED, 0 }, { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, 16 }, { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		sqlite3_limit(db, limits[i][0], limits[i][1]);
}

static int on_authorize(void *ctx, int action, const char *a, const char *b, const char *database, const char *inside)
{
	const struct reader *r = ctx;

	(void)a, (void)b, (void)database;
	if (inside && !r->own_views) /* a view or trigger of the file */
		return SQLITE_DENY;
	if (action == SQLITE_RECURSIVE)
		return r->own_views ? SQLITE_OK : SQLITE_DENY;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_FUNCTION:
	case SQLITE_TRANSACTION:
		return SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

/* What a newer minor version added is there and empty. */
static int add_missing_tables(struct reader *r)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < schema_n_additions && rc == SQLITE_OK; i++) {
		const struct schema_addition *a = &schema_additions[i];
		char *sql = a->minor > r->minor ? sqlite3_mprintf("CREATE TEMP %s", a->sql + strlen("CREATE ")) : NULL;

		if (sql)
			rc = sqlite3_exec(r->db, sql, NULL, NULL, NULL);
		sqlite3_free(sql);
	}
	return rc;
}

/* immutable: the file is alone and its place is read-only, so WAL mode must not look for files beside it. */
static int open_db(struct reader *r, const char *path, bool immutable)
{
	char *uri = immutable ? sqlite3_mprintf("file:%s?immutable=1", path) : NULL;
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int rc;

	sqlite3_close(r->db);
	r->db = NULL;
	r->ticks = 0;
	rc = sqlite3_open_v2(uri ? uri : path, &r->db, flags | (uri ? SQLITE_OPEN_URI : 0), NULL);
	sqlite3_free(uri);
	if (rc != SQLITE_OK)
		return rc;
	set_limits(r->db);
	sqlite3_extended_result_codes(r->db, 1);
	sqlite3_busy_timeout(r->db, 2000);
	sqlite3_progress_handler(r->db, TICK_OPS, on_progress, r);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	rc = sqlite3_exec(r->db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = add_missing_tables(r);
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_exec(r->db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; PRAGMA cache_size=-512;"
			  "PRAGMA query_only=ON; PRAGMA locking_mode=NORMAL", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		sqlite3_set_authorizer(r->db, on_authorize, r);
	/* one snapshot for all queries, and the first look into the file */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(r->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	return rc;
}

static int copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out, err = 0;
	struct stat st;
	ssize_t n;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0 || fstat(in, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	while (!err && (n = sendfile(out, in, NULL, 1 << 24)) != 0)
		if (n < 0)
			err = -errno;
	close(in);
	if (out >= 0)
		close(out);
	return err;
}

void reader_enlarge_cache(struct reader *r)
{
	sqlite3_set_authorizer(r->db, NULL, NULL);
	sqlite3_exec(r->db, "PRAGMA cache_size=-4096", NULL, NULL, NULL);
	sqlite3_set_authorizer(r->db, on_authorize, r);
}

/* A private copy of the file and its WAL, where SQLite may build its index. */
static int copy_away(struct reader *r, char *ret, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	char wal[PATH_MAX], to[PATH_MAX];
	int err;

	r->scratch = xasprintf("%s/gilscope-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!mkdtemp(r->scratch)) {
		err = -errno;
		free(r->scratch);
		r->scratch = NULL;
		return err;
	}
	if (snprintf(ret, size, "%s/r", r->scratch) >= (int)size || snprintf(to, sizeof(to), "%s/r-wal", r->scratch) >=
	    (int)sizeof(to) || !beside(r->path, "-wal", wal, sizeof(wal)))
		return -ENAMETOOLONG;
	err = copy_file(r->path, ret);
	return err ? err : copy_file(wal, to);
}

static void remove_scratch(struct reader *r)
{
	static const char *const names[] = { "r", "r-wal", "r-shm" };
	char path[PATH_MAX];

	if (!r->scratch)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (snprintf(path, sizeof(path), "%s/%s", r->scratch, names[i]) < (int)sizeof(path))
			unlink(path);
	rmdir(r->scratch);
	free(r->scratch);
	r->scratch = NULL;
}

static bool special_in_uri(const char *path)
{
	return strpbrk(path, "?#%") != NULL;
}

static int connect(struct reader *r, struct fail *why)
{
	char wal[PATH_MAX], copy[PATH_MAX];
	int rc = open_db(r, r->path, false), err;

	/* not allowed to make or use FILE-shm there */
	if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) {
		if (!beside(r->path, "-wal", wal, sizeof(wal)) && !special_in_uri(r->path)) {
			rc = open_db(r, r->path, true);
		} else {
			err = copy_away(r, copy, sizeof(copy));
			if (err) {
				cannot_read(why, err, r->info.path, "its directory is read-only and it could not be copied");
				return fail_hint(why, "Copy it and its -wal file to a directory of yours, or free space in TMPDIR.");
			}
			rc = open_db(r, copy, false);
		}
	}
	if (rc == SQLITE_OK)
		return 0;
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		return cannot_read(why, -EBUSY, r->info.path, "it is being written and locked");
	cannot_read(why, -EBADMSG, r->info.path, sqlite3_errmsg(r->db));
	return fail_hint(why, "The file is damaged.  What can still be saved comes out with: sqlite3 FILE .recover");
}

/* Each table of ours is there, once, with our text. */
static int check_schema(struct reader *r, struct fail *why)
{
	sqlite3 *ours = NULL;
	sqlite3_stmt *want = NULL, *have = NULL;
	char name[64] = "", reason[200];
	bool same = true;
	int rc = sqlite3_open_v2(":memory:", &ours, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(ours, schema_tables_sql, NULL, NULL, NULL);
	for (size_t i = 0; i < schema_n_additions && rc == SQLITE_OK; i++)
		if (schema_additions[i].minor <= r->minor)
			rc = sqlite3_exec(ours, schema_additions[i].sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(ours, "SELECT name, sql FROM sqlite_schema WHERE type = 'table'", -1, &want, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(r->db, "SELECT count(*), min(type = 'table' AND sql = ?2) FROM sqlite_schema"
					" WHERE name = ?1 COLLATE NOCASE", -1, &have, NULL);
	r->ticks = 0;
	while (rc == SQLITE_OK && same && sqlite3_step(want) == SQLITE_ROW) {
		snprintf(name, sizeof(name), "%s", (const char *)sqlite3_column_text(want, 0));
		sqlite3_bind_text(have, 1, name, -1, SQLITE_STATIC);
		sqlite3_bind_text(have, 2, (const char *)sqlite3_column_text(want, 1), -1, SQLITE_TRANSIENT);
		same = sqlite3_step(have) == SQLITE_ROW && sqlite3_column_int(have, 0) == 1 && sqlite3_column_int(have, 1) == 1;
		sqlite3_reset(have);
	}
	sqlite3_finalize(want);
	sqlite3_finalize(have);
	sqlite3_close(ours);
	if (rc == SQLITE_OK && same)
		return 0;
	snprintf(reason, sizeof(reason), "it is damaged (table '%s' is not as gilscope makes it)", name);
	cannot_read(why, -EBADMSG, r->info.path, reason);
	return fail_hint(why, "What can still be saved comes out with: sqlite3 FILE .recover");
}

/* ---- what it says of itself ---- */

static const char *keep(struct reader *r, const char *text)
{
	if (r->n_text >= sizeof(r->text) / sizeof(*r->text))
		return "";
	r->text[r->n_text] = xstrdup(text);
	return r->text[r->n_text++];
}

static void take_meta(struct reader *r, struct query *q, bool *ret_end)
{
	struct reader_info *i = &r->info;
	const struct { const char *key; const char **text; uint64_t *number; uint32_t *small; } fields[] = {
		{ "gilscope_version", .text = &i->gilscope_version }, { "collector", .text = &i->collector },
		{ "host", .text = &i->host }, { "kernel", .text = &i->kernel }, { "cpu_model", .text = &i->cpu_model },
		{ "command_line", .text = &i->command_line },
		{ "collector_choice", .text = &i->collector_choice }, { "error", .text = &i->write_error },
		{ "cpus", .small = &i->cpus }, { "sample_hz", .small = &i->sample_hz },
		{ "start_mono_ns", .number = &i->start_mono_ns }, { "start_real_ns", .number = &i->start_real_ns },
		{ "end_ns", .number = &i->end_ns },
	};
	const char *key = col_text(q, 0);

	if (!strcmp(key, "complete"))
		i->complete = sqlite3_column_int(q->st, 1) == 1;
	for (size_t f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
		if (strcmp(key, fields[f].key))
			continue;
		if (fields[f].text && (!*fields[f].text || !**fields[f].text) && *col_text(q, 1))
			*fields[f].text = keep(r, col_text(q, 1));
		else if (fields[f].number)
			*fields[f].number = (uint64_t)col_int(q, 1, 0, INT64_MAX / 4, key);
		else if (fields[f].small)
			*fields[f].small = (uint32_t)col_int(q, 1, 0, UINT32_MAX, "a number in meta");
		*ret_end = *ret_end || fields[f].number == &i->end_ns;
	}
}

static int read_meta(struct reader *r)
{
	struct query q;
	bool has_end = false;

	r->info.gilscope_version = r->info.collector = r->info.host = r->info.kernel = "";
	r->info.cpu_model = r->info.command_line = r->info.collector_choice = "";
	if (reader_query(r, &q, "the facts of the recording", "SELECT key, value FROM meta"))
		return reader_done(&q);
	while (reader_next(&q))
		take_meta(r, &q, &has_end);
	if (!has_end)
		q.damaged = "meta has no end_ns";
	r->info.end_ns += r->info.start_mono_ns; /* both below INT64_MAX / 4 */
	return reader_done(&q);
}

/* Ids are dense from 0 (rows of the timeline) or from 1: a sane file has no more than it has rows. */
static int count_ids(struct reader *r, const char *table, uint32_t *ret)
{
	struct query q;
	char sql[120];

	snprintf(sql, sizeof(sql), "SELECT coalesce(min(id), 0), coalesce(max(id) + 1, 0) FROM %s", table);
	if (!reader_query(r, &q, "the ids", sql) && reader_next(&q)) {
		col_int(&q, 0, 0, r->max_id, table);
		*ret = (uint32_t)col_int(&q, 1, 0, r->max_id, table);
	}
	return reader_done(&q);
}

/* What may be spent on this file: steps of a query, and ids. */
static void set_budget(struct reader *r)
{
	char wal[PATH_MAX];
	struct stat st;

	if (beside(r->path, "-wal", wal, sizeof(wal)) && lstat(wal, &st) == 0)
		r->file_bytes += (uint64_t)st.st_size;
	/* a scan takes about 50 steps for a row of 30 bytes, a join some hundred */
	r->max_ticks = (1000000 + r->file_bytes * 64) / TICK_OPS;
	r->max_id = r->file_bytes < READER_MAX_ID ? (uint32_t)r->file_bytes : READER_MAX_ID;
}

static int read_basics(struct reader *r)
{
	int err = read_meta(r);

	if (!err)
		err = count_ids(r, "process", &r->info.procs);
	if (!err)
		err = count_ids(r, "thread", &r->info.threads);
	if (!err)
		err = count_ids(r, "lock", &r->info.locks);
	return err ? err : reader_stacks_load(r);
}

int reader_open(const char *path, struct reader **ret, struct fail *why)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	struct fail unasked;
	int err;

	if (!why)
		why = &unasked;

	r->info.path = r->text[r->n_text++] = xstrdup(path);
	r->last_credit = INT64_MAX;
	err = check_file(r, path, why);
	if (!err) {
		set_budget(r);
		err = connect(r, why);
	}
	if (!err)
		err = check_schema(r, why);
	if (!err) {
		err = read_basics(r);
		if (err)
			*why = r->failure;
	}
	if (err) {
		reader_close(r);
		return err;
	}
	*ret = r;
	return 0;
}

int reader_open_again(struct reader *r, struct reader **ret, struct fail *why)
{
	struct reader *again;
	int err = reader_open(r->path, &again, why);

	if (err)
		return err;
	if (again->dev != r->dev || again->ino != r->ino) {
		reader_close(again);
		return cannot_read(why, -ESTALE, r->info.path, "another file has taken its place");
	}
	again->last_credit = (int64_t)reader_counts(r).credits;
	*ret = again;
	return 0;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	reader_stacks_free(r->stacks);
	state_sums_free(r->state_sums);
	wait_sums_free(r->wait_sums);
	credit_sums_free(r->credit_sums);
	hold_sums_free(r->hold_sums);
	handoff_sums_free(r->handoff_sums);
	sqlite3_close(r->db);
	remove_scratch(r);
	for (unsigned i = 0; i < r->n_text; i++)
		free(r->text[i]);
	free(r->path);
	free(r);
}

void reader_sum_along(struct reader *r)
{
	r->sum_along = true;
}

const struct reader_info *reader_info(const struct reader *r)
{
	return &r->info;
}

void reader_take_failure(struct reader *r, const struct reader *from)
{
	r->failure = from->failure;
}

const struct fail *reader_failure(const struct reader *r)
{
	return &r->failure;
}
