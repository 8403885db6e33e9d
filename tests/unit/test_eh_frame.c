/* Where functions begin, by unwind tables: those of this very program, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/symbols/eh_frame.h"

#define KNOWN __attribute__((noinline, noclone, used))

static KNOWN int first_function(int x)
{
	return x * 3 + 1;
}

static KNOWN int second_function(int x)
{
	return first_function(x) - first_function(x + 1) * x;
}

/* The main program's, at the addresses where it runs. */
static int take_own(struct dl_phdr_info *info, size_t size, void *ret)
{
	struct eh_frame *e = ret;
	const ElfW(Phdr) *table = NULL;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			table = &info->dlpi_phdr[i];
	for (int i = 0; table && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && table->p_vaddr - p->p_vaddr < p->p_filesz)
			*e = (struct eh_frame){ (const uint8_t *)(info->dlpi_addr + p->p_vaddr), p->p_filesz, /* NOLINT */
						info->dlpi_addr + p->p_vaddr, info->dlpi_addr + table->p_vaddr };
	}
	return 1;
}

static struct eh_frame own(void)
{
	struct eh_frame e = { 0 };

	dl_iterate_phdr(take_own, &e);
	assert_non_null(e.bytes);
	return e;
}

static void begins_at(const struct eh_frame *e, uint64_t pc, int (*function)(int))
{
	uint64_t start = 0;

	assert_true(eh_frame_function(e, pc, &start));
	assert_int_equal(start, (uintptr_t)function);
}

static void test_own_functions(void **state)
{
	struct eh_frame e = own();
	uint64_t start;

	(void)state;
	begins_at(&e, (uintptr_t)first_function, first_function);
	begins_at(&e, (uintptr_t)first_function + 2, first_function);
	begins_at(&e, (uintptr_t)second_function, second_function);
	begins_at(&e, (uintptr_t)second_function + 7, second_function);
	assert_false(eh_frame_function(&e, 0, &start));
	assert_false(eh_frame_function(&e, UINT64_MAX, &start));
	assert_false(eh_frame_function(&e, (uintptr_t)&e, &start));
	e.bytes = NULL;
	assert_false(eh_frame_function(&e, (uintptr_t)first_function, &start));
}

/* A copy made as from outside: no sanitizer minds that it goes across variables. */
static uint8_t *copy_of(const struct eh_frame *e)
{
	uint8_t *bytes = malloc(e->n);
	struct iovec from = { (void *)(uintptr_t)e->bytes, e->n }, to = { bytes, e->n };

	assert_int_equal(process_vm_readv(getpid(), &to, 1, &from, 1, 0), (ssize_t)e->n);
	return bytes;
}

/* An answer holds the address that was asked for, or there is none; nothing outside of the bytes is read. */
static void test_damaged(void **state)
{
	struct eh_frame e = own();
	uint8_t *whole = copy_of(&e);
	uint64_t start;

	(void)state;
	srand(3);
	for (int round = 0; round < 3000; round++) {
		size_t n = (size_t)rand() % (e.n + 1);
		uint8_t *bytes = malloc(n + 1); /* of that length: a sanitizer sees what is beyond */
		struct eh_frame bad = { bytes, n, e.addr, e.table };
		uint64_t table = e.table - e.addr;

		memcpy(bytes, whole, n);
		for (int i = 0; i < 20 && n; i++)
			bytes[rand() % 2 && n > table + 64 ? table + (size_t)rand() % 64 : (size_t)rand() % n] = (uint8_t)rand();
		if (rand() % 2 && n > table + 4)
			memcpy(bytes + table, whole + table, 4);
		if (eh_frame_function(&bad, (uintptr_t)second_function + 3, &start))
			assert_true(start <= (uintptr_t)second_function + 3);
		free(bytes);
	}
	free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_own_functions), cmocka_unit_test(test_damaged) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
