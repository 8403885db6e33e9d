/* See data.h. */
#include "viewer/html/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/row_tap.h"
#include "core/analysis/summary.h"
#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/human.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"
#include "viewer/html/columns.h"
#include "viewer/html/markup.h"
#include "viewer/html/overview.h"
#include "viewer/html/rows.h"
#include "viewer/html/tables.h"
#include "viewer/json/json.h"

/* An id or MODEL_NONE as a small number. */
static uint64_t or_none(uint32_t id)
{
	return id == MODEL_NONE ? 0 : (uint64_t)id + 1;
}

/* ---- names ---- */

static uint32_t in_group(const struct order *o, uint32_t group)
{
	return o->first[group + 1] - o->first[group];
}

static void put_processes(struct strbuf *b, const struct rows *x)
{
	for (uint32_t i = 0; i < x->n_processes; i++) {
		const struct row_process *p = &x->processes[i];

		strbuf_addf(b, "%s{\"pid\":%" PRIu32 ",\"name\":", i ? ",\n" : "", p->pid);
		markup_json(b, p->known ? p->name : "?");
		strbuf_adds(b, ",\"runtime\":");
		if (p->runtime)
			markup_json(b, p->runtime);
		else
			strbuf_adds(b, "null");
		strbuf_addf(b, ",\"switchIntervalNs\":%" PRIu64 "}", p->switch_interval_ns);
	}
}

static void put_threads(struct strbuf *b, const struct rows *x)
{
	for (uint32_t i = 0; i < x->n_threads; i++) {
		const struct row_thread *t = &x->threads[i];

		strbuf_addf(b, "%s{\"process\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"name\":", i ? ",\n" : "", t->process, t->tid);
		markup_json(b, t->name ? t->name : "?");
		strbuf_addf(b, ",\"main\":%s,\"first\":%" PRIu64 ",\"last\":%" PRIu64, t->main ? "true" : "false", t->first_ns,
			    t->last_ns);
		strbuf_addf(b, ",\"n\":[%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "]}", in_group(&x->by_thread, i),
			    in_group(&x->waits_by_thread, i), in_group(&x->tallies_by_thread, i),
			    in_group(&x->samples_by_thread, i));
	}
}

static void put_locks(struct strbuf *b, const struct rows *x)
{
	for (uint32_t i = 0; i < x->n_locks; i++) {
		const struct lock_use *l = lock_use(&x->locks, i);

		strbuf_addf(b, "%s{\"process\":%" PRIu32 ",\"kind\":\"%s\",\"idle\":%s,\"label\":", i ? ",\n" : "", l->proc,
			    lock_kind_names[l->kind], lock_kind_idle(l->kind) ? "true" : "false");
		markup_json(b, l->name);
		strbuf_adds(b, ",\"where\":");
		markup_json(b, l->where);
		strbuf_addf(b, ",\"n\":[%" PRIu32 ",%" PRIu32 "]}", in_group(&x->holds_by_lock, i),
			    in_group(&x->handoffs_by_lock, i));
	}
}

static void put_syscalls(struct strbuf *b)
{
	bool any = false;

	for (int32_t nr = 0; nr < 1024; nr++) {
		const char *name = syscall_name(nr);

		if (!name)
			continue;
		strbuf_addf(b, "%s\"%" PRId32 "\":\"%s\"", any ? "," : "", nr, name);
		any = true;
	}
}

static void put_kinds(struct strbuf *b, const struct rows *x)
{
	for (size_t i = 0; i < x->kinds.n; i++) {
		const struct row_kind *k = &x->kinds.items[i];

		strbuf_addf(b, "%s[%" PRIu32 ",%" PRIu32 ",%" PRIu64 ",%" PRId32 "]", i ? "," : "", k->state, k->flags,
			    or_none(k->lock), k->nr + 1);
	}
}

