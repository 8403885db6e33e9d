/* Firefox Profiler, its processed format, version 61: newer front-ends upgrade it.  One track per thread; its states and waits are
 * interval markers, a wait with the stack that waited as its cause; samples make the call tree.  Times are milliseconds since
 * the begin of the recording.  Tables of functions, frames and stacks are shared by all threads and written last, when
 * the threads have named all they need.  Of the format (docs-developer/CHANGELOG-formats.md and src/types/profile.ts of
 * github.com/firefox-devtools/profiler): a pid is text, every thread has a sample, one category is grey, and its marker columns
 * stand one after another, hence the spool. */
#include <errno.h>
#include <string.h>

#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/strbuf.h"
#include "viewer/export/export.h"
#include "viewer/export/firefox_tables.h"
#include "viewer/export/lanes.h"
#include "viewer/export/roster.h"
#include "viewer/json/stream.h"

enum { FORMAT_VERSION = 61, PHASE_INTERVAL = 1, NOT_A_WAIT = 0xff };

struct marker_row { uint64_t t0_ns, t1_ns, stack; uint32_t lock; int32_t nr; uint8_t state, held, wait_end; };
struct sample_slot { uint64_t t_ns, stack; };

struct firefox {
	struct reader *r;
	struct roster ro;
	struct lanes markers, samples;
	struct firefox_tables tables;
	struct stream out;
	uint64_t start_ns;
};

/* --- reading: rows to the spools ---- */

/* Waits have rows of their own; what was not observed is shown as nothing. */
static bool shown(const struct interval *i)
{
	return i->state != STATE_WAIT_GIL && i->state != STATE_WAIT_LOCK && i->state != STATE_UNKNOWN;
}

static int count_interval(void *ctx, const struct interval *i)
{
	if (shown(i))
		lanes_count(&((struct firefox *)ctx)->markers, i->thread);
	return 0;
}

static int put_interval(void *ctx, const struct interval *i)
{
	struct marker_row row = {i->t0_ns, i->t1_ns, i->stack, MODEL_NONE, i->nr, (uint8_t)i->state,
				 i->state != STATE_GIL && (i->flags & INTERVAL_F_HELD), NOT_A_WAIT};

	return shown(i) ? lanes_put(&((struct firefox *)ctx)->markers, i->thread, &row) : 0;
}

static int count_wait(void *ctx, const struct wait *w)
{
	lanes_count(&((struct firefox *)ctx)->markers, w->thread);
	return 0;
}

static int put_wait(void *ctx, const struct wait *w)
{
	const uint32_t lock = roster_use(&((struct firefox *)ctx)->ro, w);
	struct marker_row row = {w->t0_ns, w->t1_ns, w->stack, lock, -1, STATE_WAIT_GIL, 0, (uint8_t)w->end};

	return lanes_put(&((struct firefox *)ctx)->markers, w->thread, &row);
}

static int count_sample(void *ctx, const struct sample_row *s)
{
	lanes_count(&((struct firefox *)ctx)->samples, s->thread);
	return 0;
}

static int put_sample(void *ctx, const struct sample_row *s)
{
	struct sample_slot slot = {s->t_ns, s->stack};

	return lanes_put(&((struct firefox *)ctx)->samples, s->thread, &slot);
}

static int spool(struct firefox *x)
{
	int err;

	if ((err = reader_intervals(x->r, MODEL_NONE, count_interval, x)) || (err = reader_waits(x->r, count_wait, x)) ||
	    (err = reader_samples(x->r, count_sample, x)))
		return err;
	lanes_begin(&x->markers);
	lanes_begin(&x->samples);
	if ((err = reader_intervals(x->r, MODEL_NONE, put_interval, x)) || (err = reader_waits(x->r, put_wait, x)) ||
	    (err = reader_samples(x->r, put_sample, x)) || (err = lanes_flush(&x->markers)))
		return err;
	return lanes_flush(&x->samples);
}

/* --- writing: one column at a time ---- */

static double ms(const struct firefox *x, uint64_t t_ns)
{
	return t_ns > x->start_ns ? (double)(t_ns - x->start_ns) / 1e6 : 0;
}

static const char *marker_name(const struct marker_row *m)
{
	static const char *const names[STATE_N] = {
		[STATE_GIL] = "Has GIL", [STATE_NOGIL] = "No GIL", [STATE_BLOCKED] = "Blocked", [STATE_SLEEP] = "Sleeping",
		[STATE_RUNNABLE] = "Wants a CPU",
	};

	return names[m->state] ? names[m->state] : "?";
}

static int col_name(void *ctx, const void *row)
{
	const struct marker_row *m = row;
	struct firefox *x = ctx;
	char name[160];

	if (m->wait_end != NOT_A_WAIT) {
		snprintf(name, sizeof(name), "Waiting for %s", roster_lock(&x->ro, m->lock)->name);
		stream_int(&x->out, NULL, firefox_string(&x->tables, name));
	} else {
		stream_int(&x->out, NULL, firefox_string(&x->tables, marker_name(m)));
	}
	return x->out.failed ? 1 : 0;
}

