/* See json.h.  The object is written member by member, so that the blame of a long recording never stands in memory as
 * a tree; each value is made and quoted by jansson.  Not measured is null, never 0. */
#include "viewer/json/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/analysis/summary.h"
#include "core/base/syscall_names.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "viewer/json/stream.h"

/* A name longer than this is a joke or an attack: it is cut, with a mark. */
enum { TEXT_MAX = 4096, TEXT_READ_MAX = 1 << 20 };

static json_t *text(const char *bytes)
{
	autostrbuf shown = STRBUF_INIT;
	size_t n = strnlen(bytes, TEXT_READ_MAX);

	escape_add(&shown, bytes, n < TEXT_MAX ? n : TEXT_MAX);
	strbuf_adds(&shown, n > TEXT_MAX ? "…" : "");
	return json_string(shown.s);
}

static json_t *text_or_null(const char *bytes)
{
	return bytes && *bytes ? text(bytes) : json_null();
}

static json_t *integer(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *integer_if(bool known, uint64_t n)
{
	return known ? integer(n) : json_null();
}

/* The recording */

static json_t *levels(const struct summary *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_levels; i++)
		json_array_append_new(list, json_pack("{s:o, s:i, s:s, s:o, s:o}", "from_ns", integer(s->levels[i].t_ns),
						      "level", (int)s->levels[i].level, "reason", s->levels[i].reason,
						      "min_off_ns", integer(s->levels[i].min_off_ns), "stack_period_ns",
						      integer(s->levels[i].stack_period_ns)));
	return list;
}

static json_t *notes(const struct summary *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_notes; i++)
		json_array_append_new(list, text(s->notes[i]));
	return list;
}

static json_t *own(const struct summary_own *o)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cpu_ns", integer_if(o->known, o->cpu_ns), "bpf_run_ns",
			 integer_if(o->bpf_known, o->bpf_run_ns), "bpf_runs", integer_if(o->bpf_known, o->bpf_runs),
			 "max_rss_bytes", integer_if(o->known, o->max_rss_bytes));
}

static json_t *recording(const struct summary *s)
{
	return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
			 "collector", text_or_null(s->collector), "start_realtime_ns", integer(s->start_real_ns),
			 "duration_ns", integer(s->duration_ns), "complete", (int)s->complete, "levels", levels(s),
			 "lost_events", integer(s->lost_events), "torn_stacks", integer(s->torn_stacks),
			 "truncated_stacks", integer(s->truncated_stacks), "missing_stacks", integer(s->missing_stacks),
			 "notes", notes(s), "own", own(&s->own), "cpus", integer_if(s->cpus, s->cpus), "kernel",
			 text_or_null(s->kernel), "host", text_or_null(s->host), "sample_hz", integer(s->sample_hz),
			 "collector_choice", text_or_null(s->collector_choice), "estimated", (int)s->estimated);
}

/* A process */


static json_t *histogram(const struct summary_hist *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < h->n; i++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "from_ns", integer(h->bins[i].from_ns),
						      "to_ns", integer_if(h->bins[i].to_ns != UINT64_MAX, h->bins[i].to_ns),
						      "waits", integer(h->bins[i].waits), "wait_ns", integer(h->bins[i].ns),
						      "multiple", integer(h->bins[i].multiple)));
	return list;
}

static json_t *lock(const struct summary_lock *k)
{
	const struct summary_waits *w = &k->waits;
	json_t *utilisation = k->utilisation_known ? json_real(k->utilisation) : json_null();

	return json_pack("{s:i, s:s, s:o, s:o, s:n, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "id", (int)k->lock, "kind", lock_kind_names[k->kind],
			 "interpreter", k->interp_id >= 0 ? json_integer(k->interp_id) : json_null(),
			 "address", json_sprintf("0x%" PRIx64, k->addr), "name",
			 "waits", integer(w->n), "wait_ns", integer(w->ns), "wait_p50_ns", integer_if(w->n, w->p50_ns),
			 "wait_p99_ns", integer_if(w->n, w->p99_ns), "wait_max_ns", integer_if(w->n, w->max_ns),
			 "approximate", (int)(w->p50_about || w->p99_about),
			 "handoffs", integer_if(k->utilisation_known, k->handoffs),
			 "forced_handoffs", integer_if(k->utilisation_known, k->forced_handoffs),
			 "utilisation", utilisation, "contended_ns", integer(k->contended_ns),
			 "wake_latency_ns", integer(k->wake_latency_ns), "recorded_waits", integer(k->recorded_waits),
			 "held_ns", integer_if(k->utilisation_known, k->held_ns), "forced_waits", integer(k->forced_waits),
			 "forced_wait_ns", integer(k->forced_wait_ns), "wait_histogram", histogram(&k->hist));
}

