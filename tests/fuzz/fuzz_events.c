/* Bytes -> events -> timeline, with the rules of timeline_check.c as the oracle: lives add up, credits add up, one holder at a
 * time.  Records of REC bytes pick small values so that threads, locks and times meet; every 16th takes raw 64-bit
 * values.  The same bytes are also read as text (event_parse) and printed back. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/event/event_text.h"
#include "tests/golden/timeline_check.h"

enum { REC = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t wide(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static const uint8_t kinds[16] = { EV_OFF, EV_OFF, EV_OFF, EV_OFF, EV_OFF, EV_OFF, EV_OFF, EV_OFF, EV_SAMPLE, EV_SAMPLE, EV_AGG,
				   EV_THREAD, EV_EXIT, EV_LOSS, EV_EXEC, EV_FORK };
static const uint32_t common_flags[8] = {
	EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_PYTHON,
	EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_GIL_MUTEX | EV_F_GIL_SEEN | EV_F_PYTHON,
	EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_GIL_WAIT | EV_F_FORCED_SWITCH | EV_F_GIL_SEEN | EV_F_PYTHON,
	EV_F_BLOCKED | EV_F_GIL_SEEN | EV_F_PYTHON,
	EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS | EV_F_PYTHON,
	EV_F_BLOCKED | EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_SELF_HOLDS | EV_F_PYTHON,
	EV_F_GIL_SEEN | EV_F_LOCKED | EV_F_PYTHON,
	EV_F_BLOCKED | EV_F_FUTEX_WAIT | EV_F_PYTHON,
};

/* Mostly forwards from the clock, in steps from 1 us to 16 ms; sometimes back. */
static uint64_t step(uint8_t b)
{
	return (uint64_t)(b & 15) << ((b >> 4) + 10);
}

static void fill_off(struct ev_off *e, const uint8_t *p, uint64_t *clock)
{
	uint64_t length = step(p[3]);

	*clock += step(p[4]) >> 4;
	e->t_in_ns = *clock;
	e->t_out_ns = *clock > length ? *clock - length : 0;
	e->t_wake_ns = e->t_out_ns + (length >> 4) * (p[5] & 15);
	e->waker_tid = p[6] & 7;
	e->waker_pid = e->h.pid;
	e->holder_ident = 0x7000 + (p[7] & 7);
	e->gil = p[8] & 15 ? 0x100 : p[8];
	e->switch_number = p[9] & 15;
	e->own_stack = p[10] & 7;
	e->holder_stack = p[11] & 7;
	e->waker_stack = p[12] & 7;
	e->nr = (int8_t)p[13];
	e->arg0 = p[14];
	if (p[15] == 255) { /* anything at all */
		e->t_in_ns = wide(p);
		e->t_out_ns = wide(p + 4);
		e->t_wake_ns = wide(p + 8);
	}
}

static void fill(union event_any *e, const uint8_t *p, uint64_t *clock)
{
	uint64_t length = step(p[3]);

	switch (e->h.kind) {
	case EV_OFF:
		fill_off(&e->off, p, clock);
		return;
	case EV_SAMPLE:
		e->sample.t_ns = *clock += length;
		e->sample.holder_ident = 0x7000 + (p[7] & 7);
		e->sample.gil = p[8] & 15 ? 0x100 : p[8];
		e->sample.stack = p[10] & 7;
		return;
	case EV_THREAD:
		e->thread.t_ns = *clock;
		e->thread.start_ns = p[5] & 3;
		e->thread.ident = 0x7000 + (p[7] & 7);
		return;
	case EV_AGG:
		e->agg.t1_ns = *clock;
		e->agg.t0_ns = *clock > length ? *clock - length : 0;
		e->agg.gil = p[8] & 15 ? 0x100 : p[8];
		for (int c = 0; c < EV_AGG_N; c++) {
			e->agg.n[c] = p[4 + c] & 3;
			e->agg.ns[c] = step(p[4 + c]);
			e->agg.held_ns[c] = step(p[9 + c]);
		}
		return;
	case EV_LOSS:
		e->loss.t0_ns = *clock;
		e->loss.t1_ns = *clock + length;
		e->loss.cls = p[5] & 7;
		return;
	case EV_EXIT: e->exit.t_ns = *clock += length; return;
	case EV_EXEC: e->exec.t_ns = *clock; return;
	case EV_FORK: e->fork.t_ns = *clock; return;
	}
}

static void replay(const uint8_t *data, size_t size)
{
	struct timeline_check *c = check_new();
	struct timeline_config config = { .start_ns = 0 };
	struct timeline *t = timeline_new(&config, check_sink(c));
	uint64_t clock = 1000;

	for (; size >= REC; data += REC, size -= REC) {
		union event_any e;

		memset(&e, 0, sizeof(e));
		e.h.kind = kinds[data[0] & 15];
		e.h.tid = 1 + (data[1] & 7);
		e.h.pid = data[1] & 0x40 ? 2 : 1;
		e.h.flags = data[2] & 0x80 ? (uint32_t)wide(data + 2) : common_flags[data[2] & 7];
		e.h.flags |= data[0] & 0x80 ? EV_F_PROCESS | EV_F_AT_START : 0;
		e.h.size = (uint16_t)(e.h.kind == EV_OFF ? sizeof(e.off) : e.h.kind == EV_SAMPLE ? sizeof(e.sample) :
				      e.h.kind == EV_THREAD ? sizeof(e.thread) : e.h.kind == EV_AGG ? sizeof(e.agg) :
				      e.h.kind == EV_LOSS ? sizeof(e.loss) : e.h.kind == EV_EXIT ? sizeof(e.exit) :
				      e.h.kind == EV_EXEC ? sizeof(e.exec) : sizeof(e.fork));
		fill(&e, data, &clock);
		if (getenv("FUZZ_PRINT")) { /* a crash as a case for tests/golden/timeline */
			char line[EVENT_TEXT_LEN];

			fprintf(stderr, "%s\n", event_print(line, sizeof(line), &e.h));
		}
		timeline_feed(t, &e.h);
	}
	timeline_finish(t, clock);
	if (check_verify(c, stderr))
		abort();
	timeline_free(t);
	check_free(c);
}

static void text(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1), why[128], out[EVENT_TEXT_LEN], again[EVENT_TEXT_LEN];
	union event_any e, back;

	memcpy(line, data, size);
	line[size] = 0;
	if (!event_parse(line, &e, why, sizeof(why))) {
		event_print(out, sizeof(out), &e.h);
		if (!event_parse(out, &back, why, sizeof(why)))
			assert(!strcmp(out, event_print(again, sizeof(again), &back.h)));
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] == 0xff)
		text(data + 1, size - 1);
	else
		replay(data, size);
	return 0;
}