static int col_start(void *ctx, const void *row)
{
	struct firefox *x = ctx;

	stream_real(&x->out, NULL, ms(x, ((const struct marker_row *)row)->t0_ns));
	return 0;
}

static int col_end(void *ctx, const void *row)
{
	struct firefox *x = ctx;

	stream_real(&x->out, NULL, ms(x, ((const struct marker_row *)row)->t1_ns));
	return 0;
}

static int col_phase(void *ctx, const void *row)
{
	(void)row;
	stream_int(&((struct firefox *)ctx)->out, NULL, PHASE_INTERVAL);
	return 0;
}

static int col_category(void *ctx, const void *row)
{
	const struct marker_row *m = row;

	stream_int(&((struct firefox *)ctx)->out, NULL, firefox_category(m->wait_end != NOT_A_WAIT ? STATE_WAIT_GIL : m->state));
	return 0;
}

static int col_data(void *ctx, const void *row)
{
	const struct marker_row *m = row;
	struct firefox *x = ctx;
	const char *call = m->nr >= 0 ? syscall_name(m->nr) : NULL;
	int64_t stack = firefox_stack(&x->tables, x->r, m->stack, firefox_category(m->state));

	stream_open(&x->out, NULL, '{');
	stream_text(&x->out, "type", m->wait_end != NOT_A_WAIT ? "Wait" : "State");
	if (m->wait_end != NOT_A_WAIT)
		stream_text(&x->out, "ended", wait_end_names[m->wait_end]);
	if (call)
		stream_text(&x->out, "call", call);
	if (m->held)
		stream_text(&x->out, "held", "yes");
	if (stack >= 0) {
		stream_open(&x->out, "cause", '{');
		stream_real(&x->out, "time", ms(x, m->t0_ns));
		stream_int(&x->out, "stack", stack);
		stream_close(&x->out);
	}
	stream_close(&x->out);
	return x->out.failed ? 1 : 0;
}

static int put_markers(struct firefox *x, uint32_t thread)
{
	static const struct { const char *name; int (*cell)(void *ctx, const void *row); } columns[] = {
		{"data", col_data}, {"name", col_name}, {"startTime", col_start}, {"endTime", col_end}, {"phase", col_phase},
		{"category", col_category},
	};
	int err = 0;

	stream_open(&x->out, "markers", '{');
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns) && !err; i++) {
		stream_open(&x->out, columns[i].name, '[');
		err = lanes_read(&x->markers, thread, columns[i].cell, x);
		stream_close(&x->out);
	}
	stream_int(&x->out, "length", (int64_t)x->markers.items[thread].put);
	stream_close(&x->out);
	return err;
}

static int col_sample_stack(void *ctx, const void *row)
{
	struct firefox *x = ctx;
	int64_t stack = firefox_stack(&x->tables, x->r, ((const struct sample_slot *)row)->stack, firefox_category(STATE_GIL));

	if (stack < 0)
		stream_null(&x->out, NULL);
	else
		stream_int(&x->out, NULL, stack);
	return x->out.failed ? 1 : 0;
}

static int col_sample_time(void *ctx, const void *row)
{
	struct firefox *x = ctx;

	stream_real(&x->out, NULL, ms(x, ((const struct sample_slot *)row)->t_ns));
	return 0;
}

/* A thread that was never on a CPU at a tick gets one sample without a stack: the front-end wants one of each. */
static int put_samples(struct firefox *x, uint32_t thread, uint64_t first_ns)
{
	uint64_t n = x->samples.items[thread].put;
	int err;

	stream_open(&x->out, "samples", '{');
	stream_open(&x->out, "stack", '[');
	if (!n)
		stream_null(&x->out, NULL);
	err = lanes_read(&x->samples, thread, col_sample_stack, x);
	stream_close(&x->out);
	stream_open(&x->out, "time", '[');
	if (!n)
		stream_real(&x->out, NULL, ms(x, first_ns));
	if (!err)
		err = lanes_read(&x->samples, thread, col_sample_time, x);
	stream_close(&x->out);
	stream_null(&x->out, "weight");
	stream_text(&x->out, "weightType", "samples");
	stream_int(&x->out, "length", n ? (int64_t)n : 1);
	stream_close(&x->out);
	return err;
}