static json_t *states(const struct summary_thread *t)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < STATE_N; i++)
		json_object_set_new(object, thread_state_names[i], integer(t->state_ns[i]));
	return object;
}

static json_t *thread(const struct summary_thread *t)
{
	const struct summary_waits *w = &t->waits;

	return json_pack("{s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "tid", integer(t->tid), "name", text(t->name), "main", (int)t->is_main, "exited", (int)t->exited,
			 "first_ns", integer(t->first_ns), "last_ns", integer(t->last_ns), "states_ns", states(t),
			 "gil_held_ns", integer(t->held_ns), "gil_held_blocked_ns", integer(t->held_blocked_ns),
			 "gil_held_preempted_ns", integer(t->held_preempted_ns),
			 "gil_waits", integer(w->n), "gil_wait_ns", integer(w->ns), "gil_wait_p50_ns",
			 integer_if(w->n, w->p50_ns), "gil_wait_p99_ns", integer_if(w->n, w->p99_ns), "gil_wait_max_ns",
			 integer_if(w->n, w->max_ns), "caused_wait_ns", integer(t->caused_ns), "gil_spin_ns",
			 integer_if(t->spin_known, t->spin_ns));
}

static json_t *frame(const struct summary_frame *f)
{
	json_t *object;

	if (!f)
		return json_null();
	object = json_pack("{s:o, s:o, s:o}", "function", text(f->function), "file", f->resolved ? text(f->file) : json_null(), "line",
			   integer_if(f->line, f->line));
	if (f->native)
		json_object_set_new(object, "native", json_true());
	return object;
}

static json_t *leaf(const struct summary_stack *s)
{
	return frame(s->n ? s->frames : NULL);
}

static json_t *stack(const struct summary_stack *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->n; i++)
		json_array_append_new(list, frame(&s->frames[i]));
	return list;
}

static json_t *party(const struct summary_party *p, bool holder)
{
	json_t *object = json_pack("{s:o, s:o, s:o}", "tid", integer_if(p->tid, p->tid), "wait_ns", integer(p->ns), "stack",
				   stack(&p->stack));

	if (holder)
		json_object_set_new(object, "pid", integer_if(p->pid, p->pid));
	return object;
}

static json_t *other_lock(const struct summary_other *o)
{
	json_t *waiters = json_array(), *holders = json_array();

	for (unsigned i = 0; i < o->n_waiters; i++)
		json_array_append_new(waiters, party(&o->waiters[i], false));
	for (unsigned i = 0; i < o->n_holders; i++)
		json_array_append_new(holders, party(&o->holders[i], true));
	return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "kind", lock_kind_names[o->kind],
			 "unknown", (int)o->unknown, "idle", (int)o->idle, "name", text_or_null(o->name), "address",
			 o->addr ? json_sprintf("0x%" PRIx64, o->addr) : json_null(), "shared", text_or_null(o->shared), "where",
			 frame(o->where), "waits", integer(o->waits.n), "wait_ns", integer(o->waits.ns), "wait_p50_ns",
			 integer(o->waits.p50_ns), "wait_p99_ns", integer(o->waits.p99_ns), "wait_max_ns", integer(o->waits.max_ns),
			 "contended_ns", integer(o->contended_ns), "pauses", integer_if(o->kind == LOCK_STW, o->pauses), "pause_max_ns",
			 integer_if(o->kind == LOCK_STW, o->pause_max_ns), "holder_known_ns", integer(o->holder_known_ns),
			 "holder_inferred", (int)o->holder_inferred, "waiters", waiters, "holders", holders);
}

static json_t *tids(const uint32_t *list, unsigned n)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(array, json_integer(list[i]));
	return array;
}

static json_t *syscall_or_null(int32_t nr)
{
	const char *name = nr >= 0 ? syscall_name(nr) : NULL;

	if (nr < 0)
		return json_null();
	return name ? json_string(name) : json_sprintf("%" PRId32, nr);
}

static json_t *blame(const struct summary_blame *b)
{
	json_t *waiter = json_pack("{s:o, s:o}", "tids", tids(b->waiter_tids, b->n_waiters), "stack", stack(&b->waiter));
	json_t *holder = json_pack("{s:o, s:o, s:s, s:o}", "tids", tids(b->holder_tids, b->n_holders), "stack",
				   stack(&b->holder), "state", holder_state_names[b->state], "syscall", 
				   syscall_or_null(b->state == HOLDER_BLOCKED ? b->nr : -1));

	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "lock", (int)b->lock, "wait_ns", integer(b->ns), "waits",
			 integer(b->waits), "waiter", waiter, "holder", holder);
}

