/* Writing half, life cycle: create, transactions, errors, close.
 *
 * Invariants.  A transaction is opened by the first row of a batch and closed by store_commit, so the file always holds
 * whole batches.  The first failing statement latches: the open transaction is rolled back and counted as lost, and
 * every later row is only counted.  meta.complete is 0 from the first byte and becomes 1 as the last thing.
 * The schema is made in rollback-journal mode before WAL is switched on: so the main file alone, even without its WAL,
 * is a valid (empty) recording. */
#include "core/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/store/schema.h"
#include "core/store/store_priv.h"
#include "core/util/escape.h"
#include "core/util/xalloc.h"

static const char *const stmt_sql[STMT_N] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_META] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)",
	[STMT_PROC] = "INSERT INTO process(id, pid, start_ns) VALUES(?,?,?)"
		      " ON CONFLICT(id) DO UPDATE SET pid = excluded.pid, start_ns = excluded.start_ns",
	[STMT_THREAD] = "INSERT INTO thread(id, process, tid, start_ns, first_ns, last_ns, ident, is_main, exited, comm)"
			" VALUES(?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET start_ns = excluded.start_ns,"
			" first_ns = excluded.first_ns, last_ns = excluded.last_ns, ident = excluded.ident,"
			" is_main = excluded.is_main, exited = excluded.exited, comm = excluded.comm",
	[STMT_LOCK] = "INSERT OR REPLACE INTO lock VALUES(?,?,?,?,?)",
	[STMT_INTERVAL] = "INSERT INTO interval VALUES(?,?,?,?,?,?,?,?)",
	[STMT_TALLY] = "INSERT INTO tally VALUES(?,?,?,?,?,?,?,?,?)",
	[STMT_TALLY_HIST] = "INSERT INTO tally_hist VALUES(?,?,?)",
	[STMT_WAIT] = "INSERT INTO wait VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
	[STMT_CREDIT] = "INSERT INTO credit VALUES(?,?,?,?,?,?)",
	[STMT_HOLD] = "INSERT INTO hold VALUES(?,?,?,?,?,?,?,?)",
	[STMT_HANDOFF] = "INSERT INTO handoff VALUES(?,?,?,?,?,?,?)",
	[STMT_SAMPLE] = "INSERT INTO sample VALUES(?,?,?,?,?)",
	[STMT_STALL] = "INSERT INTO stall VALUES(?,?,?,?,?,?,?,?)",
	[STMT_PROCESS_EVENT] = "INSERT INTO process_event VALUES(?,?,?,?,?,?)",
	[STMT_STRING] = "INSERT INTO string VALUES(?,?)",
	[STMT_FRAME] = "INSERT OR REPLACE INTO frame VALUES(?,?,?,?,?,?)",
	[STMT_NODE] = "INSERT INTO node VALUES(?,?,?)",
	[STMT_STACK] = "INSERT INTO stack VALUES(?,?,?)",
	[STMT_PROCESS_INFO] = "UPDATE process SET shown_pid = ?2, name = ?3, command = ?4, runtime = ?5,"
			      " free_threaded = ?6, switch_interval_ns = ?7 WHERE id = ?1",
	[STMT_PROCESS_ONLY] = "INSERT INTO process(id, pid) SELECT coalesce(max(id), -1) + 1, ? FROM process",
	[STMT_THREAD_NAME] = "UPDATE thread SET python_name = ?2 WHERE id = ?1",
	[STMT_GIL] = "INSERT OR REPLACE INTO gil VALUES(?,?,?)",
	[STMT_LOCK_KIND] = "INSERT INTO lock_object(pid, addr, kind) SELECT pid, ?2, ?3 FROM process WHERE id = ?1 ON CONFLICT DO UPDATE SET"
			   " kind = CASE WHEN kind = 4 THEN excluded.kind ELSE coalesce(kind, excluded.kind) END",
	[STMT_LOCK_OBJECT] = "INSERT INTO lock_object VALUES(?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
			     " kind = coalesce(excluded.kind, kind), name = coalesce(excluded.name, name),"
			     " device = coalesce(excluded.device, device), inode = coalesce(excluded.inode, inode),"
			     " offset = coalesce(excluded.offset, offset)",
	[STMT_WAIT_PLACE] = "INSERT OR REPLACE INTO wait_place VALUES(?,?,?)",
	[STMT_LOSS] = "INSERT INTO loss VALUES(?,?,?,?)",
	[STMT_LEVEL] = "INSERT INTO level VALUES(?,?,?,?,?)",
	[STMT_OWN] = "INSERT INTO own VALUES(?,?,?,?,?,?,?)",
	[STMT_NOTE] = "INSERT INTO note VALUES(?,?)",
	[STMT_LOOKS] = "INSERT INTO looks VALUES(?,?,?,?,?,?,?,?,?,?)",
	[STMT_NATIVE_FRAME] = "INSERT INTO native_frame VALUES(?,?)",
	[STMT_NATIVE_STACK] = "INSERT INTO native_stack VALUES(?,?)",
	[STMT_NATIVE_LOSS] = "INSERT INTO native_loss VALUES(?,?,?,?)",
	[STMT_PROCESS_COLLECTOR] = "INSERT OR REPLACE INTO process_collector VALUES(?,?,?)",
};

