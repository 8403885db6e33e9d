/* The rows: complete for what is read of every version; and the debug offsets of a target that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include <linux/types.h>

#include "core/interp/debug_offsets.h"
#include "core/interp/layout.h"
#include "core/interp/linetable.h"
#include "core/interp/runtime.h"
#include "core/interp/statics.h"

static void rows_are_complete(void **state)
{
	(void)state;
	for (uint32_t minor = 7; minor <= 15; minor++) {
		const struct layout *l = layout_find(0x03000000 | minor << 16 | 0x05f0);

		assert_non_null(l);
		assert_int_equal(l->version, 0x0300 | minor);
		assert_false(l->statics);
		assert_non_null(l->linetable);
		assert_non_null(l->instance);
		/* one GIL in the runtime, or a pointer to it in each interpreter */
		assert_true((l->runtime_gil == NO_FIELD) != (l->interp_gil_ptr == NO_FIELD));
		assert_true((l->interp_gc_collecting == NO_FIELD) != (l->runtime_gc_collecting == NO_FIELD));
		/* the three words the collector reads at once */
		assert_int_equal(l->gil_locked, l->gil_last_holder + 8);
		assert_int_equal(l->gil_switch_number, l->gil_last_holder + 16);
		assert_true(l->frame_lasti_scale != 0 || l->code_bytecode != NO_FIELD);
		assert_true(l->frame_prev < 128 && l->frame_code < 128 && l->frame_instr < 128);
		assert_true(l->keys_size != NO_FIELD || l->keys_log2_index_bytes != NO_FIELD);
	}
}

/* Before 3.7 the row lacks where things are: that is of a process. */
static void rows_of_static_variables(void **state)
{
	static const uint32_t versions[] = { 0x020712f0, 0x03060ff0 };
	const struct static_vars vars = { .interp_head = 0x7f0000002000, .current = 0x7f0000009000, .gil_lock = 0x7f0000001000,
					  .gil_mutex = 0x7f0000003080, .gil_cond = 0x7f00000030c0, .switch_mutex = 0x7f0000003000,
					  .switch_cond = 0x7f0000003040, .tls_key = 0x7f0000000f00, .gc_collecting = 0x7f0000008000 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct static_vars none = vars;
		struct layout l = *layout_find(versions[i]);
		uint64_t base;

		assert_true(l.statics);
		assert_true(l.frame_lasti_scale == 1 && l.frame_instr + 4 <= 128);
		assert_int_equal(static_vars_layout(&vars, &l, &base), 0);
		assert_true(base + l.runtime_interpreters_head == vars.interp_head);
		assert_true(base + l.runtime_gc_collecting == vars.gc_collecting);
		if (i == 0) {
			assert_true(base + l.runtime_gil_ptr == vars.gil_lock);
		} else {
			assert_true(base + l.runtime_gil + l.gil_cond == vars.gil_cond);
			assert_int_equal(l.gil_size, 0xc0 + 48);
			assert_int_equal(l.gil_switch_mutex, 0);
		}
		none.current = 0;
		assert_int_equal(static_vars_layout(&none, &l, &base), -EPROTO);
	}
	struct static_vars far = vars;
	struct layout l = *layout_find(versions[1]);
	uint64_t base;

	far.switch_cond += 0x10000;
	assert_int_equal(static_vars_layout(&far, &l, &base), -EPROTO);
}