static json_t *pair(const struct summary_pair *p)
{
	json_t *states = json_object();

	for (unsigned i = 0; i < HOLDER_STATE_N; i++)
		json_object_set_new(states, holder_state_names[i], integer(p->state_ns[i]));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "lock", (int)p->worst->lock,
			 "waiter", leaf(&p->worst->waiter), "holder", leaf(&p->worst->holder), "wait_ns", integer(p->ns),
			 "waits", integer(p->waits), "states_ns", states, "syscall", syscall_or_null(p->nr_ns ? p->nr : -1),
			 "syscall_ns", integer(p->nr_ns), "stacks", integer(p->stacks),
			 "waiter_tids", tids(p->waiter_tids, p->n_waiters), "holder_tids", tids(p->holder_tids, p->n_holders));
}

/* A thread, by the id that the recording has for it; null when it is of another process, or unknown. */
static json_t *tid_or_null(const struct summary_process *p, uint32_t id)
{
	for (size_t i = 0; i < p->n_threads && id != MODEL_NONE; i++)
		if (p->threads[i].thread == id)
			return integer(p->threads[i].tid);
	return json_null();
}

static json_t *place(const struct summary_process *p, const struct summary_place *at)
{
	if (!at->known)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "from_ns", integer(at->from_ns), "to_ns", integer(at->to_ns),
			 "tid", tid_or_null(p, at->thread), "lock", integer_if(at->lock != MODEL_NONE, at->lock));
}

static json_t *long_hold(const struct summary_process *p, const struct summary_long_hold *h)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "stack", stack(&h->stack), "holds", integer(h->n),
			 "excess_wait_ns", integer(h->excess_ns), "max_ns", integer(h->max_ns), "place", place(p, &h->place));
}

static json_t *finding(const struct summary_process *p, const struct finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o}", "id", f->id, "severity",
			 severity_names[f->severity], "title", f->title, "detail", f->detail, "wait_ns",
			 integer_if(f->wait_known, f->wait_ns), "advice", f->advice, "certainty",
			 certainty_names[f->certainty], "share", f->share > 0 ? json_real(f->share) : json_null(),
			 "place", place(p, &f->place));
}

static json_t *bound(const struct summary_bound *b)
{
	json_t *assumes = json_array();

	for (unsigned i = 0; i < b->n_assumes; i++)
		json_array_append_new(assumes, json_string(b->assumes[i]));
	return json_pack("{s:s, s:s, s:f, s:o}", "id", b->id, "title", b->title, "speedup", b->speedup, "assumes", assumes);
}

static json_t *saving(const struct summary_saving *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "waiter", frame(s->waiter), "holder", frame(s->holder), "wait_ns",
			 integer(s->wait_ns), "saved_ns", integer(s->saved_ns), "queue_ns", integer(s->queue_ns), "holds",
			 integer(s->holds));
}

static json_t *what_if(const struct summary_process *p)
{
	const struct summary_what_if *w = &p->what_if;
	json_t *pairs = json_array(), *bounds = json_array(), *replay;

	for (size_t i = 0; i < w->n_savings; i++)
		json_array_append_new(pairs, saving(&w->savings[i]));
	for (size_t i = 0; i < w->n_bounds; i++)
		json_array_append_new(bounds, bound(&w->bounds[i]));
	replay = json_pack("{s:o, s:o, s:f, s:b, s:o}", "recorded_wait_ns", integer(w->recorded_ns), "replayed_wait_ns",
			   integer(w->replayed_ns), "error", w->error, "trusted", (int)w->trusted, "until_ns",
			   integer_if(w->until_ns != UINT64_MAX, w->until_ns));
	return json_pack("{s:o, s:o, s:o}", "pairs", pairs, "bounds", bounds, "replay", replay);
}

static json_t *looks(const struct summary_process *p)
{
	if (!p->looks.n)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "n", integer(p->looks.n), "distance_p50_ns", integer(p->looks.p50_ns),
			 "distance_p99_ns", integer(p->looks.p99_ns), "distance_max_ns", integer(p->looks.max_ns), "handoffs",
			 integer(p->looks.switches), "handoffs_unseen", integer(p->looks.switches - p->looks.seen));
}

