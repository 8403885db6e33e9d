/* See data.h. */
#include "viewer/html/data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/summary.h"
#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/strbuf.h"
#include "viewer/html/columns.h"
#include "viewer/html/markup.h"
#include "viewer/html/rows.h"
#include "viewer/json/json.h"

/* An id or MODEL_NONE as a small number. */
static uint64_t or_none(uint32_t id)
{
	return id == MODEL_NONE ? 0 : (uint64_t)id + 1;
}

/* Each column's value of the row'th row in the table's order. */
#define COLUMN(name, order_member, table, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct rows *x = ctx; \
		const uint32_t row = x->order_member.row[i]; \
		const __typeof__(*x->table.items) *v = &x->table.items[row]; \
		(void)row; \
		return (expression); \
	}

/* The row before it in the order, if that is of the same group. */
#define BEFORE(order_member, table, group) \
	(i && x->table.items[x->order_member.row[i - 1]].group == v->group ? &x->table.items[x->order_member.row[i - 1]] : NULL)

static uint64_t interval_gap(const void *ctx, size_t i)
{
	const struct rows *x = ctx;
	const struct row_interval *v = &x->intervals.items[x->by_thread.row[i]], *last = BEFORE(by_thread, intervals, thread);

	return v->t0 - (last ? last->t0 + rows_interval_len(x, x->by_thread.row[i - 1]) : 0);
}

COLUMN(interval_len, by_thread, intervals, rows_interval_len(x, row) + (v->len & 0))
COLUMN(interval_kind, by_thread, intervals, v->kind)
COLUMN(interval_stack, by_thread, intervals, v->stack)

static void write_intervals(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "intervals", x->intervals.n);
	table_column(w, "gap", 's', interval_gap, x); /* begin, less the end of the one before it in the thread (or 0) */
	table_column(w, "len", 'u', interval_len, x);
	table_column(w, "kind", 'u', interval_kind, x); /* index in model.kinds: [state, flags, lock + 1, nr + 1] */
	table_column(w, "stack", 'u', interval_stack, x);
	table_end(w);
}

COLUMN(wait_t0, waits_by_thread, waits, v->t0)
COLUMN(wait_len, waits_by_thread, waits, v->t1 - v->t0)
COLUMN(wait_lock, waits_by_thread, waits, v->lock)
COLUMN(wait_stack, waits_by_thread, waits, v->stack)
COLUMN(wait_end, waits_by_thread, waits, v->end)
COLUMN(wait_flags, waits_by_thread, waits, v->flags)
COLUMN(wait_sleeps, waits_by_thread, waits, v->sleeps)
COLUMN(wait_wake, waits_by_thread, waits, v->wake)
COLUMN(wait_waker, waits_by_thread, waits, or_none(v->waker))

struct credit_view { /* credits in the order of the waits */
	const struct rows *x;
	uint32_t *first; /* of each wait by row, in credits; one more */
	uint32_t *row;
};

static uint64_t credit_count(const void *ctx, size_t i)
{
	const struct credit_view *c = ctx;
	const uint32_t wait = c->x->waits_by_thread.row[i];

	return c->first[wait + 1] - c->first[wait];
}

static void write_waits(const struct rows *x, const struct credit_view *c, struct block_writer *w)
{
	table_begin(w, "waits", x->waits.n);
	table_column(w, "t0", 'd', wait_t0, x);
	table_column(w, "len", 'u', wait_len, x);
	table_column(w, "lock", 'u', wait_lock, x);
	table_column(w, "stack", 'u', wait_stack, x);
	table_column(w, "end", 'u', wait_end, x);
	table_column(w, "flags", 'u', wait_flags, x);
	table_column(w, "sleeps", 'u', wait_sleeps, x);
	table_column(w, "wake", 'u', wait_wake, x);
	table_column(w, "waker", 'u', wait_waker, x); /* thread + 1 */
	table_column(w, "credits", 'u', credit_count, c);
	table_end(w);
}

#define CREDIT(name, expression) \
	static uint64_t name(const void *ctx, size_t i) \
	{ \
		const struct credit_view *c = ctx; \
		const struct row_credit *v = &c->x->credits.items[c->row[i]]; \
		return (expression); \
	}
CREDIT(credit_holder, or_none(v->holder))
CREDIT(credit_state, v->state)
CREDIT(credit_nr, (uint64_t)(v->nr + 1))
CREDIT(credit_stack, v->stack)
CREDIT(credit_ns, v->ns)

static void write_credits(const struct rows *x, const struct credit_view *c, struct block_writer *w)
{
	table_begin(w, "credits", x->credits.n);
	table_column(w, "holder", 'u', credit_holder, c); /* thread + 1 */
	table_column(w, "state", 'u', credit_state, c);
	table_column(w, "nr", 'u', credit_nr, c); /* + 1 */
	table_column(w, "stack", 'u', credit_stack, c);
	table_column(w, "ns", 'u', credit_ns, c);
	table_end(w);
}

COLUMN(hold_thread, holds_by_lock, holds, v->thread)
COLUMN(hold_t0, holds_by_lock, holds, v->t0)
COLUMN(hold_len, holds_by_lock, holds, v->t1 - v->t0)
COLUMN(hold_blocked, holds_by_lock, holds, v->blocked)
COLUMN(hold_preempted, holds_by_lock, holds, v->preempted)
COLUMN(hold_flags, holds_by_lock, holds, v->flags)
COLUMN(hold_stack, holds_by_lock, holds, v->stack)