/* Its variables as they lie in Debian's 7.3.19 and 8.0.1, and as they might not. */
static void rows_of_pypy(void **state)
{
	static const uint32_t versions[] = { LAYOUT_PYPY_HEX(7, 3, 19), LAYOUT_PYPY_HEX(8, 0, 1) };
	const struct static_vars vars = { .gil_ident = 0x7f0003a61f40, .gil_mutex = 0x7f0003a61f68, .gil_queue = 0x7f0003a61fc0,
					  .thread_ring = 0x7f0003a3cb00, .thread_ident = 0x38 };
	struct walk_layout walk;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct static_vars other = vars;
		struct layout l = *layout_find(versions[i]);
		uint64_t base, gil;

		assert_true(l.statics && l.by_ident);
		assert_int_equal(runtime_walk_layout(&l, &walk), 0);
		assert_int_equal(static_vars_layout(&vars, &l, &base), 0);
		gil = base + l.runtime_gil;
		assert_true(base + l.runtime_interpreters_head == vars.thread_ring);
		assert_true(gil + l.gil_last_holder == vars.gil_ident);
		assert_true(gil + l.gil_locked == vars.gil_mutex - 8);
		assert_int_equal(l.gil_size, 0xc0 - 0x40 + 40);
		assert_int_equal(l.tstate_thread_id, 0x38);
		assert_int_equal(runtime_walk_layout(&l, &walk), 0);
		assert_int_equal(walk.gil_words, WALK_GIL_IDENT);
		assert_int_equal(walk.gil_locked, 32);
		assert_int_equal(walk.gil_wait, 80 + 32);
		assert_int_equal(walk.gil_forced, 128);
		assert_int_equal(walk.tstate_frame, WALK_NO_FIELD);
		other.gil_queue = vars.gil_ident - 64; /* in another order */
		assert_int_equal(static_vars_layout(&other, &l, &base), 0);
		assert_int_equal(l.gil_size, 64 + 40 + 40 + 48);
		other.gil_queue = vars.gil_ident + 0x10000;
		assert_int_equal(static_vars_layout(&other, &l, &base), -EPROTO);
		other = vars;
		other.thread_ring = 0;
		assert_int_equal(static_vars_layout(&other, &l, &base), -EPROTO);
		other = vars;
		other.thread_ident = 1 << 20;
		assert_int_equal(static_vars_layout(&other, &l, &base), -EPROTO);
	}
	assert_null(layout_find(LAYOUT_PYPY_HEX(6, 0, 0)));
	assert_null(layout_find(LAYOUT_PYPY_HEX(0, 0, 0)));
	assert_null(layout_find(LAYOUT_PYPY_HEX(9, 0, 0)));
}

static void unknown_versions_have_no_row(void **state)
{
	static const uint32_t unknown[] = { 0, 0x02061200, 0x03050f00, 0x031000f0, 0x040000f0 };

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(layout_find(unknown[i]));
	assert_non_null(strstr(layout_supported_text(), "3.15"));
	assert_non_null(strstr(layout_supported_text(), "PyPy"));
}

static void fingerprints(void **state)
{
	(void)state;
	assert_ptr_equal(layout_find_by_runtime_size(1464), layout_find(0x03080000));
	assert_ptr_equal(layout_find_by_runtime_size(656), layout_find(0x03090000));
	assert_ptr_equal(layout_find_by_runtime_size(672), layout_find(0x030a0000));
	assert_ptr_equal(layout_find_by_runtime_size(1520), layout_find(0x03070000));
	assert_null(layout_find_by_runtime_size(1521));
	assert_null(layout_find_by_runtime_size(0));
}

static uint64_t table[LAYOUT_DEBUG_OFFSETS_MAX / 8];

static int table_read(const struct mem *m, uint64_t addr, void *ret, size_t len)
{
	(void)m;
	if (addr > sizeof(table) || len > sizeof(table) - addr)
		return -EFAULT;
	memcpy(ret, (char *)table + addr, len);
	return 0;
}

static const struct mem mem = { table_read };

/* What CPython 3.13.0 says of itself, from the static row. */
static void fill_table(void)
{
	const struct layout *l = layout_find(0x030d00f0);
	const struct debug_offsets_table *t = layout_debug_offsets(0x030d00f0);

	memset(table, 0, sizeof(table));
	memcpy(table, "xdebugpy", 8);
	table[1] = 0x030d00f0;
	for (size_t i = 0; i < t->n_offsets; i++) {
		uint32_t value;

		memcpy(&value, (const char *)l + t->offsets[i].field, sizeof(value));
		table[t->offsets[i].at / 8] = value;
		if (t->offsets[i].size_at && table[t->offsets[i].size_at / 8] <= value)
			table[t->offsets[i].size_at / 8] = value + 8;
	}
	table[t->gc / 8] = 7400;
	table[t->gc_collecting / 8] = 200;
	table[t->own_gil / 8] = 7752;
	table[t->own_gil_holder / 8] = 7752 + 8;
	table[t->own_gil_locked / 8] = 7752 + 16;
}

