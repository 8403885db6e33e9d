/* OpenMetrics 1.0 text: sums of the recording as counters and one histogram, each sample stamped with the recording's end.
 * Families are named without _total, base units are seconds, the last line is # EOF. */
#include <string.h>

#include "core/store/reader.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"
#include "viewer/export/export.h"
#include "viewer/export/roster.h"

struct metrics {
	FILE *out;
	const struct roster *ro;
	double at; /* Unix time of the end, seconds */
	vec(struct reader_wait_stats) locks;
	uint64_t lost;
	struct reader_own own;
	bool own_known;
};

/* Label values quote backslash, quote and newline; names are escaped already, so only the first two occur. */
static void add_label(struct strbuf *labels, const char *name, const char *value)
{
	strbuf_addf(labels, "%s%s=\"", labels->n ? "," : "", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			strbuf_addc(labels, '\\');
		strbuf_addc(labels, *value);
	}
	strbuf_addc(labels, '"');
}

static void add_number_label(struct strbuf *labels, const char *name, uint64_t n)
{
	strbuf_addf(labels, "%s%s=\"%llu\"", labels->n ? "," : "", name, (unsigned long long)n);
}

static void put(struct metrics *m, const char *name, const char *labels, double value)
{
	fprintf(m->out, "%s{%s} %.17g %.3f\n", name, labels, value, m->at);
}

static void family(struct metrics *m, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(m->out, "# TYPE %s %s\n", name, type);
	if (*unit)
		fprintf(m->out, "# UNIT %s %s\n", name, unit);
	fprintf(m->out, "# HELP %s %s\n", name, help);
}

static int on_state(void *ctx, const struct reader_state_sum *s)
{
	struct metrics *m = ctx;
	const struct roster_thread *t = roster_thread(m->ro, s->thread);
	autostrbuf labels = STRBUF_INIT;

	add_number_label(&labels, "pid", t->pid);
	add_number_label(&labels, "tid", t->tid);
	add_label(&labels, "thread", t->name);
	add_label(&labels, "state", thread_state_names[s->state]);
	add_label(&labels, "holding", s->held ? "true" : "false");
	put(m, "gilscope_thread_state_seconds_total", labels.s, (double)s->ns / 1e9);
	return 0;
}

static void lock_labels(struct metrics *m, uint32_t lock, struct strbuf *labels)
{
	const struct roster_lock *k = roster_lock(m->ro, lock);

	add_number_label(labels, "pid", roster_process(m->ro, k->proc)->pid);
	add_number_label(labels, "id", lock);
	add_label(labels, "lock", k->name);
}

static int on_lock(void *ctx, const struct reader_wait_stats *s)
{
	vec_push(&((struct metrics *)ctx)->locks, *s);
	return 0;
}

/* Bucket b ends at 2^(b+1) * 1024 ns. */
static void put_histogram(struct metrics *m, const struct reader_wait_stats *s)
{
	autostrbuf labels = STRBUF_INIT, bucket = STRBUF_INIT;
	uint64_t n = 0;

	lock_labels(m, s->lock, &labels);
	for (unsigned b = 0; b + 1 < READER_HIST_BUCKETS; b++) {
		n += s->hist[b];
		strbuf_clear(&bucket);
		strbuf_addf(&bucket, "%s,le=\"%.9g\"", labels.s, (double)(2048ull << b) / 1e9);
		put(m, "gilscope_lock_wait_seconds_bucket", bucket.s, (double)n);
	}
	strbuf_clear(&bucket);
	strbuf_addf(&bucket, "%s,le=\"+Inf\"", labels.s);
	put(m, "gilscope_lock_wait_seconds_bucket", bucket.s, (double)(n + s->hist[READER_HIST_BUCKETS - 1]));
	put(m, "gilscope_lock_wait_seconds_count", labels.s, (double)(n + s->hist[READER_HIST_BUCKETS - 1]));
	put(m, "gilscope_lock_wait_seconds_sum", labels.s, (double)s->wait_ns / 1e9);
}

static int on_handoffs(void *ctx, const struct reader_handoff_sum *h)
{
	struct metrics *m = ctx;
	autostrbuf labels = STRBUF_INIT;

	lock_labels(m, h->lock, &labels);
	add_number_label(&labels, "from", roster_thread(m->ro, h->from)->tid);
	add_number_label(&labels, "to", roster_thread(m->ro, h->to)->tid);
	put(m, "gilscope_lock_handoffs_total", labels.s, (double)h->n);
	return 0;
}

static int on_caused(void *ctx, const struct reader_caused *c)
{
	struct metrics *m = ctx;
	const struct roster_thread *t = roster_thread(m->ro, c->holder);
	autostrbuf labels = STRBUF_INIT;

	lock_labels(m, c->lock, &labels);
	add_number_label(&labels, "tid", t->tid);
	add_label(&labels, "thread", t->name);
	put(m, "gilscope_thread_caused_wait_seconds_total", labels.s, (double)c->ns / 1e9);
	return 0;
}

static int on_loss(void *ctx, const struct reader_loss *l)
{
	((struct metrics *)ctx)->lost += l->count;
	return 0;
}

static int on_own(void *ctx, const struct reader_own *o)
{
	struct metrics *m = ctx;

	m->own = *o;
	m->own_known = true;
	return 0;
}

static int put_all(struct metrics *m, struct reader *r)
{
	const struct reader_info *info = reader_info(r);
	int err;

	family(m, "gilscope_thread_state_seconds", "counter", "seconds", "Time of a thread in each state; holding: it held its GIL meanwhile.");
	if ((err = reader_state_sums(r, on_state, m)) || (err = reader_lock_waits(r, on_lock, m)))
		return err;
	family(m, "gilscope_lock_wait_seconds", "histogram", "seconds", "Waits for a lock.");
	for (size_t i = 0; i < m->locks.n; i++)
		put_histogram(m, &m->locks.items[i]);
	family(m, "gilscope_lock_handoffs", "counter", "", "How often a lock went from one thread to another.");
	if ((err = reader_handoff_sums(r, on_handoffs, m)))
		return err;
	family(m, "gilscope_thread_caused_wait_seconds", "counter", "seconds", "Waiting of other threads while this one held the lock.");
	if ((err = reader_caused(r, on_caused, m)) || (err = reader_losses(r, on_loss, m)) || (err = reader_own(r, on_own, m)))
		return err;
	family(m, "gilscope_lost_events", "counter", "", "Events that were lost while recording.");
	put(m, "gilscope_lost_events_total", "", (double)m->lost);
	family(m, "gilscope_recording_seconds", "gauge", "seconds", "Length of the recording.");
	put(m, "gilscope_recording_seconds", "", (double)(info->end_ns - info->start_mono_ns) / 1e9);
	if (m->own_known) {
		family(m, "gilscope_own_cpu_seconds", "counter", "seconds", "CPU time of gilscope itself.");
		put(m, "gilscope_own_cpu_seconds_total", "", (double)m->own.cpu_ns / 1e9);
	}
	fputs("# EOF\n", m->out);
	return 0;
}

int export_openmetrics(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	const struct reader_info *info = reader_info(r);
	struct roster ro;
	struct metrics m = {.out = out, .ro = &ro};
	int err = roster_load(&ro, r);

	(void)options;
	m.at = (double)(info->start_real_ns + info->end_ns - info->start_mono_ns) / 1e9;
	if (!err)
		err = put_all(&m, r);
	if (err)
		*why = *reader_failure(r);
	vec_done(&m.locks);
	roster_done(&ro);
	return err;
}