static int put_thread(struct firefox *x, uint32_t thread)
{
	const struct roster_thread *t = roster_thread(&x->ro, thread);
	const struct roster_process *p = roster_process(&x->ro, t->proc);
	char pid[24];
	int err;

	snprintf(pid, sizeof(pid), "%u", t->pid);
	stream_open(&x->out, NULL, '{');
	stream_text(&x->out, "name", t->name);
	stream_text(&x->out, "processName", p->name);
	stream_text(&x->out, "processType", "default");
	stream_bool(&x->out, "isMainThread", t->is_main);
	stream_text(&x->out, "pid", pid);
	stream_int(&x->out, "tid", t->tid);
	stream_real(&x->out, "processStartupTime", 0);
	stream_null(&x->out, "processShutdownTime");
	stream_real(&x->out, "registerTime", ms(x, t->first_ns));
	stream_real(&x->out, "unregisterTime", ms(x, t->last_ns));
	stream_open(&x->out, "pausedRanges", '[');
	stream_close(&x->out);
	if (!(err = put_samples(x, thread, t->first_ns)))
		err = put_markers(x, thread);
	stream_close(&x->out);
	return err;
}

static void put_schema(struct stream *s, const char *name, const char *label, const char *const fields[][2])
{
	static const char *const places[] = {"marker-chart", "marker-table", "timeline-overview"};

	stream_open(s, NULL, '{');
	stream_text(s, "name", name);
	stream_text(s, "tooltipLabel", "{marker.name}");
	stream_text(s, "tableLabel", label);
	stream_text(s, "chartLabel", "{marker.name}");
	stream_open(s, "display", '[');
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		stream_text(s, NULL, places[i]);
	stream_close(s);
	stream_open(s, "fields", '[');
	for (; fields[0][0]; fields++) {
		stream_open(s, NULL, '{');
		stream_text(s, "key", fields[0][0]);
		stream_text(s, "label", fields[0][1]);
		stream_text(s, "format", "string");
		stream_close(s);
	}
	stream_close(s);
	stream_close(s);
}

static void put_meta(struct firefox *x)
{
	static const char *const wait_fields[][2] = {{"ended", "How it ended"}, {0}};
	static const char *const state_fields[][2] = {{"call", "System call"}, {"held", "Holding the GIL meanwhile"}, {0}};
	const struct reader_info *info = reader_info(x->r);
	struct stream *s = &x->out;

	stream_open(s, "meta", '{');
	stream_int(s, "preprocessedProfileVersion", FORMAT_VERSION);
	stream_int(s, "version", 31);
	stream_text(s, "product", "Python");
	stream_text(s, "importedFrom", "gilscope " GILSCOPE_VERSION);
	stream_text(s, "platform", info->kernel);
	stream_int(s, "processType", 0);
	stream_int(s, "stackwalk", 1);
	stream_int(s, "debug", 0);
	stream_bool(s, "symbolicated", true);
	stream_bool(s, "sourceCodeIsNotOnSearchfox", true);
	stream_real(s, "interval", info->sample_hz ? 1000.0 / info->sample_hz : 1);
	stream_real(s, "startTime", (double)info->start_real_ns / 1e6);
	/* without them it shows the time from the first sample to the last, and no marker outside */
	stream_real(s, "profilingStartTime", 0);
	stream_real(s, "profilingEndTime", ms(x, info->end_ns));
	stream_int(s, "logicalCPUs", info->cpus);
	firefox_put_categories(s);
	stream_open(s, "markerSchema", '[');
	put_schema(s, "Wait", "{marker.name}, {marker.data.ended}", wait_fields);
	put_schema(s, "State", "{marker.name} {marker.data.call}", state_fields);
	stream_close(s);
	stream_close(s);
}

static int put_document(struct firefox *x)
{
	int err = 0;

	stream_open(&x->out, NULL, '{');
	put_meta(x);
	stream_open(&x->out, "libs", '[');
	stream_close(&x->out);
	stream_open(&x->out, "threads", '[');
	for (uint32_t i = 0; i < x->ro.n_threads && !err; i++)
		if (x->ro.threads[i].known)
			err = put_thread(x, i);
	stream_close(&x->out);
	firefox_put_tables(&x->tables, &x->out);
	stream_close(&x->out);
	return x->out.failed && !ferror(x->out.out) ? -EIO : err;
}

int export_firefox(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	struct firefox x = {.r = r, .out = {.out = out}, .start_ns = reader_info(r)->start_mono_ns};
	int err = roster_load(&x.ro, r);

	(void)options;
	firefox_tables_init(&x.tables);
	if (!err && ((err = lanes_init(&x.markers, x.ro.n_threads, sizeof(struct marker_row))) ||
		     (err = lanes_init(&x.samples, x.ro.n_threads, sizeof(struct sample_slot)))))
		fail_set(why, err, FAIL_OTHER, "could not make a temporary file: %s", strerror(-err));
	else if (!err && !(err = spool(&x)))
		err = put_document(&x);
	if (err < 0 && reader_failure(r)->err)
		*why = *reader_failure(r);
	else if (err < 0 && !why->err)
		fail_set(why, err, FAIL_OTHER, "could not use a temporary file: %s", strerror(-err));
	firefox_tables_done(&x.tables);
	lanes_done(&x.markers);
	lanes_done(&x.samples);
	roster_done(&x.ro);
	return err < 0 ? err : 0;
}