static int read_table(struct layout *l, uint32_t *version)
{
	bool free_threaded;

	return debug_offsets_read(&mem, 0, l, version, &free_threaded);
}

static void debug_offsets_agree_with_the_row(void **state)
{
	const struct layout *row = layout_find(0x030d00f0);
	uint32_t version = 0;
	struct layout l;

	(void)state;
	fill_table();
	assert_int_equal(read_table(&l, &version), 0);
	assert_int_equal(version, 0x030d00f0);
	assert_int_equal(l.interp_tstate_head, row->interp_tstate_head);
	assert_int_equal(l.gil_cond, row->gil_cond);
	assert_int_equal(l.interp_gc_collecting, row->interp_gc_collecting);
}

static void debug_offsets_that_lie(void **state)
{
	const struct debug_offsets_table *t = layout_debug_offsets(0x030d00f0);
	uint32_t version = 0;
	struct layout l;

	(void)state;
	for (size_t i = 0; i < t->n_offsets; i++) {
		fill_table();
		table[t->offsets[i].at / 8] = UINT64_MAX - 7;
		assert_int_equal(read_table(&l, &version), -EPROTO);
	}
	fill_table();
	table[t->own_gil_holder / 8] = 0;
	assert_int_equal(read_table(&l, &version), -EPROTO);
	fill_table();
	table[t->gc / 8] = 1ull << 40;
	assert_int_equal(read_table(&l, &version), -EPROTO);
	fill_table();
	table[1] = 0x031000f0;
	assert_int_equal(read_table(&l, &version), -ENOTSUP);
	table[1] = 1ull << 40 | 0x030d00f0;
	assert_int_equal(read_table(&l, &version), -ENOTSUP);
	table[0] = 0;
	assert_int_equal(read_table(&l, &version), -ENODATA);
}

/* The same table, another row: the GIL has a word more, objects a longer head. */
static void free_threaded_has_a_row_of_its_own(void **state)
{
	const struct layout *row = layout_find_build(0x030d00f0, true);
	uint32_t version;
	struct layout l;

	(void)state;
	assert_non_null(row);
	assert_true(row->free_threaded && row->gil_enabled == 0 && row->managed_dict == 8);
	assert_false(layout_find(0x030d00f0)->free_threaded);
	assert_int_equal(layout_find(0x030d00f0)->gil_enabled, NO_FIELD);
	fill_table();
	table[2] = 1;
	table[layout_debug_offsets(0x030d00f0)->own_gil_holder / 8] += 8;
	table[layout_debug_offsets(0x030d00f0)->own_gil_locked / 8] += 8;
	assert_int_equal(read_table(&l, &version), 0);
	assert_int_equal(l.gil_cond, 40);
	assert_true(l.free_threaded);
	assert_int_equal(l.interp_world, row->interp_world + (uint32_t)table[layout_debug_offsets(0x030d00f0)->own_gil / 8] - row->interp_own_gil);
	assert_int_equal(l.frame_tlbc, NO_FIELD); /* 3.14 has it */
	table[1] = 0x031000f0; /* 3.16: nothing is known of it */
	assert_int_equal(read_table(&l, &version), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(rows_of_static_variables),
		cmocka_unit_test(rows_of_pypy),
		cmocka_unit_test(unknown_versions_have_no_row),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(debug_offsets_agree_with_the_row),
		cmocka_unit_test(debug_offsets_that_lie),
		cmocka_unit_test(free_threaded_has_a_row_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
