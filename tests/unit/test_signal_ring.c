/* The ring between a target's thread and gilscope: order, wrapping, a full ring, hostile records; then a producer and a consumer at once
 * (make SAN=thread check-unit). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collectors/signal/preload/ring.h"

enum { BYTES = 1024, STORM = 400000 };

struct fixture {
	struct ring ring;
	uint8_t data[BYTES] __attribute__((aligned(8)));
};

static struct ev_exit numbered(uint64_t n)
{
	return (struct ev_exit){ .h = { .kind = EV_EXIT, .size = sizeof(struct ev_exit) }, .t_ns = n, .code = (int)n };
}

static bool put(struct fixture *f, uint64_t n)
{
	struct ev_exit e = numbered(n);

	return ring_put(&f->ring, f->data, BYTES, &e.h);
}

static int get(struct fixture *f, struct ev_exit *ret)
{
	uint64_t at = f->ring.tail;
	int got = ring_get(f->data, BYTES, &at, ring_head(&f->ring), ret, sizeof(*ret));

	if (got == RING_GOT)
		ring_free(&f->ring, at);
	return got;
}

static void what_goes_in_comes_out(void **state)
{
	struct fixture f = { 0 };
	struct ev_exit e;

	(void)state;
	assert_int_equal(get(&f, &e), RING_EMPTY);
	for (uint64_t n = 1; n < 5000; n++) { /* wraps at every place */
		assert_true(put(&f, n));
		assert_int_equal(get(&f, &e), RING_GOT);
		assert_int_equal(e.t_ns, n);
	}
}

static void a_record_may_wrap_anywhere(void **state)
{
	struct fixture f = { 0 };
	struct { struct ev_stack s; } stack = { { .h = { .kind = EV_STACK } } }, out;

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		uint64_t at = f.ring.tail;

		stack.s.n = i % 20;
		stack.s.key = i;
		stack.s.h.size = (__u16)(offsetof(struct ev_stack, frames) + stack.s.n * sizeof(struct ev_frame));
		for (uint32_t k = 0; k < stack.s.n; k++)
			stack.s.frames[k].code = i * 100 + k;
		assert_true(ring_put(&f.ring, f.data, BYTES, &stack.s.h));
		assert_int_equal(ring_get(f.data, BYTES, &at, ring_head(&f.ring), &out, sizeof(out)), RING_GOT);
		ring_free(&f.ring, at);
		assert_memory_equal(&out, &stack, stack.s.h.size);
	}
}

static void a_full_ring_refuses(void **state)
{
	struct fixture f = { 0 };
	struct ev_exit e;
	uint64_t n = 0, seen = 0;

	(void)state;
	while (put(&f, n))
		n++;
	assert_int_equal(n, BYTES / sizeof(struct ev_exit));
	while (get(&f, &e) == RING_GOT)
		assert_int_equal(e.t_ns, seen++);
	assert_int_equal(seen, n);
	assert_true(put(&f, n));
}

static void nonsense_is_told(void **state)
{
	struct fixture f = { 0 };
	struct ev_exit e = numbered(1);

	(void)state;
	assert_true(put(&f, 1));
	((struct ev_hdr *)f.data)->size = 4; /* shorter than a header */
	assert_int_equal(get(&f, &e), RING_E_CORRUPT);
	((struct ev_hdr *)f.data)->size = 40; /* longer than what is there */
	assert_int_equal(get(&f, &e), RING_E_CORRUPT);
	((struct ev_hdr *)f.data)->size = 60000;
	assert_int_equal(get(&f, &e), RING_E_CORRUPT);
	((struct ev_hdr *)f.data)->size = sizeof(struct ev_exit);
	f.ring.head = 5 * BYTES; /* more than it can hold */
	assert_int_equal(get(&f, &e), RING_E_CORRUPT);
	f.ring.head = sizeof(struct ev_exit) + 3;
	assert_int_equal(get(&f, &e), RING_E_CORRUPT);
}

static void *produce(void *fixture)
{
	struct fixture *f = fixture;
	uint64_t lost = 0;

	for (uint64_t n = 1; n <= STORM; n++)
		lost += !put(f, n);
	return (void *)(uintptr_t)lost;
}

static void nothing_is_lost_uncounted(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint64_t got = 0, last = 0;
	struct ev_exit e;
	pthread_t producer;
	void *lost = NULL;
	bool over = false;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, f), 0);
	while (!over) {
		over = !pthread_tryjoin_np(producer, &lost);
		while (get(f, &e) == RING_GOT) {
			assert_true(e.t_ns > last);
			assert_int_equal((uint32_t)e.code, e.t_ns); /* whole */
			last = e.t_ns;
			got++;
		}
	}
	assert_int_equal(got + (uintptr_t)lost, STORM);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(a_record_may_wrap_anywhere),
		cmocka_unit_test(a_full_ring_refuses),
		cmocka_unit_test(nonsense_is_told),
		cmocka_unit_test(nothing_is_lost_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
