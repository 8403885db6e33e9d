/* strbuf, vec, arena: what the rest of the program keeps its data in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/arena.h"
#include "core/util/pool.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"

static void strbuf_grows_and_stays_terminated(void **state)
{
	autostrbuf b = STRBUF_INIT;

	(void)state;
	assert_string_equal(b.s, "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&b, "%d,", i);
	assert_int_equal(b.n, strlen(b.s));
	assert_memory_equal(b.s, "0,1,2,3,", 8);
	strbuf_truncate(&b, 3);
	strbuf_pad(&b, '.', 2);
	strbuf_addc(&b, '!');
	assert_string_equal(b.s, "0,1..!");
}

static void strbuf_steal_hands_over(void **state)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	(void)state;
	s = strbuf_steal(&b); /* of nothing: an owned "" */
	assert_string_equal(s, "");
	free(s);
	strbuf_adds(&b, "given");
	s = strbuf_steal(&b);
	assert_string_equal(s, "given");
	assert_string_equal(b.s, "");
	free(s);
	strbuf_done(&b);
	strbuf_done(&b);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void vec_keeps_items_across_growth(void **state)
{
	vec(int) v = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		vec_push(&v, 999 - i);
	assert_int_equal(v.n, 1000);
	assert_int_equal(*vec_last(&v), 0);
	vec_sort(&v, by_value);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.items[i], i);
	vec_clear(&v);
	assert_int_equal(*vec_add(&v), 0); /* zeroed although the memory was used */
	vec_done(&v);
	assert_null(v.items);
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
	autoarena a = {0};

	(void)state;
	for (size_t size = 0; size < 40000; size += 977) {
		unsigned char *p = arena_alloc(&a, size);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, size);
	}
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strdup(&a, ""), "");
}

static void pool_numbers_in_order_of_first_use(void **state)
{
	struct pool p = {0};
	bool is_new;
	size_t n;

	(void)state;
	assert_int_equal(pool_find(&p, "a", 1), POOL_NONE);
	assert_int_equal(pool_number(&p, "a", 1, &is_new), 0);
	assert_true(is_new);
	assert_int_equal(pool_number(&p, "", 0, &is_new), 1);
	assert_int_equal(pool_number(&p, "a\0", 2, &is_new), 2); /* bytes, not text */
	assert_int_equal(pool_number(&p, "a", 1, &is_new), 0);
	assert_false(is_new);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(pool_number(&p, &i, sizeof(i), NULL), 3 + i);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(pool_find(&p, &i, sizeof(i)), 3 + i);
	assert_int_equal(pool_size(&p), 10003);
	assert_int_equal(*(const uint64_t *)pool_key(&p, 1003, &n), 1000);
	assert_int_equal(n, sizeof(uint64_t));
	assert_string_equal(pool_key(&p, 0, NULL), "a");
	pool_done(&p);
	pool_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_grows_and_stays_terminated),
		cmocka_unit_test(strbuf_steal_hands_over),
		cmocka_unit_test(vec_keeps_items_across_growth),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(pool_numbers_in_order_of_first_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
