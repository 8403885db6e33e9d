/* speedscope: first a sampled profile of the waits by stack, then one evented profile per thread: its states over time, with
 * the stack under each state that has one.  Times are nanoseconds since the begin of the recording (its numbers are doubles).
 * What its schema does not say and its reader insists on: events of a profile open and close like brackets and never go
 * back in time; samples and weights are of one length. */
#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"
#include "viewer/export/export.h"
#include "viewer/export/lanes.h"
#include "viewer/export/roster.h"
#include "viewer/json/stream.h"

struct row { uint64_t t0_ns, t1_ns, stack; uint32_t state, held; }; /* of the spool */
struct frame_key { const char *function, *file; uint64_t line; }; /* names by address: the reader keeps each once */
struct frame {
	struct frame_key key;
	uint32_t index;
	UT_hash_handle hh;
};

struct speedscope {
	struct reader *r;
	struct roster ro;
	struct lanes lanes;
	struct flame_sums waits;
	struct stream out;
	struct arena arena;
	struct frame *frames;
	vec(struct frame_key) frame_list;
	uint64_t start_ns, cursor_ns, rows;
};

/* A stack over time is opened and closed with each interval, some kilobytes every time: beyond so many of them only its
 * innermost frame is shown over time, and the profile's name says so. */
enum { WHOLE_STACKS_MAX = 300000 };

enum { FRAME_STATE = 0, FRAME_STATE_HELD = STATE_N, FRAME_NO_STACK = 2 * STATE_N, FRAME_TRUNCATED, FRAME_FIRST };

static uint32_t frame(struct speedscope *x, const struct reader_frame *f)
{
	struct frame_key key = {f->function, f->file, f->line};
	struct frame *e;

	HASH_FIND(hh, x->frames, &key, sizeof(key), e);
	if (!e) {
		e = arena_alloc(&x->arena, sizeof(*e));
		e->key = key;
		e->index = (uint32_t)(FRAME_FIRST + x->frame_list.n);
		vec_push(&x->frame_list, key);
		HASH_ADD(hh, x->frames, key, sizeof(key), e);
	}
	return e->index;
}

/* Frame numbers, outermost first; at most EV_MAX_FRAMES + 1. */
static unsigned stack_frames(struct speedscope *x, uint64_t stack, uint32_t ret[EV_MAX_FRAMES + 1])
{
	const struct reader_frame *frames;
	unsigned flags, n = reader_stack_whole(x->r, stack, &frames, &flags), at = 0;

	n = n < EV_MAX_FRAMES ? n : EV_MAX_FRAMES;
	if (flags & READER_STACK_F_TRUNCATED)
		ret[at++] = FRAME_TRUNCATED;
	while (n--)
		ret[at++] = frame(x, &frames[n]);
	return at;
}

/* --- reading: rows to the spool, frames to the list ---- */

static int count_interval(void *ctx, const struct interval *i)
{
	struct speedscope *x = ctx;

	lanes_count(&x->lanes, i->thread);
	x->rows++;
	return 0;
}

static int put_interval(void *ctx, const struct interval *i)
{
	struct speedscope *x = ctx;
	struct row row = {i->t0_ns, i->t1_ns, i->stack, i->state, i->state != STATE_GIL && (i->flags & INTERVAL_F_HELD)};
	uint32_t unused[EV_MAX_FRAMES + 1];

	stack_frames(x, i->stack, unused);
	return lanes_put(&x->lanes, i->thread, &row) ? -EIO : 0;
}

static int load(struct speedscope *x)
{
	uint32_t unused[EV_MAX_FRAMES + 1];
	int err;

	if ((err = flame_sums_load(&x->waits, x->r, &x->ro, FLAME_WAIT)) || (err = reader_intervals(x->r, MODEL_NONE, count_interval, x)))
		return err;
	lanes_begin(&x->lanes);
	if ((err = reader_intervals(x->r, MODEL_NONE, put_interval, x)) || (err = lanes_flush(&x->lanes)))
		return err;
	for (size_t i = 0; i < x->waits.n; i++)
		stack_frames(x, x->waits.items[i].stack, unused);
	return 0;
}

/* --- writing ---- */

static void put_frame(struct stream *s, const char *name, const char *file, uint64_t line)
{
	autostrbuf shown = STRBUF_INIT;

	stream_open(s, NULL, '{');
	escape_adds(&shown, name);
	stream_text(s, "name", shown.s);
	if (file) {
		strbuf_clear(&shown);
		escape_adds(&shown, file);
		stream_text(s, "file", shown.s);
	}
	if (line)
		stream_int(s, "line", (int64_t)line);
	stream_close(s);
}

static void put_frames(struct speedscope *x)
{
	stream_open(&x->out, "shared", '{');
	stream_open(&x->out, "frames", '[');
	for (unsigned held = 0; held < 2; held++)
		for (unsigned i = 0; i < STATE_N; i++) {
			char name[64];

			snprintf(name, sizeof(name), "%s%s", thread_state_names[i], held ? " holding the GIL" : "");
			put_frame(&x->out, name, NULL, 0);
		}
	put_frame(&x->out, "[no stack]", NULL, 0);
	put_frame(&x->out, "[truncated]", NULL, 0);
	for (size_t i = 0; i < x->frame_list.n; i++)
		put_frame(&x->out, x->frame_list.items[i].function, x->frame_list.items[i].file, x->frame_list.items[i].line);
	stream_close(&x->out);
	stream_close(&x->out);
}