static void write_model(const struct rows *x, const struct reader_info *info, const char *strings, struct block_writer *w)
{
	autostrbuf b = STRBUF_INIT;

	strbuf_addf(&b, "{\"durationNs\":%" PRIu64 ",\"sampleHz\":%" PRIu32 ",\"startRealNs\":%" PRIu64 ",\"strings\":[",
		    x->duration_ns, info->sample_hz, info->start_real_ns);
	strbuf_adds(&b, strings);
	strbuf_adds(&b, "],\"processes\":[");
	put_processes(&b, x);
	strbuf_adds(&b, "],\"threads\":[");
	put_threads(&b, x);
	strbuf_adds(&b, "],\"locks\":[");
	put_locks(&b, x);
	strbuf_adds(&b, "],\"syscalls\":{");
	put_syscalls(&b);
	strbuf_adds(&b, "},\"kinds\":[");
	put_kinds(&b, x);
	strbuf_adds(&b, "]}");
	block_text(w, "model", b.s, b.n);
}

/* ---- the job ---- */

enum { BLAME_ROWS = 200 }; /* the page sums its own from the rows; these are for the first look */

struct data_job {
	struct rows rows; /* first: what the tap's callbacks are given */
	struct row_tap tap;
	struct block_writer *w;
	struct spot *holds;
	struct overview overview;
};

/* In words that stand beside the numbers they weaken. */
static void tell_reduced(struct strbuf *b, const struct reduce *r)
{
	char intervals[HUMAN_LEN], waits[HUMAN_LEN], length[HUMAN_LEN], wait[HUMAN_LEN];

	if (!r->on)
		return;
	strbuf_addf(b, "\"reduced\":{\"shorterThanNs\":%" PRIu64 ",\"intervals\":%" PRIu64 ",\"waits\":%" PRIu64 ",\"note\":\"",
		    r->interval_ns, r->intervals, r->waits);
	strbuf_addf(b, "This recording is larger than a page can hold: %s stretches shorter than %s are counted, not placed",
		    human_count(intervals, r->intervals), human_ns(length, r->interval_ns));
	if (r->waits)
		strbuf_addf(b, ", and so are %s waits shorter than %s", human_count(waits, r->waits), human_ns(wait, r->wait_ns));
	strbuf_adds(b, ".  Sums of time are whole; all rows are in the recording itself.\"}");
}

static void on_intervals(struct rows *x)
{
	struct data_job *job = (struct data_job *)x;

	job->holds = tables_write_intervals(x, job->w);
	overview_make(&job->overview, x);
}

struct data_job *data_start(void)
{
	struct data_job *job = xcalloc(1, sizeof(*job));

	rows_init(&job->rows, &reduce_usual, on_intervals);
	job->tap = rows_tap(&job->rows);
	job->w = block_writer_new();
	return job;
}

const struct row_tap *data_tap(const struct data_job *job)
{
	return &job->tap;
}

void data_drop(struct data_job *job)
{
	if (!job)
		return;
	rows_done(&job->rows);
	block_writer_free(job->w);
	overview_done(&job->overview);
	free(job->holds);
	free(job);
}

/* The JSON report, with the gravest pairs only. */
static void write_facts(const struct summary *s, struct block_writer *w)
{
	char *text = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&text, &n);

	if (memory) {
		json_report_top(memory, s, BLAME_ROWS);
		fclose(memory);
		block_text(w, "facts", text, n);
	}
	free(text);
}

const struct overview *data_overview(const struct data_job *job)
{
	return &job->overview;
}

int data_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why)
{
	autostrbuf strings = STRBUF_INIT, reduced = STRBUF_INIT;
	struct rows *x = &job->rows;
	int err;

	block_writer_open(job->w, out);
	rows_finish(x);
	tables_write_rest(x, job->w, job->holds);
	stack_table_write(x->stacks, job->w, &strings);
	write_model(x, reader_info(x->reader), strings.s, job->w);
	write_facts(s, job->w);
	tell_reduced(&reduced, &x->reduce);
	err = block_writer_done(job->w, reduced.n ? reduced.s : NULL);
	job->w = NULL;
	if (err)
		fail_set(why, err, FAIL_OTHER, "could not write the report");
	data_drop(job);
	return err;
}