/* ---- errors ---- */

static int rc_to_errno(sqlite3 *db, int rc)
{
	int sys = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return -EBADMSG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN: return sys > 0 ? -sys : -EIO;
	default: return -EIO;
	}
}

static const char *words(int err)
{
	switch (-err) {
	case ENOSPC: return "the disk is full";
	case EDQUOT: return "the disk quota is used up";
	case EFBIG: return "the file may not grow further (file size limit)";
	case EBUSY: return "another program is writing to it";
	case ESTALE: return "it was removed or moved away while it was written";
	case EBADMSG: return "it was damaged by somebody else";
	default: return strerror(-err);
	}
}

static void latch_errno(struct store *s, int err)
{
	if (s->err)
		return;
	s->err = err;
	snprintf(s->error, sizeof(s->error), "%s", words(err));
	s->lost_rows += s->open_rows;
	s->open_rows = 0;
	if (!sqlite3_get_autocommit(s->db)) /* some errors have rolled back already */
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->in_transaction = false;
}

void store_latch(struct store *s, int rc)
{
	int err = rc_to_errno(s->db, rc);

	/* a full or limited disk can also show up as a failed write */
	latch_errno(s, (rc & 0xff) == SQLITE_FULL && sqlite3_system_errno(s->db) == EDQUOT ? -EDQUOT : err);
}

const char *store_error(const struct store *s)
{
	return s->err ? s->error : NULL;
}

/* ---- rows ---- */

sqlite3_stmt *store_row(struct store *s, enum store_stmt which)
{
	if (s->err) {
		s->lost_rows++;
		return NULL;
	}
	if (!s->in_transaction) {
		int rc = sqlite3_step(s->stmt[STMT_BEGIN]);

		sqlite3_reset(s->stmt[STMT_BEGIN]);
		if (rc != SQLITE_DONE) {
			store_latch(s, rc);
			s->lost_rows++;
			return NULL;
		}
		s->in_transaction = true;
	}
	return s->stmt[which];
}

void store_insert(struct store *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	s->open_rows++;
	if (rc == SQLITE_DONE) {
		sqlite3_reset(st);
		return;
	}
	rc = sqlite3_extended_errcode(s->db);
	sqlite3_reset(st);
	if ((rc & 0xff) == SQLITE_CONSTRAINT) { /* a row that contradicts one before it: dropped, counted */
		s->open_rows--;
		s->lost_rows++;
		return;
	}
	store_latch(s, rc);
}

size_t store_text(char *ret, size_t size, const char *text, size_t max)
{
	return escape_to(ret, size, text, strnlen(text, max));
}