static void begin_profile(struct speedscope *x, const char *type, const char *name, uint64_t end)
{
	stream_open(&x->out, NULL, '{');
	stream_text(&x->out, "type", type);
	stream_text(&x->out, "name", name);
	stream_text(&x->out, "unit", "nanoseconds");
	stream_int(&x->out, "startValue", 0);
	stream_int(&x->out, "endValue", (int64_t)end);
}

static void put_waits(struct speedscope *x)
{
	begin_profile(x, "sampled", "waiting for the GIL, by stack", x->waits.total_ns);
	stream_open(&x->out, "samples", '[');
	for (size_t i = 0; i < x->waits.n; i++) {
		uint32_t frames[EV_MAX_FRAMES + 1];
		unsigned n = stack_frames(x, x->waits.items[i].stack, frames);

		stream_open(&x->out, NULL, '[');
		for (unsigned k = 0; k < n; k++)
			stream_int(&x->out, NULL, frames[k]);
		if (!n)
			stream_int(&x->out, NULL, FRAME_NO_STACK);
		stream_close(&x->out);
	}
	stream_close(&x->out);
	stream_open(&x->out, "weights", '[');
	for (size_t i = 0; i < x->waits.n; i++)
		stream_int(&x->out, NULL, (int64_t)x->waits.items[i].ns);
	stream_close(&x->out);
	stream_close(&x->out);
}

static void put_event(struct stream *s, const char *type, uint32_t frame, uint64_t at)
{
	stream_open(s, NULL, '{');
	stream_text(s, "type", type);
	stream_int(s, "frame", frame);
	stream_int(s, "at", (int64_t)at);
	stream_close(s);
}

static int put_row(void *ctx, const void *at)
{
	struct speedscope *x = ctx;
	const struct row *row = at;
	uint32_t frames[EV_MAX_FRAMES + 1], state = row->state + (row->held ? FRAME_STATE_HELD : FRAME_STATE);
	unsigned n = stack_frames(x, row->stack, frames), from = x->rows > WHOLE_STACKS_MAX && n ? n - 1 : 0;
	uint64_t t0 = row->t0_ns > x->start_ns ? row->t0_ns - x->start_ns : 0, t1 = row->t1_ns > x->start_ns ? row->t1_ns - x->start_ns : 0;

	t0 = t0 > x->cursor_ns ? t0 : x->cursor_ns;
	if (t1 < t0)
		return 0;
	put_event(&x->out, "O", state, t0);
	for (unsigned i = from; i < n; i++)
		put_event(&x->out, "O", frames[i], t0);
	for (unsigned i = n; i-- > from;)
		put_event(&x->out, "C", frames[i], t1);
	put_event(&x->out, "C", state, t1);
	x->cursor_ns = t1;
	return x->out.failed ? -EIO : 0;
}

static int put_thread(struct speedscope *x, uint32_t thread, uint64_t duration)
{
	const struct roster_thread *t = roster_thread(&x->ro, thread);
	char name[520];
	int err;

	snprintf(name, sizeof(name), "%s (%u)%s", t->name, t->tid, x->rows > WHOLE_STACKS_MAX ? ", innermost frames only" : "");
	begin_profile(x, "evented", name, duration);
	stream_open(&x->out, "events", '[');
	x->cursor_ns = 0;
	err = lanes_read(&x->lanes, thread, put_row, x);
	stream_close(&x->out);
	stream_close(&x->out);
	return err;
}

static int put_document(struct speedscope *x)
{
	const struct reader_info *info = reader_info(x->r);
	int err = 0;

	stream_open(&x->out, NULL, '{');
	stream_text(&x->out, "$schema", "https://www.speedscope.app/file-format-schema.json");
	stream_text(&x->out, "exporter", "gilscope " GILSCOPE_VERSION);
	stream_int(&x->out, "activeProfileIndex", 0);
	put_frames(x);
	stream_open(&x->out, "profiles", '[');
	put_waits(x);
	for (uint32_t i = 0; i < x->ro.n_threads && !err; i++)
		if (x->ro.threads[i].known)
			err = put_thread(x, i, info->end_ns - info->start_mono_ns);
	stream_close(&x->out);
	stream_close(&x->out);
	return err;
}

int export_speedscope(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	struct speedscope x = {.r = r, .out = {.out = out}, .start_ns = reader_info(r)->start_mono_ns};
	int err = roster_load(&x.ro, r);

	(void)options;
	if (!err && (err = lanes_init(&x.lanes, x.ro.n_threads, sizeof(struct row))))
		fail_set(why, err, FAIL_OTHER, "could not make a temporary file: %s", strerror(-err));
	else if (!err && ((err = load(&x)) || (err = put_document(&x))))
		*why = reader_failure(r)->err ? *reader_failure(r) : *why;
	if (err && !why->err && !ferror(out))
		fail_set(why, err, FAIL_OTHER, "could not use a temporary file: %s", strerror(-err));
	HASH_CLEAR(hh, x.frames);
	arena_done(&x.arena);
	vec_done(&x.frame_list);
	flame_sums_done(&x.waits);
	lanes_done(&x.lanes);
	roster_done(&x.ro);
	return err;
}
