/* The file of a recording: where it may be made, and what is left when its writer is killed or its disk is full. */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

static void touch(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
}

static void assert_precious(const char *path)
{
	char text[9] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, 8), 8);
	close(fd);
	assert_string_equal(text, "precious");
}

/* ---- where ---- */

static void test_plain(void **state)
{
	const char *path = in_dir("plain");
	struct store *s = create(path);
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in_dir("plain-wal"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	store_close(s, true, T0, NULL);
	assert_int_not_equal(stat(in_dir("plain-wal"), &st), 0); /* one file remains */
	assert_int_not_equal(stat(in_dir("plain-shm"), &st), 0);
}

static void test_umask(void **state)
{
	mode_t old = umask(0777);
	struct store *s;
	struct stat st;

	(void)state;
	s = create(in_dir("umask"));
	umask(old);
	assert_int_equal(stat(in_dir("umask"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	store_close(s, true, T0, NULL);
}

static void make_symlink(const char *p) { assert_int_equal(symlink(in_dir("victim"), p), 0); }
static void make_dangling(const char *p) { assert_int_equal(symlink(in_dir("not-there"), p), 0); }
static void make_fifo(const char *p) { assert_int_equal(mkfifo(p, 0600), 0); }
static void make_dir(const char *p) { assert_int_equal(mkdir(p, 0700), 0); }
static void make_null(const char *p) { if (mknod(p, S_IFCHR | 0666, makedev(1, 3))) make_fifo(p); }
static void make_hard(const char *p) { assert_int_equal(link(in_dir("victim"), p), 0); }
static void make_foreign(const char *p)
{
	if (geteuid() != 0) { /* a case that only root can make: another that must be refused */
		make_fifo(p);
		return;
	}
	touch(p, 0666);
	assert_int_equal(chown(p, 65534, 65534), 0);
}
static void make_wal_link(const char *p)
{
	char wal[4300];

	snprintf(wal, sizeof(wal), "%s-wal", p);
	assert_int_equal(symlink(in_dir("victim"), wal), 0);
}
static void make_shm_fifo(const char *p)
{
	char shm[4300];

	snprintf(shm, sizeof(shm), "%s-shm", p);
	assert_int_equal(mkfifo(shm, 0600), 0);
}
static void make_nothing(const char *p) { (void)p; }

static const struct hostile {
	const char *name;
	void (*make)(const char *path);
	const char *says;
} hostile[] = {
	{ "symlink", make_symlink, "symbolic link" },
	{ "dangling", make_dangling, "symbolic link" },
	{ "fifo", make_fifo, "FIFO" },
	{ "dir", make_dir, "directory" },
	{ "null", make_null, "it is a" },
	{ "hard", make_hard, "hard links" },
	{ "foreign", make_foreign, "" },
	{ "walled", make_wal_link, "symbolic link" },
	{ "shmmed", make_shm_fifo, "FIFO" },
	{ "no/such/dir", make_nothing, "directory does not exist" },
	{ "victim/x", make_nothing, "not a directory" },
	{ "dir/", make_nothing, "name of a file is missing" },
	{ "dir/..", make_nothing, "name of a file is missing" },
	{ "n23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	  "8901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
	  "678901234567890123456789", make_nothing, "too long" },
};

/* With and without leave to overwrite: refused in words, with a hint, and nothing behind the name was touched. */
static void test_hostile_paths(void **state)
{
	(void)state;
	touch(in_dir("victim"), 0600);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/%s", fixture_dir, hostile[i].name);
		hostile[i].make(path);
		for (int overwrite = 0; overwrite < 2; overwrite++) {
			struct store *s = NULL;
			struct fail why;
			int err = try_create(&s, path, overwrite, &why);

			if (err >= 0)
				fail_msg("'%s' was accepted", hostile[i].name);
			assert_null(s);
			assert_int_equal(why.kind, FAIL_DATA);
			assert_int_equal(why.err, err);
			assert_non_null(strstr(why.what, "could not create recording '"));
			if (overwrite && !strstr(why.what, hostile[i].says))
				fail_msg("'%s': %s", hostile[i].name, why.what);
		}
		assert_precious(in_dir("victim"));
	}
	assert_int_not_equal(access(in_dir("not-there"), F_OK), 0);
}

static void test_existing(void **state)
{
	const char *path = in_dir("existing");
	struct store *s = NULL;
	struct fail why;

	(void)state;
	touch(path, 0644);
	assert_int_equal(try_create(&s, path, false, &why), -EEXIST);
	assert_non_null(strstr(why.what, "exists already"));
	assert_true(why.hint[0]);
	assert_precious(path);
	assert_int_equal(try_create(&s, path, true, &why), -EEXIST);
	assert_non_null(strstr(why.what, "not a recording"));
	assert_precious(path);
	unlink(path);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_create(&s, path, true, &why), 0);
		assert_int_equal(store_close(s, true, T0, &why), 0);
		reader_close(open_reader(path));
	}
}

/* A directory reached through a symlink is the user's business. */
static void test_linked_directory(void **state)
{
	struct store *s;

	(void)state;
	mkdir(in_dir("real"), 0700);
	assert_int_equal(symlink("real", in_dir("linked")), 0);
	s = create(in_dir("linked/x"));
	assert_int_equal(store_close(s, true, T0, NULL), 0);
	assert_int_equal(access(in_dir("real/x"), F_OK), 0);
}

static void test_sudo_owner(void **state)
{
	static const char *const names[] = { "sudo", "sudo-wal", "sudo-shm" };
	struct store *s;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65533", 1);
	s = create(in_dir("sudo"));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stat(in_dir(names[i]), &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_gid, 65533);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	store_close(s, true, T0, NULL);
	setenv("SUDO_UID", "0x10; rm", 1); /* nonsense is no user: root keeps it */
	s = create(in_dir("sudo2"));
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_int_equal(stat(in_dir("sudo2"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	store_close(s, true, T0, NULL);
}

static void test_removed_while_writing(void **state)
{
	struct store *s = create(in_dir("removed"));
	struct fail why = { 0 };

	(void)state;
	put_all(s);
	unlink(in_dir("removed"));
	store_commit(s);
	assert_int_equal(store_commit(s), -ESTALE);
	assert_non_null(strstr(store_error(s), "removed or moved"));
	assert_int_equal(store_close(s, true, T0, &why), -ESTALE);
}

/* ---- killed ---- */

struct range { uint64_t n, last; };

static int count_wait(void *ctx, const struct wait *w)
{
	struct range *r = ctx;

	assert_int_equal(w->wait, r->n); /* no hole: a prefix */
	r->n++;
	r->last = w->wait;
	return 0;
}

#define BATCH 500

/* Commits batches of waits for ever, and says each one that is committed. */
static void write_for_ever(const char *path, int ack)
{
	const struct timeline_sink *k;
	struct store *s;
	struct fail why;

	if (try_create(&s, path, false, &why)) /* a child: no assertion here */
		_exit(1);
	k = store_sink(s);
	put_who(s);
	for (uint64_t id = 0;;) {
		for (int i = 0; i < BATCH; i++, id++) {
			k->wait(k->ctx, &(struct wait){ .wait = id, .thread = 1, .t0_ns = T0 + id * 1000, .waker = MODEL_NONE,
							.t1_ns = T0 + id * 1000 + 500, .stack = id % 997 + 1 });
			k->credit(k->ctx, &(struct credit){ .wait = id, .holder = 0, .nr = -1, .stack = 20, .ns = 500 });
			if (id % 50 == 0)
				put_stack(s, id % 997 + 1, 2, (int32_t)id);
		}
		if (store_commit(s) || write(ack, &id, sizeof(id)) != sizeof(id))
			_exit(1);
	}
}

static int64_t query_check(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int ok;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	ok = !strcmp((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	sqlite3_close(db);
	return ok;
}

static uint64_t read_acks(int fd)
{
	uint64_t id, last = 0;

	while (read(fd, &id, sizeof(id)) == sizeof(id))
		last = id;
	return last;
}

/* Returns the waits that were acknowledged before it died. */
static uint64_t write_and_kill(const char *path, long after_us)
{
	uint64_t acked, first;
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		write_for_ever(path, pipes[1]);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &first, sizeof(first)), sizeof(first)); /* it writes */
	nanosleep(&(struct timespec){ .tv_nsec = after_us * 1000 }, NULL);
	kill(pid, SIGKILL);
	acked = read_acks(pipes[0]);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	return acked > first ? acked : first;
}

static void test_killed(void **state)
{
	const char *path = in_dir("killed");

	(void)state;
	srandom(7);
	for (int i = 0; i < 30; i++) {
		uint64_t acked = write_and_kill(path, random() % 60000);
		struct range n = { 0 };
		struct reader *r = open_reader(path);

		assert_false(reader_info(r)->complete);
		assert_int_equal(reader_waits(r, count_wait, &n), 0);
		reader_close(r);
		if (n.n < acked || n.n > acked + BATCH || n.n % BATCH)
			fail_msg("kill %d: %llu waits acknowledged, %llu found", i, (unsigned long long)acked,
				 (unsigned long long)n.n);
		assert_true(query_check(path));
		unlink(path);
		unlink(in_dir("killed-wal"));
		unlink(in_dir("killed-shm"));
	}
}

/* What a killed writer left is read from a place where nothing can be written beside it, and nothing is. */
static void test_killed_read_only(void **state)
{
	const char *dir = in_dir("ro");
	struct range n = { 0 };
	struct reader *r;
	uint64_t acked;

	(void)state;
	mkdir(dir, 0700);
	acked = write_and_kill(in_dir("ro/x"), 20000);
	unlink(in_dir("ro/x-shm"));
	if (geteuid() == 0) { /* root may write anywhere but on a read-only mount */
		if (mount(dir, dir, NULL, MS_BIND, NULL) || mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
			skip();
	} else {
		chmod(dir, 0500);
	}
	r = open_reader(in_dir("ro/x"));
	assert_false(reader_info(r)->complete);
	assert_int_equal(reader_waits(r, count_wait, &n), 0);
	reader_close(r);
	if (geteuid() == 0)
		umount2(dir, MNT_DETACH);
	chmod(dir, 0700);
	assert_in_range(n.n, acked, acked + BATCH);
	assert_int_not_equal(access(in_dir("ro/x-shm"), F_OK), 0);
}

/* A recording can be read while it is written: a snapshot. */
static void test_read_while_writing(void **state)
{
	struct store *s = create(in_dir("live"));
	struct range n = { 0 };
	struct reader *r;

	(void)state;
	put_who(s);
	put_waits(s);
	assert_int_equal(store_commit(s), 0);
	r = open_reader(in_dir("live"));
	assert_false(reader_info(r)->complete);
	put_rest(s);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(reader_waits(r, count_wait, &n), 0);
	assert_int_equal(n.n, 2);
	assert_int_equal(store_close(s, true, T0, NULL), 0); /* a reader in the way is no failure */
	reader_close(r);
	r = open_reader(in_dir("live"));
	assert_true(reader_info(r)->complete);
	reader_close(r);
}

/* ---- full ---- */

static int find_write_loss(void *ctx, const struct reader_loss *l)
{
	if (l->cls == EV_LOSS_WRITE)
		*(uint64_t *)ctx += l->count;
	return 0;
}

/* Writes until it cannot; what was committed is there, what was not is counted. */
static void fill_up(const char *path, int expect)
{
	struct store *s = create(path);
	const struct timeline_sink *k = store_sink(s);
	uint64_t id = 0, committed = 0, lost = 0;
	struct range n = { 0 };
	struct fail why = { 0 };
	struct reader *r;
	int err = 0;

	put_who(s);
	while (!err && id < 10000000) {
		for (int i = 0; i < BATCH; i++, id++)
			k->wait(k->ctx, &(struct wait){ .wait = id, .thread = 1, .t0_ns = T0 + id * 1000, .waker = MODEL_NONE,
							.t1_ns = T0 + id * 1000 + 500 });
		err = store_commit(s);
		if (!err)
			committed = id;
	}
	assert_int_equal(err, expect);
	assert_non_null(store_error(s));
	for (int i = 0; i < 3; i++) /* later rows are counted, not written */
		put_interval(s, 0, T0, T0 + 1, STATE_GIL, 0);
	assert_int_equal(store_commit(s), expect);
	assert_int_equal(store_close(s, true, T0 + id * 1000, &why), expect);
	assert_int_equal(why.kind, FAIL_DATA);
	assert_non_null(strstr(why.what, "could not finish recording"));
	assert_non_null(strstr(why.hint, "incomplete"));
	r = open_reader(path);
	assert_false(reader_info(r)->complete);
	assert_int_equal(reader_waits(r, count_wait, &n), 0);
	assert_int_equal(n.n, committed);
	assert_non_null(reader_info(r)->write_error);
	assert_int_equal(reader_losses(r, find_write_loss, &lost), 0);
	assert_true(lost >= 3 + BATCH && lost < 3 + 2 * BATCH); /* the batch, its end time, the three */
	reader_close(r);
	assert_true(query_check(path));
}

static void test_disk_full(void **state)
{
	const char *dir = in_dir("small-disk");

	(void)state;
	mkdir(dir, 0700);
	if (mount("none", dir, "tmpfs", 0, "size=2200k"))
		skip(); /* needs root */
	fill_up(in_dir("small-disk/x"), -ENOSPC);
	umount2(dir, MNT_DETACH);
}

/* A disk that is full from the start: refused, nothing left behind. */
static void test_disk_full_at_start(void **state)
{
	const char *dir = in_dir("no-disk");
	struct store *s = NULL;
	struct fail why;
	int err, left;

	(void)state;
	mkdir(dir, 0700);
	if (mount("none", dir, "tmpfs", 0, "size=32k"))
		skip();
	err = try_create(&s, in_dir("no-disk/x"), false, &why);
	left = access(in_dir("no-disk/x"), F_OK) == 0;
	umount2(dir, MNT_DETACH);
	assert_int_equal(err, -ENOSPC);
	assert_non_null(strstr(why.what, "the disk is full"));
	assert_false(left);
}

/* The same without root: a limit on the size of files, in a child. */
static void test_size_limit(void **state)
{
	struct store *s = NULL;
	struct fail why;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rlimit limit = { 1 << 20, 1 << 20 };
		int err = 0;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		if (try_create(&s, in_dir("limited"), false, &why))
			_exit(1);
		put_who(s);
		for (int i = 0; i < 1000000 && !err; i++) {
			put_interval(s, 0, T0, T0 + 1, STATE_GIL, 0);
			err = i % 1000 ? 0 : store_commit(s);
		}
		_exit(err && store_error(s) && store_close(s, true, T0, &why) ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	reader_close(open_reader(in_dir("limited")));
	assert_true(query_check(in_dir("limited")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_umask), cmocka_unit_test(test_hostile_paths),
		cmocka_unit_test(test_existing), cmocka_unit_test(test_linked_directory), cmocka_unit_test(test_sudo_owner),
		cmocka_unit_test(test_removed_while_writing), cmocka_unit_test(test_killed),
		cmocka_unit_test(test_killed_read_only), cmocka_unit_test(test_read_while_writing),
		cmocka_unit_test(test_disk_full), cmocka_unit_test(test_disk_full_at_start), cmocka_unit_test(test_size_limit),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