void bind_text(sqlite3_stmt *st, int column, const char *text)
{
	char shown[STORE_TEXT_MAX + 1];
	size_t n = text ? store_text(shown, sizeof(shown), text, STORE_TEXT_MAX) : 0;

	if (n)
		sqlite3_bind_text(st, column, shown, (int)n, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(st, column);
}

static void meta_int(struct store *s, const char *key, int64_t value)
{
	sqlite3_stmt *st = store_row(s, STMT_META);

	if (!st)
		return;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	bind_int(st, 2, value);
	store_insert(s, st);
}

static void meta_text(struct store *s, const char *key, const char *value)
{
	sqlite3_stmt *st = store_row(s, STMT_META);

	if (!st)
		return;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	bind_text(st, 2, value);
	store_insert(s, st);
}

static void commit(struct store *s)
{
	int rc;

	if (s->err || !s->in_transaction)
		return;
	rc = sqlite3_step(s->stmt[STMT_COMMIT]);
	if (rc != SQLITE_DONE)
		rc = sqlite3_extended_errcode(s->db);
	sqlite3_reset(s->stmt[STMT_COMMIT]);
	if (rc != SQLITE_DONE) {
		store_latch(s, rc);
		return;
	}
	s->in_transaction = false;
	s->open_rows = 0;
}

int store_commit(struct store *s)
{
	int moved = 0;

	if (s->in_transaction)
		meta_int(s, "end_ns", s->last_ns);
	commit(s);
	if (!s->err && sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
		latch_errno(s, -ESTALE);
	return s->err;
}

/* ---- create ---- */

static int cannot_create(struct store *s, int rc, struct fail *why)
{
	int err = rc_to_errno(s->db, rc);
	char shown[400];

	escape_to(shown, sizeof(shown), s->file.path, strlen(s->file.path));
	fail_set(why, err, FAIL_DATA, "could not create recording '%s': %s", shown,
		 err == -EIO ? sqlite3_errmsg(s->db) : words(err));
	return err == -ENOSPC ? fail_hint(why, "Free some space or choose another place with -o.") : err;
}

static int run(struct store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

/* With the tables go the times without which a file that is cut off right after them could not be read. */
static int make_schema(struct store *s, const struct store_meta *m)
{
	char versions[100], meta[200];
	int rc;

	snprintf(versions, sizeof(versions), "PRAGMA application_id=%d; PRAGMA user_version=%d;", SCHEMA_APPLICATION_ID,
		 SCHEMA_VERSION);
	snprintf(meta, sizeof(meta), "INSERT INTO meta VALUES('complete', 0), ('end_ns', 0), ('start_mono_ns', %lld), ('start_real_ns', %lld)",
		 (long long)m->start_mono_ns, (long long)m->start_real_ns);
	rc = run(s, "BEGIN");
	if (rc == SQLITE_OK)
		rc = run(s, versions);
	if (rc == SQLITE_OK)
		rc = run(s, schema_tables_sql);
	for (size_t i = 0; i < schema_n_additions && rc == SQLITE_OK; i++)
		rc = run(s, schema_additions[i].sql);
	if (rc == SQLITE_OK)
		rc = run(s, schema_views_sql);
	if (rc == SQLITE_OK)
		rc = schema_fill_names(s->db);
	if (rc == SQLITE_OK)
		rc = run(s, meta);
	if (rc == SQLITE_OK)
		rc = run(s, "COMMIT");
	return rc;
}

static int open_database(struct store *s, const struct store_meta *m)
{
	int rc;

	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* else a mutex at each allocation; refused, and harmless, once SQLite runs */
	rc = sqlite3_open_v2(s->file.path, &s->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
				 NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 5000);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	/* WAL needs shared memory, which does not work across a network, except for one lonely connection */
	rc = s->file.network ? run(s, "PRAGMA locking_mode=EXCLUSIVE") : SQLITE_OK;
	if (rc == SQLITE_OK)
		rc = run(s, "PRAGMA page_size=4096; PRAGMA mmap_size=0; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY");
	if (rc == SQLITE_OK)
		rc = make_schema(s, m);
	/* NORMAL: consistent after a power cut, complete after SIGKILL.  Checkpoints every 16 MiB. */
	if (rc == SQLITE_OK)
		rc = run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4096");
	return rc;
}

static int prepare_all(struct store *s)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < STMT_N && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(s->db, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
	return rc;
}

static void write_meta(struct store *s, const struct store_meta *m)
{
	meta_text(s, "gilscope_version", m->gilscope_version);
	meta_text(s, "collector", m->collector);
	if (m->collector_choice)
		meta_text(s, "collector_choice", m->collector_choice);
	meta_text(s, "host", m->host);
	meta_text(s, "kernel", m->kernel);
	meta_text(s, "cpu_model", m->cpu_model);
	meta_text(s, "command_line", m->command_line);
	meta_int(s, "cpus", m->cpus);
	meta_int(s, "sample_hz", m->sample_hz);
	if (s->file.network)
		store_note(s, m->start_mono_ns, "on a network file system: cannot be read while it is being recorded");
}

static void free_store(struct store *s)
{
	for (int i = 0; i < STMT_N; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	store_stacks_free(s->stacks);
	store_facts_free(s->facts);
	recording_file_done(&s->file);
	free(s);
}

int store_create(struct store **ret, const char *path, const struct store_create_options *options,
		 const struct store_meta *meta, struct fail *why)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int rc, err;

	err = recording_file_create(&s->file, path, options && options->overwrite, why);
	if (err) {
		free(s);
		return err;
	}
	s->start_ns = meta->start_mono_ns;
	s->estimated = meta->estimated;
	snprintf(s->collector, sizeof(s->collector), "%s", meta->collector);
	s->stacks = store_stacks_new();
	s->facts = store_facts_new();
	store_rows_init(s);
	rc = open_database(s, meta);
	if (rc == SQLITE_OK)
		rc = prepare_all(s);
	if (rc == SQLITE_OK) {
		write_meta(s, meta);
		commit(s);
		err = s->err ? cannot_create(s, sqlite3_extended_errcode(s->db), why) : recording_file_verify(&s->file, why);
	} else {
		err = cannot_create(s, rc, why);
	}
	if (err) {
		recording_file_remove(&s->file);
		free_store(s);
		return err;
	}
	*ret = s;
	return 0;
}

const struct timeline_sink *store_sink(struct store *s)
{
	return &s->sink;
}

/* ---- close ---- */

/* Says in the file what happened to it.  The disk may be full: pages that the failed batch had already put into the WAL
 * are written over, which is nearly always room enough; else a checkpoint may free the WAL for it. */
static void mark_failed(struct store *s)
{
	uint64_t lost = s->lost_rows, at = s->start_ns + (uint64_t)(s->last_ns > 0 ? s->last_ns : 0);
	char error[sizeof(s->error)];
	int err = s->err;

	memcpy(error, s->error, sizeof(error));
	for (int attempt = 0; attempt < 2; attempt++) {
		s->err = 0;
		store_loss(s, &(struct ev_loss){ .t0_ns = at, .t1_ns = at, .count = lost, .cls = EV_LOSS_WRITE });
		meta_text(s, "error", error);
		commit(s);
		if (!s->err || attempt)
			break;
		sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	}
	s->err = err;
	s->lost_rows = lost;
	memcpy(s->error, error, sizeof(error));
}

/* One file remains, and it can be read from a read-only place: no WAL mode in its header. */
static int fold_wal(struct store *s)
{
	int rc;

	for (int i = 0; i < STMT_N; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
	sqlite3_busy_timeout(s->db, 200); /* somebody reads it: the WAL stays, which is no harm */
	rc = run(s, "PRAGMA wal_checkpoint(TRUNCATE)");
	if (rc == SQLITE_OK)
		rc = run(s, "PRAGMA journal_mode=DELETE");
	rc = (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ? SQLITE_OK : rc;
	return rc == SQLITE_OK ? 0 : rc_to_errno(s->db, rc);
}

static void finish(struct store *s, bool complete, uint64_t end_ns)
{
	store_facts_finish(s);
	store_wait_places(s);
	if (s->lost_rows)
		store_loss(s, &(struct ev_loss){ .t0_ns = s->start_ns, .t1_ns = end_ns, .count = s->lost_rows,
						 .cls = EV_LOSS_WRITE });
	meta_int(s, "end_ns", store_time(s, end_ns));
	meta_int(s, "complete", complete);
	commit(s);
}

int store_close(struct store *s, bool complete, uint64_t end_ns, struct fail *why)
{
	char shown[400];
	int err;

	if (!s)
		return 0;
	escape_to(shown, sizeof(shown), s->file.path, strlen(s->file.path));
	if (!s->err)
		finish(s, complete, end_ns);
	if (s->err) {
		mark_failed(s);
		err = fail_set(why, s->err, FAIL_DATA, "could not finish recording '%s': %s", shown, s->error);
		fail_hint(why, "It holds the first %.1f s and says that it is incomplete; %llu rows were lost.",
			  (double)s->last_ns / 1e9, (unsigned long long)s->lost_rows);
		fold_wal(s);
	} else {
		err = fold_wal(s);
		if (err) {
			fail_set(why, err, FAIL_DATA, "could not finish recording '%s': %s", shown, words(err));
			fail_hint(why, "All of it is there as long as '%s-wal' stays beside it.", shown);
		}
	}
	free_store(s);
	return err;
}
