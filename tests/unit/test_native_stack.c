/* Python and native frames in one stack: where they stand, what is left out, what names the stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/symbols/native_stack.h"

enum { LIBC = 'c', INTERPRETER = 'i', EVAL = 'E', OTHER = 'x' };

/* kinds: a native frame each, leaf first; frame i has pc 1000 + i and begins at sp 0x100 * (i + 1). */
static struct unwound *unwound_of(const char *kinds)
{
	static struct unwound u;

	memset(&u, 0, sizeof(u));
	for (; kinds[u.n]; u.n++)
		u.frames[u.n] = (struct unwound_frame){
			.pc = 1000 + u.n, .sp = 0x100 * (u.n + 1), .check = 7,
			.kind = kinds[u.n] == LIBC ? NATIVE_LIBC : kinds[u.n] == INTERPRETER ? NATIVE_INTERPRETER :
				kinds[u.n] == EVAL ? NATIVE_EVAL : NATIVE_OTHER,
		};
	return &u;
}

static struct ev_native *copy_of(unsigned n_frames)
{
	static struct ev_native c;

	memset(&c, 0, sizeof(c));
	c.h.pid = 5;
	c.n_frames = n_frames;
	for (unsigned i = 0; i < n_frames && i < EV_MAX_FRAMES; i++)
		c.frames[i] = (struct ev_frame){ .code = i + 1, .lasti = 4, .check = 1 };
	return &c;
}

/* P1 a Python frame, 1000 a native one; | before the one that names the stack. */
static void assert_merged(const struct ev_native *c, const struct unwound *u, const char *want)
{
	static struct native_stack got;
	char text[4096] = "";

	assert_true(native_stack_merge(c, u, &got));
	for (unsigned i = 0; i < got.stack.n; i++) {
		const struct ev_frame *f = &got.stack.frames[i];
		size_t n = strlen(text);

		assert_int_equal(got.native[i] != NULL, f->lasti == EV_NATIVE_FRAME);
		snprintf(text + n, sizeof(text) - n, "%s%s%s%llu", i ? " " : "", i == got.stack.inner ? "|" : "",
			 got.native[i] ? "" : "P", f->code);
	}
	assert_string_equal(text, want);
	assert_true(got.stack.key);
	assert_int_equal(got.stack.h.size, offsetof(struct ev_stack, frames) + got.stack.n * sizeof(struct ev_frame));
}

static void test_old_versions(void **state)
{
	struct ev_native *c = copy_of(3);

	(void)state;
	c->each = 1;
	assert_merged(c, unwound_of("cxxiEiEiEic"), "1000 |1001 1002 1003 P1 P2 P3");
	/* another library between two Python frames */
	assert_merged(c, unwound_of("iEixiEiEic"), "1000 |P1 1003 P2 P3");
}

static void test_entries_by_address(void **state)
{
	struct ev_native *c = copy_of(5);

	(void)state;
	c->n_entries = 2;
	c->entries[0] = (struct ev_entry){ .addr = 0x310, .frames = 3 };
	c->entries[1] = (struct ev_entry){ .addr = 0x5ff, .frames = 5 };
	/* nothing is known of the names: the interpreter is stripped */
	assert_merged(c, unwound_of("cxiiiic"), "1000 |1001 P1 P2 P3 P4 P5");
	/* the copy ends before the second */
	assert_merged(c, unwound_of("cxii"), "1000 |1001 P1 P2 P3 P4 P5");
}

static void test_entries_by_name(void **state)
{
	struct ev_native *c = copy_of(5);

	(void)state;
	c->n_entries = 2;
	c->entries[0].frames = 3;
	c->entries[1].frames = 5;
	assert_merged(c, unwound_of("cEixEic"), "1000 |P1 P2 P3 1003 P4 P5");
}

static void test_names(void **state)
{
	struct ev_native *c = copy_of(1);

	(void)state;
	c->each = 1;
	assert_merged(c, unwound_of("ccxcxiE"), "1000 1001 |1002 1003 1004 1005 P1");
	assert_merged(c, unwound_of("cciE"), "1000 1001 1002 |P1");
	c->h.flags = EV_F_GIL_WAIT; /* what wants the GIL is the Python line */
	assert_merged(c, unwound_of("ccxiE"), "1000 1001 1002 1003 |P1");
	assert_merged(copy_of(0), unwound_of("ccxc"), "1000 1001 |1002 1003");
	assert_merged(copy_of(0), unwound_of("cc"), "|1000 1001");
}

static void test_nothing_native(void **state)
{
	static struct native_stack got;

	(void)state;
	assert_false(native_stack_merge(copy_of(3), unwound_of(""), &got));
}

static void test_deep(void **state)
{
	static struct native_stack got;
	struct ev_native *c = copy_of(EV_MAX_FRAMES);
	char kinds[UNWOUND_MAX + 1];

	(void)state;
	c->each = 1;
	memset(kinds, EVAL, sizeof(kinds));
	memcpy(kinds, "xx", 2);
	kinds[200] = 0;
	assert_true(native_stack_merge(c, unwound_of(kinds), &got));
	assert_int_equal(got.stack.n, EV_MAX_FRAMES);
	assert_true(got.stack.h.flags & EV_F_TRUNCATED);
	assert_int_equal(got.stack.frames[2].code, 1);
}

/* Whatever the two halves say: no crash, no frame out of bounds, every Python frame once and in order. */
static void test_nonsense(void **state)
{
	static struct native_stack got;
	static struct unwound u;
	static struct ev_native c;

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		unsigned python = 0;

		c.n_frames = (unsigned)rand() % (EV_MAX_FRAMES + 2);
		c.n_entries = (unsigned)rand() % (EV_MAX_ENTRIES + 2);
		c.each = rand() % 3 == 0;
		c.h.flags = (unsigned)rand();
		u.n = (unsigned)rand() % (rand() % 8 ? 20 : UNWOUND_MAX * 2);
		for (unsigned i = 0; i < EV_MAX_ENTRIES; i++)
			c.entries[i] = (struct ev_entry){ .addr = (unsigned)rand() % 64, .frames = (unsigned)rand() % 160 };
		for (unsigned i = 0; i < EV_MAX_FRAMES; i++)
			c.frames[i] = (struct ev_frame){ .code = i + 1, .lasti = rand() % 4 ? 0 : EV_NATIVE_FRAME };
		for (unsigned i = 0; i < UNWOUND_MAX; i++)
			u.frames[i] = (struct unwound_frame){ .pc = 5000 + i, .sp = (unsigned)rand() % 64, .kind = (unsigned)rand() % 6 };
		if (!native_stack_merge(&c, &u, &got))
			continue;
		assert_true(got.stack.n <= EV_MAX_FRAMES && (!got.stack.n || got.stack.inner < got.stack.n));
		for (unsigned i = 0; i < got.stack.n; i++)
			if (got.stack.frames[i].lasti != EV_NATIVE_FRAME)
				assert_int_equal(got.stack.frames[i].code, ++python);
		assert_true(python == c.n_frames || got.stack.n == EV_MAX_FRAMES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_versions), cmocka_unit_test(test_entries_by_address), cmocka_unit_test(test_entries_by_name),
		cmocka_unit_test(test_names), cmocka_unit_test(test_nothing_native), cmocka_unit_test(test_deep),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