static void write_holds(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "holds", x->holds.n);
	table_column(w, "thread", 'u', hold_thread, x);
	table_column(w, "t0", 'd', hold_t0, x);
	table_column(w, "len", 'u', hold_len, x);
	table_column(w, "blocked", 'u', hold_blocked, x);
	table_column(w, "preempted", 'u', hold_preempted, x);
	table_column(w, "flags", 'u', hold_flags, x);
	table_column(w, "stack", 'u', hold_stack, x);
	table_end(w);
}

COLUMN(handoff_from, handoffs_by_lock, handoffs, or_none(v->from))
COLUMN(handoff_to, handoffs_by_lock, handoffs, v->to)
COLUMN(handoff_acquire, handoffs_by_lock, handoffs, v->acquire)
COLUMN(handoff_release, handoffs_by_lock, handoffs,
       v->release == ROW_NEVER ? 0 : column_signed((int64_t)(v->acquire - v->release)) + 1)
COLUMN(handoff_forced, handoffs_by_lock, handoffs, v->forced)
COLUMN(handoff_stack, handoffs_by_lock, handoffs, v->stack)

static void write_handoffs(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "handoffs", x->handoffs.n);
	table_column(w, "from", 'u', handoff_from, x); /* thread + 1 */
	table_column(w, "to", 'u', handoff_to, x);
	table_column(w, "acquire", 'd', handoff_acquire, x);
	table_column(w, "release", 'u', handoff_release, x); /* 0 not seen, else 1 + signed (acquire - release) */
	table_column(w, "forced", 'u', handoff_forced, x);
	table_column(w, "stack", 'u', handoff_stack, x);
	table_end(w);
}

COLUMN(sample_t, samples_by_thread, samples, v->t)
COLUMN(sample_state, samples_by_thread, samples, v->state)
COLUMN(sample_flags, samples_by_thread, samples, v->flags)
COLUMN(sample_stack, samples_by_thread, samples, v->stack)

static void write_samples(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "samples", x->samples.n);
	table_column(w, "t", 'd', sample_t, x);
	table_column(w, "state", 'u', sample_state, x);
	table_column(w, "flags", 'u', sample_flags, x);
	table_column(w, "stack", 'u', sample_stack, x);
	table_end(w);
}

COLUMN(tally_t0, tallies_by_thread, tallies, v->t0)
COLUMN(tally_len, tallies_by_thread, tallies, v->t1 - v->t0)
COLUMN(tally_state, tallies_by_thread, tallies, v->state)
COLUMN(tally_flags, tallies_by_thread, tallies, v->flags)
COLUMN(tally_lock, tallies_by_thread, tallies, or_none(v->lock))
COLUMN(tally_n, tallies_by_thread, tallies, v->n)
COLUMN(tally_ns, tallies_by_thread, tallies, v->ns)

static void write_tallies(const struct rows *x, struct block_writer *w)
{
	table_begin(w, "tallies", x->tallies.n);
	table_column(w, "t0", 'd', tally_t0, x);
	table_column(w, "len", 'u', tally_len, x);
	table_column(w, "state", 'u', tally_state, x);
	table_column(w, "flags", 'u', tally_flags, x);
	table_column(w, "lock", 'u', tally_lock, x); /* lock + 1 */
	table_column(w, "n", 'u', tally_n, x);
	table_column(w, "ns", 'u', tally_ns, x);
	table_end(w);
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
		const struct row_lock *l = &x->locks[i];

		strbuf_addf(b, "%s{\"process\":%" PRIu32 ",\"kind\":\"%s\",\"addr\":\"0x%" PRIx64 "\",\"interpreter\":",
			    i ? ",\n" : "", l->process, l->kind == LOCK_GIL ? "gil" : "futex", l->addr);
		if (l->interp_id >= 0)
			strbuf_addf(b, "%" PRId64, l->interp_id);
		else
			strbuf_adds(b, "null");
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

/* The JSON report, as it is. */
static void write_facts(const struct summary *s, struct block_writer *w)
{
	char *text = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&text, &n);

	if (memory) {
		json_report(memory, s);
		fclose(memory);
		block_text(w, "facts", text, n);
	}
	free(text);
}

static void credits_in_order(struct credit_view *c, const struct rows *x)
{
	uint32_t n = 0;

	c->x = x;
	c->first = calloc(x->waits.n + 1, sizeof(*c->first));
	c->row = calloc(x->credits.n + 1, sizeof(*c->row));
	if (!c->first || !c->row)
		abort();
	for (size_t i = 0; i < x->credits.n; i++)
		c->first[x->credits.items[i].wait + 1]++;
	for (size_t i = 0; i < x->waits.n; i++)
		c->first[i + 1] += c->first[i];
	for (size_t i = 0; i < x->waits.n; i++) {
		const uint32_t wait = x->waits_by_thread.row[i];

		for (uint32_t k = c->first[wait]; k < c->first[wait + 1]; k++)
			c->row[n++] = k;
	}
}

int data_write(FILE *out, const struct summary *s, struct reader *r, struct fail *why)
{
	autostrbuf strings = STRBUF_INIT;
	struct credit_view credits;
	struct block_writer *w;
	struct rows x;
	int err = rows_load(&x, r);

	if (err) {
		*why = *reader_failure(r);
		rows_done(&x);
		return err;
	}
	w = block_writer_new(out);
	credits_in_order(&credits, &x);
	write_facts(s, w);
	write_intervals(&x, w);
	write_waits(&x, &credits, w);
	write_credits(&x, &credits, w);
	write_holds(&x, w);
	write_handoffs(&x, w);
	write_samples(&x, w);
	write_tallies(&x, w);
	stack_table_write(&x.stacks, w, &strings);
	write_model(&x, reader_info(r), strings.s, w);
	free(credits.first);
	free(credits.row);
	rows_done(&x);
	err = block_writer_done(w, NULL);
	return err ? fail_set(why, err, FAIL_OTHER, "could not write the report") : 0;
}
