/* Files that are not ours, not ours any more, or made to hurt: refused in words, never a crash, never a wrong value. */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "core/store/schema.h"
#include "tests/unit/store_read_all.h"

static unsigned char *load(const char *path, size_t *ret_n)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	unsigned char *bytes;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_n = (size_t)st.st_size;
	return bytes;
}

static void save(const char *path, const unsigned char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void assert_refused(const char *path, const char *says)
{
	struct reader *r = NULL;
	struct fail why = { 0 };
	int err = reader_open(path, &r, &why);

	if (err >= 0)
		fail_msg("was accepted, should say '%s'", says);
	assert_null(r);
	assert_int_equal(why.kind, FAIL_DATA);
	assert_true(why.hint[0]);
	if (!strstr(why.what, says))
		fail_msg("says '%s', not '%s'", why.what, says);
}

static void patch_version(const char *path, uint32_t version)
{
	unsigned char be[4] = { version >> 24 & 255, version >> 16 & 255, version >> 8 & 255, version & 255 };
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, be, 4, 60), 4);
	close(fd);
}

static void test_foreign(void **state)
{
	const char *path = in_dir("foreign");
	sqlite3 *db;

	(void)state;
	assert_refused(in_dir("nowhere"), "no such file");
	assert_refused(fixture_dir, "it is a directory");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	assert_refused(in_dir("fifo"), "not a regular file");
	assert_refused("/dev/zero", "not a regular file");
	save(path, (const unsigned char *)"", 0);
	assert_refused(path, "it is empty");
	save(path, (const unsigned char *)"hello\x1b[31m", 10);
	assert_refused(path, "not a gilscope recording");
	unlink(path);
	sqlite3_open(path, &db);
	sqlite3_exec(db, "CREATE TABLE meta(key, value)", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_refused(path, "not a gilscope recording");
}

static void test_versions(void **state)
{
	const char *path = in_dir("versions");

	(void)state;
	make_recording(path);
	patch_version(path, 2000);
	assert_refused(path, "format is version 2.0, this gilscope reads 1.x");
	patch_version(path, 0);
	assert_refused(path, "format is version 0.0");
	patch_version(path, 1007); /* newer minor: only adds */
	reader_close(open_reader(path));
}

static int last_kind(void *ctx, const struct reader_lock *l)
{
	*(enum lock_kind *)ctx = l->row.kind;
	return 0;
}

/* A kind of lock that a newer minor version has is a lock of no known kind; in a file of our own version it is damage. */
static void test_newer_lock_kind(void **state)
{
	const char *path = in_dir("kind");
	enum lock_kind kind = LOCK_GIL;
	struct reader *r;
	sqlite3 *db;

	(void)state;
	make_recording(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE lock SET kind = 1; DELETE FROM lock_object; INSERT INTO lock_object(pid, addr, kind)"
				      " SELECT p.pid, l.addr, 999 FROM lock l JOIN process p ON p.id = l.process", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	r = open_reader(path);
	assert_int_equal(reader_locks(r, last_kind, &kind), -EBADMSG);
	reader_close(r);
	patch_version(path, 1000 + SCHEMA_MINOR + 1);
	r = open_reader(path);
	assert_int_equal(reader_locks(r, last_kind, &kind), 0);
	assert_int_equal(kind, LOCK_FUTEX);
	reader_close(r);
}

/* A name with control characters in the path comes out escaped. */
static void test_escaped_message(void **state)
{
	struct reader *r;
	struct fail why;

	(void)state;
	assert_true(reader_open("/no/\x1b]0;x\a", &r, &why) < 0);
	assert_null(strchr(why.what, '\x1b'));
}

/* ---- schema tricks ---- */

static void test_schema_tricks(void **state)
{
	static const char *const tricks[] = {
		"DROP TABLE wait",
		"DROP TABLE wait; CREATE VIEW wait AS SELECT 1 AS id",
		"DROP TABLE wait; CREATE TABLE wait(id INTEGER PRIMARY KEY, thread, lock, t0_ns, dur_ns)",
		"ALTER TABLE wait ADD COLUMN more INTEGER",
		"DROP TABLE note; CREATE VIEW note(t_ns, text) AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
		" SELECT i, 'x' FROM n",
	};
	const char *path = in_dir("tricks");

	(void)state;
	for (size_t i = 0; i < sizeof(tricks) / sizeof(*tricks); i++) {
		sqlite3 *db;

		make_recording(path);
		sqlite3_open(path, &db);
		sqlite3_exec(db, "DROP VIEW v_waits; DROP VIEW v_blame; DROP VIEW v_locks; DROP VIEW v_threads", NULL, NULL, NULL);
		if (sqlite3_exec(db, tricks[i], NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s: %s", tricks[i], sqlite3_errmsg(db));
		sqlite3_close(db);
		assert_refused(path, "is not as gilscope makes it");
		unlink(path);
	}
}

/* Views and triggers of the file never run; more of them is no reason to refuse. */
static void test_extra_objects(void **state)
{
	const char *path = in_dir("extra");
	struct reader *r;
	sqlite3 *db;

	(void)state;
	make_recording(path);
	sqlite3_open(path, &db);
	assert_int_equal(sqlite3_exec(db, "CREATE VIEW mine AS SELECT * FROM wait; CREATE INDEX i ON wait(t0_ns);"
				      "CREATE TRIGGER t AFTER INSERT ON note BEGIN DELETE FROM wait; END", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	r = open_reader(path);
	assert_int_equal(read_all(r), 0);
	reader_close(r);
}

/* ---- values ---- */

/* Each makes at least one query or the opening fail, and no promise of reader.h break. */
static const char *const lies[] = {
	"UPDATE interval SET state = 77",
	"UPDATE interval SET thread = 4000000000",
	"UPDATE interval SET thread = -1",
	"UPDATE interval SET dur_ns = -5",
	"UPDATE interval SET dur_ns = 9223372036854775807",
	"UPDATE interval SET t0_ns = -9223372036854775807",
	"UPDATE interval SET lock = 9",
	"UPDATE wait SET ended = 99",
	"UPDATE wait SET waker = 2",
	"UPDATE wait SET sleeps = -1",
	"UPDATE credit SET holder = 1000",
	"UPDATE credit SET state = -1",
	"UPDATE credit SET ns = 9223372036854775807",
	"UPDATE thread SET process = 5",
	"UPDATE thread SET first_ns = last_ns + 1",
	"INSERT INTO thread(id, process, tid, first_ns, last_ns, is_main, exited) VALUES(9223372036854775806,0,1,0,0,0,0)",
	"INSERT INTO thread(id, process, tid, first_ns, last_ns, is_main, exited) VALUES(-7,0,1,0,0,0,0)",
	"UPDATE lock SET kind = 50",
	"UPDATE process SET pid = -1",
	"UPDATE node SET parent = id",
	"UPDATE node SET parent = id + 1",
	"INSERT INTO node VALUES(4000000, 1, 1)",
	"INSERT INTO string VALUES(9000000000, 'x')",
	"UPDATE frame SET function = 1000",
	"UPDATE stack SET node = 4000",
	"UPDATE tally_hist SET bucket = 16",
	"UPDATE tally SET n = -1",
	"UPDATE sample SET state = 8",
	"UPDATE process_event SET kind = 3",
	"UPDATE loss SET class = 7",
	"INSERT INTO native_loss VALUES(1, 2, 6, 1)",
	"INSERT INTO native_stack VALUES(1, 4000)",
	"UPDATE level SET level = 4",
	"UPDATE own SET cpu_ns = -1",
	"UPDATE meta SET value = -1 WHERE key = 'end_ns'",
	"UPDATE meta SET value = 'x' || hex(zeroblob(2000000)) WHERE key = 'host'",
	"DELETE FROM meta",
	"UPDATE handoff SET to_thread = 2",
	"UPDATE hold SET lock = 1",
};

static void test_lies(void **state)
{
	const char *path = in_dir("lies");

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct reader *r = NULL;
		struct fail why = { 0 };
		sqlite3 *db;

		make_recording(path);
		sqlite3_open(path, &db);
		if (sqlite3_exec(db, lies[i], NULL, NULL, NULL) != SQLITE_OK || !sqlite3_changes(db))
			fail_msg("%s: %s", lies[i], sqlite3_errmsg(db));
		sqlite3_close(db);
		if (reader_open(path, &r, &why) == 0 && read_all(r) == 0)
			fail_msg("believed: %s", lies[i]);
		if (!r)
			assert_true(why.what[0]);
		reader_close(r);
		unlink(path);
	}
}

/* Stacks that refer to themselves or to nothing end. */
static void test_missing_pieces(void **state)
{
	const char *path = in_dir("pieces");
	struct reader *r;
	sqlite3 *db;

	(void)state;
	make_recording(path);
	sqlite3_open(path, &db);
	sqlite3_exec(db, "DELETE FROM node WHERE parent IS NULL; DELETE FROM frame WHERE id = 2; DELETE FROM stack WHERE id = 3;"
		     "DELETE FROM wait WHERE id = 0", NULL, NULL, NULL);
	sqlite3_close(db);
	r = open_reader(path);
	assert_int_equal(read_all(r), 0); /* gaps are what SIGKILL leaves, not lies */
	reader_close(r);
}

/* ---- bytes ---- */

static unsigned try_bytes(const char *path, const unsigned char *bytes, size_t n)
{
	struct reader *r = NULL;
	struct fail why = { 0 };
	unsigned bad = 1;

	save(path, bytes, n);
	if (reader_open(path, &r, &why) == 0)
		bad = (unsigned)read_all(r);
	else
		assert_true(why.what[0]);
	reader_close(r);
	return bad;
}

static void test_truncated(void **state)
{
	const char *path = in_dir("whole"), *cut = in_dir("cut");
	unsigned char *bytes;
	size_t n, len;

	(void)state;
	make_recording(path);
	bytes = load(path, &n);
	assert_int_equal(try_bytes(cut, bytes, n), 0);
	for (len = 0; len < n; len += 512)
		if (!try_bytes(cut, bytes, len))
			break;
	free(bytes);
	if (len < n)
		fail_msg("cut to %zu of %zu bytes and not noticed", len, n);
}

static void test_flipped(void **state)
{
	const char *path = in_dir("flip"), *out = in_dir("flipped");
	unsigned char *bytes;
	size_t n;

	(void)state;
	make_recording(path);
	bytes = load(path, &n);
	srandom(1);
	for (int i = 0; i < 1500; i++) {
		/* half of them where pages keep their structure */
		size_t at = i % 2 ? (size_t)random() % n : (size_t)random() % (n / 4096) * 4096 + (size_t)random() % 64;
		unsigned char was = bytes[at];

		bytes[at] = (unsigned char)random();
		try_bytes(out, bytes, n);
		bytes[at] = was;
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_versions), cmocka_unit_test(test_newer_lock_kind), cmocka_unit_test(test_escaped_message),
		cmocka_unit_test(test_schema_tricks), cmocka_unit_test(test_extra_objects), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_missing_pieces), cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
