/* Copied stacks, unwound in the disposable process: our own, cut-off ones, nonsense, and files that were made to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/symbols/unwind_child.h"

#define NOINLINE __attribute__((noinline, noclone))

static struct ev_native copy;
static const char *stack_end; /* nothing above it is copied */

static void take_copy(void)
{
	static const int order[EV_REGS] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9,
					    REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };
	struct iovec from, to;
	ucontext_t here;
	size_t n;

	getcontext(&here);
	for (int i = 0; i < EV_REGS; i++)
		copy.regs[i] = (uint64_t)here.uc_mcontext.gregs[order[i]];
	n = (size_t)(stack_end - (const char *)copy.regs[EV_REG_SP]); /* NOLINT */
	copy.n_bytes = n < EV_STACK_BYTES ? (uint32_t)n : EV_STACK_BYTES;
	from = (struct iovec){ (void *)copy.regs[EV_REG_SP], copy.n_bytes };
	to = (struct iovec){ copy.bytes, copy.n_bytes };
	/* as from outside: no sanitizer minds that frames are read as bytes */
	assert_int_equal(process_vm_readv(getpid(), &to, 1, &from, 1, 0), (ssize_t)copy.n_bytes);
	copy.h = (struct ev_hdr){ .kind = EV_NATIVE, .pid = (uint32_t)getpid(), .tid = (uint32_t)getpid(),
				  .size = (uint16_t)(offsetof(struct ev_native, bytes) + copy.n_bytes) };
}

static NOINLINE int innermost_function(int x)
{
	take_copy();
	return x + 1;
}

static NOINLINE int function_between(int x)
{
	volatile char room[300];

	room[x & 7] = 1;
	return innermost_function(x) + room[x & 7];
}

static NOINLINE void take_known_stack(void)
{
	char end[2048] = "";

	stack_end = end + sizeof(end);
	memset(&copy, 0, sizeof(copy));
	function_between(3);
}

static const char *name_at(const struct unwound *u, unsigned i)
{
	return i < u->n ? unwound_text(u, u->frames[i].function) : "(none)";
}

static void assert_known_stack(struct unwind_child *c)
{
	const struct unwound *u = NULL;
	unsigned at = 0;

	take_known_stack();
	assert_int_equal(unwind_child_run(c, &copy, &u), 0);
	while (at < u->n && strcmp(name_at(u, at), "innermost_function"))
		at++;
	assert_string_equal(name_at(u, at), "innermost_function");
	assert_string_equal(name_at(u, at + 1), "function_between");
	assert_string_equal(name_at(u, at + 2), "take_known_stack");
	assert_non_null(strstr(unwound_text(u, u->frames[at].file), "test_unwind"));
	assert_true(u->frames[at + 1].sp > u->frames[at].sp);
	assert_true(u->frames[at + 1].sp - u->frames[at].sp < sizeof(copy.bytes));
}

static void test_own_stack(void **state)
{
	struct unwind_child *c = unwind_child_new();

	(void)state;
	assert_known_stack(c);
	assert_known_stack(c); /* again, of files that are open by now */
	assert_true(unwind_child_cpu_ns(c) > 0);
	unwind_child_free(c);
}