static void put_process(struct stream *w, const struct summary_process *p, size_t max_pairs)
{
	stream_open(w, NULL, '{');
	stream_value(w, "pid", integer(p->pid));
	stream_value(w, "parent", integer_if(p->parent, p->parent));
	stream_value(w, "name", text(p->name));
	stream_value(w, "command", text(p->command));
	stream_value(w, "runtime", text_or_null(p->runtime));
	stream_value(w, "collector", text_or_null(p->collector));
	stream_value(w, "estimated", json_boolean(p->estimated));
	stream_value(w, "looks", looks(p));
	stream_value(w, "free_threaded", json_boolean(p->free_threaded));
	stream_value(w, "switch_interval_ns", integer_if(p->switch_interval_ns, p->switch_interval_ns));
	stream_open(w, "locks", '[');
	for (size_t i = 0; i < p->n_locks; i++)
		stream_value(w, NULL, lock(&p->locks[i]));
	stream_close(w);
	stream_open(w, "other_locks", '[');
	for (size_t i = 0; i < p->n_others; i++)
		stream_value(w, NULL, other_lock(&p->others[i]));
	stream_close(w);
	stream_open(w, "threads", '[');
	for (size_t i = 0; i < p->n_threads; i++)
		stream_value(w, NULL, thread(&p->threads[i]));
	stream_close(w);
	stream_open(w, "blame", '[');
	for (size_t i = 0; i < p->n_blame && i < max_pairs; i++)
		stream_value(w, NULL, blame(&p->blame[i]));
	stream_close(w);
	stream_open(w, "findings", '[');
	for (size_t i = 0; i < p->n_findings; i++)
		stream_value(w, NULL, finding(p, &p->findings[i]));
	stream_close(w);
	stream_open(w, "pairs", '[');
	for (size_t i = 0; i < p->n_pairs && i < max_pairs; i++)
		stream_value(w, NULL, pair(&p->pairs[i]));
	stream_close(w);
	stream_open(w, "long_holds", '[');
	for (size_t i = 0; i < p->n_long_holds; i++)
		stream_value(w, NULL, long_hold(p, &p->long_holds[i]));
	stream_close(w);
	if (p->n_blame > max_pairs)
		stream_value(w, "blame_omitted", integer(p->n_blame - max_pairs));
	stream_value(w, "what_if", p->gil ? what_if(p) : json_null());
	stream_close(w);
}

/* A lock that processes share is one lock, although each has it at an address of its own. */
static bool told_before(const struct summary *s, size_t process, size_t other)
{
	const char *shared = s->processes[process].others[other].shared;

	for (size_t i = 0; i <= process; i++)
		for (size_t k = 0; k < (i < process ? s->processes[i].n_others : other); k++)
			if (s->processes[i].others[k].shared && !strcmp(s->processes[i].others[k].shared, shared))
				return true;
	return false;
}

static json_t *shared_lock(const struct summary *s, const char *shared)
{
	json_t *pids = json_array();
	uint64_t waits = 0, ns = 0;

	for (size_t i = 0; i < s->n_processes; i++) {
		const struct summary_process *p = &s->processes[i];
		bool waited = false;

		for (size_t k = 0; k < p->n_others; k++) {
			if (!p->others[k].shared || strcmp(p->others[k].shared, shared))
				continue;
			waits += p->others[k].waits.n;
			ns += p->others[k].waits.ns;
			waited = true;
		}
		if (waited)
			json_array_append_new(pids, integer(p->pid));
	}
	return json_pack("{s:s, s:o, s:o, s:o}", "shared", shared, "pids", pids, "waits", integer(waits), "wait_ns", integer(ns));
}

static void put_shared(struct stream *w, const struct summary *s)
{
	stream_open(w, "shared_locks", '[');
	for (size_t i = 0; i < s->n_processes; i++)
		for (size_t k = 0; k < s->processes[i].n_others; k++)
			if (s->processes[i].others[k].shared && !told_before(s, i, k))
				stream_value(w, NULL, shared_lock(s, s->processes[i].others[k].shared));
	stream_close(w);
}

int json_report_top(FILE *out, const struct summary *s, size_t max_blame)
{
	struct stream w = {.out = out, .lines = true};

	stream_open(&w, NULL, '{');
	stream_value(&w, "format", json_integer(1));
	stream_value(&w, "gilscope", text(s->gilscope_version));
	stream_value(&w, "recording", recording(s));
	stream_open(&w, "processes", '[');
	for (size_t i = 0; i < s->n_processes; i++)
		put_process(&w, &s->processes[i], max_blame);
	stream_close(&w);
	put_shared(&w, s);
	stream_close(&w);
	return w.failed || ferror(out) ? -EIO : 0;
}

int json_report(FILE *out, const struct summary *s)
{
	return json_report_top(out, s, SIZE_MAX);
}
