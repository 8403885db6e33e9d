/* A row corrected by debug information: this program's own, which holds structures with moved members (moved_structs/ceval.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>

#include <cmocka.h>

#include "core/target/dwarf_layout.h"

static int read_from(const char *path, struct layout *l, unsigned *differ)
{
	struct elf_file *elf;
	int r = elf_file_open(&elf, open(path, O_RDONLY | O_CLOEXEC));

	if (r < 0)
		return r;
	r = dwarf_layout_read(elf, l, differ);
	elf_file_free(elf);
	return r;
}

static void moved_members_override_the_row(void **state)
{
	const struct layout *row = layout_find(0x030912f0);
	struct layout l = *row;
	unsigned differ = 0;

	(void)state;
	assert_true(read_from("/proc/self/exe", &l, &differ) >= 14);
	assert_true(differ >= 12);
	assert_int_equal(l.tstate_prev, 24);
	assert_int_equal(l.tstate_frame, 48);
	assert_int_equal(l.tstate_thread_id, 160);
	assert_int_equal(l.interp_tstate_head, 8);
	assert_int_equal(l.interp_id, 16);
	assert_int_equal(l.gil_last_holder, 16);
	assert_int_equal(l.gil_locked, 24);
	assert_int_equal(l.runtime_interpreters_head, 16);
	assert_int_equal(l.runtime_gil, 32);
	assert_int_equal(l.frame_prev, 32);
	assert_int_equal(l.frame_instr, 40);
	/* what is not told, and what the version does not have, stays the row's */
	assert_int_equal(l.code_filename, row->code_filename);
	assert_int_equal(l.frame_owner, NO_FIELD);
	assert_int_equal(l.cframe_frame, NO_FIELD);
}

static void none_is_none(void **state)
{
	struct layout l = *layout_find(0x030912f0);
	unsigned differ;

	(void)state;
	assert_int_equal(read_from("/bin/true", &l, &differ), -ENODATA);
	assert_int_equal(l.tstate_prev, layout_find(0x030912f0)->tstate_prev);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(moved_members_override_the_row), cmocka_unit_test(none_is_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
