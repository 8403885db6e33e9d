/* Files of a target, and their debug files, are opened inside its root, whatever lies there: links that lead out, `..`, FIFOs, devices,
 * other files. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/target/mapped_file.h"
#include "core/target/proc_maps.h"

static char base[] = "/tmp/gilscope-unit-XXXXXX";
static int proc_fd; /* stands for /proc/PID: it has a root, no exe, no map_files */

static const char *in_base(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", base, name);
	return p;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static int open_as(const char *path, uint64_t inode)
{
	const struct proc_map map = { .start = 0x400000, .end = 0x500000, .inode = inode, .executable = true, .path = path };

	return open_mapped_file(proc_fd, &map);
}

static int make_root(void **state)
{
	(void)state;
	if (!mkdtemp(base) || mkdir(in_base("proc"), 0700) || mkdir(in_base("proc/root"), 0700) || mkdir(in_base("proc/root/lib"), 0700))
		return -1;
	write_file(in_base("secret"), "the host's");
	write_file(in_base("proc/root/lib/real"), "the target's");
	proc_fd = open(in_base("proc"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return proc_fd < 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	close(proc_fd);
	return nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void its_own_file(void **state)
{
	uint64_t inode = inode_of(in_base("proc/root/lib/real"));
	char text[16] = "";
	int fd;

	(void)state;
	assert_int_equal(symlink("/lib/real", in_base("proc/root/lib/link")), 0); /* a link inside, as libraries have */
	for (int i = 0; i < 2; i++) {
		fd = open_as(i ? "/lib/link" : "/lib/real", inode);
		assert_true(fd >= 0);
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		assert_string_equal(text, "the target's");
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		close(fd);
	}
}

/* Even one that the mapping's inode fits: what is named is looked up inside. */
static void a_file_outside(void **state)
{
	uint64_t inode = inode_of(in_base("secret"));
	char up[300];

	(void)state;
	assert_int_equal(symlink(in_base("secret"), in_base("proc/root/lib/absolute")), 0);
	assert_int_equal(symlink("../../../secret", in_base("proc/root/lib/up")), 0);
	assert_int_equal(symlink("../../../../../../../../../../../../../..", in_base("proc/root/lib/top")), 0);
	assert_true(open_as("/lib/absolute", inode) < 0);
	assert_true(open_as("/lib/up", inode) < 0);
	snprintf(up, sizeof(up), "/lib/top%s", in_base("secret"));
	assert_true(open_as(up, inode) < 0);
}

static void not_the_mapped_one(void **state)
{
	(void)state;
	assert_int_equal(open_as("/lib/real", inode_of(in_base("secret"))), -ENOENT); /* that path is not on the host either */
	assert_int_equal(open_as("/lib/none", 1), -ENOENT);
}

static void no_regular_file(void **state)
{
	const char *fifo = in_base("proc/root/lib/fifo"), *loop = in_base("proc/root/lib/loop"), *device = in_base("proc/root/lib/device");

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("loop", loop), 0);
	assert_true(open_as("/lib/fifo", inode_of(fifo)) < 0); /* an open of it would wait for a writer */
	assert_true(open_as("/lib/loop", 1) < 0);
	assert_true(open_as("/lib", inode_of(in_base("proc/root/lib"))) < 0);
	if (mknod(device, S_IFCHR | 0600, makedev(1, 5)) == 0) /* needs root */
		assert_true(open_as("/lib/device", inode_of(device)) < 0);
}

static void write_debug_file(const char *id, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "proc/root/usr/lib/debug/.build-id/%.2s", id);
	mkdir(in_base(path), 0700);
	snprintf(path, sizeof(path), "proc/root/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
	if (text)
		write_file(in_base(path), text);
	else
		assert_int_equal(mkfifo(in_base(path), 0600), 0);
}

static void make_folder(const char *path)
{
	char below[200];

	snprintf(below, sizeof(below), "proc/root%s", path);
	assert_int_equal(mkdir(in_base(below), 0700), 0);
}

static void debug_files(void **state)
{
	static const uint8_t id[5] = { 0xab, 0x01, 0xff, 0x00, 0xc7 }, fifo[5] = { 0xab, 2, 2, 2, 2 };
	uint8_t many[300];
	char text[16] = "";
	int fd;

	(void)state;
	memset(many, 0xab, sizeof(many));
	for (const char *p = "/usr\0/usr/lib\0/usr/lib/debug\0/usr/lib/debug/.build-id\0"; *p; p += strlen(p) + 1) {
		assert_int_equal(open_debug_file(proc_fd, id, sizeof(id)), -ENOENT);
		make_folder(p);
	}
	write_debug_file("ab01ff00c7", "its symbols");
	write_debug_file("ab02020202", NULL);
	fd = open_debug_file(proc_fd, id, sizeof(id));
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 11);
	assert_memory_equal(text, "its symbols", 11);
	close(fd);
	assert_true(open_debug_file(proc_fd, fifo, sizeof(fifo)) < 0);
	assert_int_equal(open_debug_file(proc_fd, id, 0), -ENOENT);
	assert_int_equal(open_debug_file(proc_fd, many, sizeof(many)), -ENOENT);
}

static void write_linked(const char *path, const char *text)
{
	char below[200];

	snprintf(below, sizeof(below), "proc/root%s", path);
	write_file(in_base(below), text);
}

/* 0xcbf43926 is the published check value of this checksum. */
static void linked_debug_files(void **state)
{
	static const char *const places[] = { "/usr/lib/debug/lib/names.debug", "/lib/.debug/names.debug", "/lib/names.debug" };
	const char *file = "/lib/real", *link = "names.debug";
	char text[16];
	int fd;

	(void)state;
	make_folder("/usr/lib/debug/lib");
	make_folder("/lib/.debug");
	for (size_t i = 0; i < 3; i++) {
		assert_true(open_linked_debug_file(proc_fd, file, link, 0xcbf43926) < 0);
		write_linked(places[i], "another's");
		assert_true(open_linked_debug_file(proc_fd, file, link, 0xcbf43926) < 0); /* the name alone is nothing */
		write_linked(places[i], "123456789");
		fd = open_linked_debug_file(proc_fd, file, link, 0xcbf43926);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, text, sizeof(text)), 9);
		close(fd);
		assert_true(open_linked_debug_file(proc_fd, file, "../lib/names.debug", 0xcbf43926) < 0);
		write_linked(places[i], "");
	}
	assert_true(open_linked_debug_file(proc_fd, "[vdso]", link, 0xcbf43926) < 0);
}

/* A link that leads out is followed inside, where there is none. */
static void linked_debug_file_outside(void **state)
{
	(void)state;
	write_file(in_base("secret.debug"), "123456789");
	assert_int_equal(symlink(in_base("secret.debug"), in_base("proc/root/lib/out.debug")), 0);
	assert_true(open_linked_debug_file(proc_fd, "/lib/real", "out.debug", 0xcbf43926) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_file),
		cmocka_unit_test(a_file_outside),
		cmocka_unit_test(not_the_mapped_one),
		cmocka_unit_test(no_regular_file),
		cmocka_unit_test(debug_files),
		cmocka_unit_test(linked_debug_files),
		cmocka_unit_test(linked_debug_file_outside),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