static pid_t child_pid(void)
{
	char path[64];
	FILE *f;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void await_end(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* While it has nothing to do: that is no fault of the process whose stack comes next. */
static void test_killed_idle(void **state)
{
	struct unwind_child *c = unwind_child_new();

	(void)state;
	assert_known_stack(c);
	for (unsigned i = 1; i <= 4; i++) {
		pid_t child = child_pid();

		kill(child, SIGKILL);
		await_end(child);
		assert_known_stack(c);
		assert_int_equal(unwind_child_ends(c), i);
		assert_false(unwind_child_refuses(c, (uint32_t)getpid()));
	}
	unwind_child_free(c);
}

static void *kill_soon(void *pid)
{
	usleep(100000);
	kill(*(pid_t *)pid, SIGKILL);
	return NULL;
}

/* At a stack: that one is lost, and only so many times is it tried again. */
static void test_killed_at_work(void **state)
{
	struct unwind_child *c = unwind_child_new();
	const struct unwound *u = NULL;

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		pthread_t killer;
		pid_t child;

		assert_known_stack(c);
		child = child_pid();
		kill(child, SIGSTOP);
		take_known_stack();
		assert_int_equal(pthread_create(&killer, NULL, kill_soon, &child), 0);
		assert_int_equal(unwind_child_run(c, &copy, &u), -EIO);
		pthread_join(killer, NULL);
		assert_int_equal(unwind_child_ends(c), i);
	}
	assert_int_equal(unwind_child_run(c, &copy, &u), -EPERM);
	unwind_child_forget(c, (uint32_t)getpid());
	assert_known_stack(c);
	unwind_child_free(c);
}

static void test_cut_off(void **state)
{
	struct unwind_child *c = unwind_child_new();
	const struct unwound *u = NULL;

	(void)state;
	take_known_stack();
	copy.n_bytes = 0;
	copy.h.size = offsetof(struct ev_native, bytes);
	assert_int_equal(unwind_child_run(c, &copy, &u), 0);
	assert_true(u->n >= 1 && u->n <= 2); /* the innermost is told by the registers alone */
	copy.h.pid = 0x7ffffff0;
	assert_int_equal(unwind_child_run(c, &copy, &u), -ENOENT);
	assert_known_stack(c);
	unwind_child_free(c);
}

static void test_nonsense(void **state)
{
	struct unwind_child *c = unwind_child_new();
	const struct unwound *u;

	(void)state;
	srand(1);
	for (int round = 0; round < 300; round++) {
		take_known_stack();
		for (int i = 0; i < EV_REGS; i++)
			if (rand() % 3 == 0)
				copy.regs[i] = (uint64_t)rand() << 32 ^ (uint64_t)rand();
		for (int i = 0; i < 200; i++)
			copy.bytes[(unsigned)rand() % EV_STACK_BYTES] = (uint8_t)rand();
		if (!unwind_child_run(c, &copy, &u))
			for (unsigned i = 0; i < u->n; i++)
				assert_non_null(unwound_text(u, u->frames[i].function));
	}
	assert_known_stack(c);
	unwind_child_free(c);
}

/* A copy of this program whose bytes were changed at random, or that was cut off, mapped into a process of its own. */
static pid_t map_damaged(int round, int fds[2])
{
	char path[] = "/tmp/test_unwind_XXXXXX";
	struct stat st;
	uint8_t *bytes;
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = mkstemp(path);
	pid_t pid;

	assert_true(in >= 0 && out >= 0 && !fstat(in, &st));
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(read(in, bytes, (size_t)st.st_size), st.st_size);
	/* behind the headers: what is not taken for an ELF file hurts nobody */
	for (long i = round % 3 ? 4096 : 64; i < st.st_size; i += 1 + rand() % (round & 2 ? 64 : 4096))
		bytes[i] = (uint8_t)(round & 4 ? 0xff : rand());
	assert_int_equal(write(out, bytes, (size_t)st.st_size), st.st_size);
	free(bytes);
	close(in);
	pid = fork();
	if (!pid) {
		for (long at = 0; at < st.st_size; at += 65536)
			mmap(NULL, (size_t)(st.st_size - at < 65536 ? st.st_size - at : 65536), PROT_READ | PROT_EXEC, MAP_PRIVATE, out, at);
		if (round & 8 && ftruncate(out, st.st_size / 3))
			_exit(1);
		if (write(fds[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	close(out);
	unlink(path);
	return pid;
}

static void test_damaged_files(void **state)
{
	struct unwind_child *c = unwind_child_new();
	const struct unwound *u;
	unsigned answers[2] = { 0 };

	(void)state;
	srand(2);
	for (int round = 0; round < 48; round++) {
		char line[512];
		int fds[2];
		pid_t pid;
		FILE *maps;

		assert_int_equal(pipe(fds), 0);
		pid = map_damaged(round, fds);
		assert_int_equal(read(fds[0], line, 1), 1);
		take_known_stack();
		copy.h.pid = (uint32_t)pid;
		snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
		maps = fopen(line, "re");
		while (maps && fgets(line, sizeof(line), maps)) { /* as if it ran in there */
			if (!strstr(line, "test_unwind_"))
				continue;
			for (unsigned i = 0; i < 4; i++) {
				copy.regs[EV_REG_IP] = strtoull(line, NULL, 16) + (uint64_t)rand() % 65536;
				answers[unwind_child_run(c, &copy, &u) == 0]++; /* any will do, if it is one */
			}
		}
		fclose(maps);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(fds[0]);
		close(fds[1]);
	}
	assert_true(answers[1] > 100); /* the files were looked at */
	assert_known_stack(c);
	unwind_child_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_stack), cmocka_unit_test(test_killed_idle), cmocka_unit_test(test_killed_at_work), cmocka_unit_test(test_cut_off), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_damaged_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
