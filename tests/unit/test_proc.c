/* /proc texts as strangers can make them: maps, stat, status, syscall, schedstat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/target/proc_maps.h"
#include "core/target/proc_task.h"

static struct proc_maps parse(const char *text)
{
	struct proc_maps maps;

	proc_maps_parse(&maps, strdup(text), strlen(text));
	return maps;
}

static void plain_lines(void **state)
{
	struct proc_maps m = parse("00400000-00420000 r-xp 0001f000 08:01 1234                       /usr/bin/python3.11\n"
				   "7ffd0000-7ffd2000 rw-p 00000000 00:00 0 \n"
				   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");

	(void)state;
	assert_int_equal(m.n, 3);
	assert_int_equal(m.skipped, 0);
	assert_true(m.items[0].start == 0x400000 && m.items[0].end == 0x420000 && m.items[0].offset == 0x1f000);
	assert_true(m.items[0].executable && m.items[0].readable && !m.items[0].writable);
	assert_int_equal(m.items[0].inode, 1234);
	assert_int_equal(m.items[0].dev_major, 8);
	assert_string_equal(m.items[0].path, "/usr/bin/python3.11");
	assert_string_equal(proc_map_basename(&m.items[0]), "python3.11");
	assert_string_equal(m.items[1].path, "");
	assert_string_equal(m.items[2].path, "[vsyscall]");
	assert_ptr_equal(proc_maps_find(&m, 0x7ffd1fff), &m.items[1]);
	assert_null(proc_maps_find(&m, 0x7ffd2000));
	proc_maps_done(&m);
}

static void hostile_paths(void **state)
{
	struct proc_maps m = parse("1000-2000 r-xp 00000000 08:01 5 /tmp/a\\0122000-3000 r-xp 00000000 08:01 6 /fake\n"
				   "3000-4000 r-xp 00000000 08:01 7 /tmp/x (deleted)\n"
				   "4000-5000 r-xp 00000000 00:00 0 [anon: (deleted)\n"
				   "5000-6000 r-xp 00000000 08:01 8 /tmp/  two  blanks \n"
				   "6000-7000 r-xp 00000000 08:01 9 /tmp/\\01\\012\n");

	(void)state;
	assert_int_equal(m.n, 5);
	assert_string_equal(m.items[0].path, "/tmp/a\n2000-3000 r-xp 00000000 08:01 6 /fake");
	assert_string_equal(m.items[1].path, "/tmp/x");
	assert_true(m.items[1].deleted);
	assert_false(m.items[2].deleted);
	assert_string_equal(m.items[3].path, "/tmp/  two  blanks ");
	assert_string_equal(m.items[4].path, "/tmp/\\01\n");
	proc_maps_done(&m);
}

static void what_does_not_parse_is_counted(void **state)
{
	struct proc_maps m = parse("nonsense\n2000-1000 r-xp 00000000 08:01 5 /back\n1000-2000 r-x\n\n"
				   "10000000000000000-20000000000000000 r-xp 0 08:01 5 /wide\n1000-2000 r-xp 00000000 08:01 5 /end");

	(void)state;
	assert_int_equal(m.n, 1);
	assert_string_equal(m.items[0].path, "/end");
	assert_int_equal(m.skipped, 4);
	proc_maps_done(&m);
}

static void stat_with_a_hostile_name(void **state)
{
	static const char text[] = "42 (a) R 1 (\n) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 12345 1000 200 18446744073709551615\n";
	struct proc_stat stat;

	(void)state;
	assert_int_equal(proc_stat_parse(text, strlen(text), &stat), 0);
	assert_string_equal(stat.comm, "a) R 1 (\n");
	assert_int_equal(stat.state, 'S');
	assert_false(stat.kernel_thread);
	assert_true(stat.start_ns == 12345 * 10000000ull);
	assert_true(proc_stat_parse("42 (x", 5, &stat) < 0);
	assert_true(proc_stat_parse("42 (x) S 1", 10, &stat) < 0);
}

static void status_across_namespaces(void **state)
{
	struct proc_status s;

	(void)state;
	assert_int_equal(proc_status_parse("Name:\tx\nTgid:\t70\nUid:\t5\t5\t5\t5\nNSpid:\t71\t9\t2\nVmSize:\t1 kB\n", &s), 0);
	assert_int_equal(s.tgid, 70);
	assert_int_equal(s.ns_tid, 2);
	assert_int_equal(s.uid, 5);
	assert_true(s.other_namespace && s.vm);
	assert_int_equal(proc_status_parse("Name:\tx\nTgid:\t70\nUid:\t0\nNSpid:\t71\n", &s), 0);
	assert_false(s.other_namespace || s.vm);
	assert_true(proc_status_parse("Name:\tTgid:\t1\n", &s) < 0);
}

static void syscall_lines(void **state)
{
	struct proc_syscall s;

	(void)state;
	assert_int_equal(proc_syscall_parse("202 0x7f10 0x189 0x0 0x7f20 0x0 0xffffffff 0x7ffe 0x7f30\n", &s), 0);
	assert_int_equal(s.nr, 202);
	assert_true(s.arg[0] == 0x7f10 && s.arg[1] == 0x189 && s.arg[5] == 0xffffffff);
	assert_int_equal(proc_syscall_parse("running\n", &s), 0);
	assert_true(s.running && s.nr == -1);
	assert_int_equal(proc_syscall_parse("-1 0x7ffe 0x7f30\n", &s), 0);
	assert_true(!s.running && s.nr == -1);
	assert_true(proc_syscall_parse("", &s) < 0);
	assert_true(proc_syscall_parse("202 0x1 0x2\n", &s) < 0);
}

static void schedstat_lines(void **state)
{
	struct proc_schedstat s = { 0 };

	(void)state;
	assert_int_equal(proc_schedstat_parse("1234567 18446744073709551615 42\n", &s), 0);
	assert_true(s.queued_ns == UINT64_MAX && s.arrivals == 42);
	assert_int_equal(proc_schedstat_parse("0 0 0\n", &s), 0); /* a kernel without them */
	assert_true(!s.queued_ns && !s.arrivals);
	assert_true(proc_schedstat_parse("", &s) < 0);
	assert_true(proc_schedstat_parse("1 2\n", &s) < 0);
	assert_true(proc_schedstat_parse("1 x 3\n", &s) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_lines),
		cmocka_unit_test(hostile_paths),
		cmocka_unit_test(what_does_not_parse_is_counted),
		cmocka_unit_test(stat_with_a_hostile_name),
		cmocka_unit_test(status_across_namespaces),
		cmocka_unit_test(syscall_lines),
		cmocka_unit_test(schedstat_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
