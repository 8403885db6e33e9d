/* Who is inside take_gil, told by return addresses on its stack. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/remote/inside.h"
#include "core/interp/mem.h"

#define STACK 0x7f0000000000ull
#define CODE 0x400000ull
#define LOCKS (CODE + 0x100) /* take_gil's call of pthread_mutex_lock, … */
#define WAITS (CODE + 0x200)
#define LETS (CODE + 0x300)
#define CALLER (CODE + 0x1000)
#define STALE (CODE + 0x2000)
enum { WORDS = 256, SP_WAIT = 40, SP_LOCK = 52, SLOT = 60, TIMES = 8 };

static uint64_t stack[WORDS];

static int read_stack(const struct mem *m, uint64_t addr, void *ret, size_t len)
{
	(void)m;
	if (addr < STACK || addr + len > STACK + sizeof(stack))
		return -EFAULT;
	memcpy(ret, (uint8_t *)stack + (addr - STACK), len);
	return 0;
}

static const struct mem memory = { .read = read_stack };

static bool is_code(const struct target *t, uint64_t addr)
{
	(void)t;
	return addr - CODE < 0x10000;
}

static uint64_t at(unsigned word)
{
	return STACK + 8ull * word;
}

static void fill(uint64_t call)
{
	memset(stack, 0x11, sizeof(stack));
	stack[SLOT] = call;
	stack[SLOT + 10] = CALLER;
}

static void sleeps(struct inside *in, unsigned sp)
{
	struct inside_window w;

	if (inside_wants_sleep(in, at(sp)) && inside_read(&memory, at(sp), &w))
		inside_learn(in, at(sp), &w, is_code, NULL);
}

static void is_elsewhere(struct inside *in)
{
	if (!inside_wants_contrast(in))
		return;
	inside_compare(in, &memory);
	inside_contrast(in);
}

/* It slept in both calls of take_gil, and was seen elsewhere. */
static struct inside learned(void)
{
	struct inside in = { .clock = 0 };

	for (unsigned i = 0; i < TIMES; i++) {
		fill(WAITS);
		stack[SP_WAIT + 2] = STALE;
		sleeps(&in, SP_WAIT);
		fill(LOCKS);
		sleeps(&in, SP_LOCK);
		fill(LETS);
		is_elsewhere(&in);
	}
	return in;
}

static void test_nothing_is_known_at_first(void **state)
{
	struct inside in = { .clock = 0 };

	(void)state;
	fill(WAITS);
	assert_int_equal(inside_look(&in, &memory), INSIDE_UNKNOWN);
	for (unsigned i = 0; i < TIMES; i++)
		sleeps(&in, SP_WAIT);
	assert_int_equal(inside_look(&in, &memory), INSIDE_UNKNOWN); /* it may look like that anywhere */
	assert_false(inside_knows(&in, at(SP_WAIT)));
}

static void test_each_call_is_told(void **state)
{
	struct inside in = learned();

	(void)state;
	assert_true(inside_knows(&in, at(SP_WAIT)) && inside_knows(&in, at(SP_LOCK)));
	assert_false(inside_knows(&in, at(SP_LOCK - 1)));
	fill(LOCKS);
	assert_int_equal(inside_look(&in, &memory), INSIDE_YES);
	fill(LETS);
	assert_int_equal(inside_look(&in, &memory), INSIDE_NO);
	fill(WAITS);
	assert_int_equal(inside_look(&in, &memory), INSIDE_NO); /* what was left over is missing: another call that waits there */
	stack[SP_WAIT + 2] = STALE;
	assert_int_equal(inside_look(&in, &memory), INSIDE_YES);
}

static void test_what_is_the_same_elsewhere_is_not_believed(void **state)
{
	struct inside in = { .clock = 0 };

	(void)state;
	for (unsigned i = 0; i < TIMES; i++) {
		fill(WAITS);
		sleeps(&in, SP_WAIT);
		is_elsewhere(&in);
	}
	assert_int_equal(inside_look(&in, &memory), INSIDE_UNKNOWN);
}

/* A tracer puts another return address in its caller's place. */
static void test_a_word_that_changes_for_good_is_dropped(void **state)
{
	struct inside in = learned();

	(void)state;
	fill(LOCKS);
	stack[SLOT + 10] = 0x7fffffffe000ull;
	assert_int_equal(inside_look(&in, &memory), INSIDE_NO);
	for (unsigned i = 0; i < TIMES; i++)
		sleeps(&in, SP_LOCK);
	assert_int_equal(inside_look(&in, &memory), INSIDE_YES);
}

static void test_depths_are_replaced_by_those_seen_later(void **state)
{
	struct inside in = learned();

	(void)state;
	fill(WAITS);
	for (unsigned sp = 0; sp < INSIDE_PLACES; sp++)
		sleeps(&in, 80 + sp);
	assert_false(inside_knows(&in, at(SP_WAIT)));
	assert_int_equal(inside_look(&in, &memory), INSIDE_UNKNOWN);
}

static void test_what_cannot_be_read_is_not_known(void **state)
{
	struct inside in = learned(), none = { .clock = 0 };
	struct inside_window w;

	(void)state;
	assert_false(inside_read(&memory, 0, &w));
	assert_false(inside_read(&memory, at(SP_WAIT) + 4, &w)); /* not a stack pointer in a call */
	assert_false(inside_read(&memory, at(WORDS - 1), &w)); /* beyond the stack's end */
	assert_false(inside_wants_sleep(&none, 0));
	for (unsigned i = 0; i < INSIDE_PLACES; i++)
		in.places[i].sp += in.places[i].sp ? sizeof(stack) : 0;
	assert_int_equal(inside_look(&in, &memory), INSIDE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_known_at_first),
		cmocka_unit_test(test_each_call_is_told),
		cmocka_unit_test(test_what_is_the_same_elsewhere_is_not_believed),
		cmocka_unit_test(test_a_word_that_changes_for_good_is_dropped),
		cmocka_unit_test(test_depths_are_replaced_by_those_seen_later),
		cmocka_unit_test(test_what_cannot_be_read_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
