/* The ring between the sampling child and its starter: order, wrapping, a full ring, what must not be believed; then a producer and a
 * consumer at once (make SAN=thread check-unit). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/remote/ring.h"
#include "core/event/event.h"

enum { STORM = 300000 };

struct got {
	uint64_t n, next, frames;
	bool in_order;
};

static void each(void *ctx, const struct ev_hdr *h)
{
	struct got *g = ctx;

	if (h->kind == EV_STACK) {
		const struct ev_stack *s = (const struct ev_stack *)h;

		g->frames += s->n;
		g->in_order &= s->n == 0 || s->frames[s->n - 1].code == s->key;
		return;
	}
	g->in_order &= ((const struct ev_exit *)h)->t_ns == g->next;
	g->next++;
	g->n++;
}

static struct got nothing_yet(void)
{
	return (struct got){ .in_order = true };
}

static bool push_number(struct ring *r, uint64_t n)
{
	struct ev_exit e = { .h = { .kind = EV_EXIT, .size = sizeof(e) }, .t_ns = n };

	return ring_push(r, &e.h);
}

static bool push_stack(struct ring *r, uint32_t frames)
{
	struct ev_stack s = { .h = { .kind = EV_STACK, .size = (uint16_t)(offsetof(struct ev_stack, frames) + frames * sizeof(struct ev_frame)) },
			      .key = 77, .n = frames };

	for (uint32_t i = 0; i < frames; i++)
		s.frames[i].code = 77;
	return ring_push(r, &s.h);
}

static int new_ring(void **state)
{
	*state = aligned_alloc(64, sizeof(struct ring));
	memset(*state, 0, sizeof(struct ring)); /* zeroed is empty */
	return 0;
}

static int free_ring(void **state)
{
	free(*state);
	return 0;
}

static void what_goes_in_comes_out_wherever_it_wraps(void **state)
{
	struct ring *r = *state;
	struct got g = nothing_yet();
	uint64_t n = 0, frames = 0;

	ring_drain(r, each, &g);
	assert_int_equal(g.n, 0);
	for (uint64_t bytes = 0; bytes < 3ULL * RING_BYTES; bytes += 32 + 16 * (n % 129), n++) {
		assert_true(push_number(r, n));
		assert_true(push_stack(r, (uint32_t)(n % 129)));
		frames += n % 129;
		if (n % 3 == 0)
			ring_drain(r, each, &g);
	}
	ring_drain(r, each, &g);
	assert_int_equal(g.n, n);
	assert_int_equal(g.frames, frames);
	assert_true(g.in_order);
}

static void a_full_ring_refuses_and_loses_nothing_it_took(void **state)
{
	struct ring *r = *state;
	struct got g = nothing_yet();
	uint64_t n = 0, more;

	while (push_number(r, n))
		n++;
	assert_int_equal(n, RING_BYTES / sizeof(struct ev_exit));
	assert_false(push_number(r, n));
	assert_false(push_stack(r, 128));
	ring_drain(r, each, &g);
	assert_int_equal(g.n, n);
	for (more = n; push_number(r, more);)
		more++;
	assert_int_equal(more - n, n);
	ring_drain(r, each, &g);
	assert_true(g.n == more && g.in_order);
}

/* Killed in the middle of an event: bytes without a new head. */
static void what_is_half_written_is_not_seen(void **state)
{
	struct ring *r = *state;
	struct got g = nothing_yet();

	push_number(r, 0);
	memset(r->data + sizeof(struct ev_exit), 0xff, 16);
	ring_drain(r, each, &g);
	assert_int_equal(g.n, 1);
	push_number(r, 1);
	ring_drain(r, each, &g);
	assert_true(g.n == 2 && g.in_order);
}

static void an_event_that_is_none_ends_the_drain(void **state)
{
	static const struct ev_hdr bad[] = {
		{ .kind = EV_EXIT, .size = 8 }, /* shorter than its kind */
		{ .kind = EV_EXIT, .size = 65528 }, /* longer than what was written */
		{ .kind = 999, .size = 32 },
	};
	struct ring *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct got g = nothing_yet();
		uint64_t at = atomic_load(&r->head) % RING_BYTES;

		push_number(r, 0);
		push_number(r, 1);
		memcpy(r->data + at, &bad[i], sizeof(bad[i]));
		ring_drain(r, each, &g);
		assert_int_equal(g.n, 0);
		push_number(r, 0);
		ring_drain(r, each, &g);
		assert_true(g.n == 1 && g.in_order); /* it goes on behind it */
	}
}

static void a_head_that_lies_is_not_followed_out_of_the_ring(void **state)
{
	struct ring *r = *state;
	struct got g = nothing_yet();

	memset(r->data, 0xff, RING_BYTES);
	atomic_store(&r->head, UINT64_C(10) * RING_BYTES + 13);
	ring_drain(r, each, &g);
	assert_int_equal(g.n, 0);
	assert_int_equal(atomic_load(&r->tail), atomic_load(&r->head));
}

struct storm {
	struct ring *ring;
	uint64_t refused;
};

static void *produce(void *ctx)
{
	struct storm *s = ctx;

	for (uint64_t n = 0; n < STORM;)
		if (push_number(s->ring, n))
			n++;
		else
			s->refused++;
	return NULL;
}

static void one_writes_while_another_reads(void **state)
{
	struct storm s = { .ring = *state };
	struct got g = nothing_yet();
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, produce, &s), 0);
	while (g.n < STORM && g.in_order)
		ring_drain(s.ring, each, &g);
	pthread_join(thread, NULL);
	assert_true(g.in_order && g.n == STORM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_goes_in_comes_out_wherever_it_wraps, new_ring, free_ring),
		cmocka_unit_test_setup_teardown(a_full_ring_refuses_and_loses_nothing_it_took, new_ring, free_ring),
		cmocka_unit_test_setup_teardown(what_is_half_written_is_not_seen, new_ring, free_ring),
		cmocka_unit_test_setup_teardown(an_event_that_is_none_ends_the_drain, new_ring, free_ring),
		cmocka_unit_test_setup_teardown(a_head_that_lies_is_not_followed_out_of_the_ring, new_ring, free_ring),
		cmocka_unit_test_setup_teardown(one_writes_while_another_reads, new_ring, free_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
