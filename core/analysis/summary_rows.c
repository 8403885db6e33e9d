/* One callback per kind of row, each adding it to where it belongs.  Rows about a thread, lock or process that has no
 * row of its own (a damaged file) are passed over. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/analysis/summary_priv.h"
#include "core/analysis/wait_stats.h"
#include "core/base/clock.h"

struct load_thread *loader_thread(struct loader *l, uint32_t thread)
{
	return thread < l->n_threads && l->threads[thread].thread ? &l->threads[thread] : NULL;
}

struct load_lock *loader_lock(struct loader *l, uint32_t lock)
{
	return lock < l->n_locks && l->locks[lock].lock ? &l->locks[lock] : NULL;
}

struct load_proc *loader_proc(struct loader *l, uint32_t proc)
{
	return proc < l->n_procs && l->procs[proc].known ? &l->procs[proc] : NULL;
}

uint64_t loader_switch_interval_ns(struct loader *l, uint32_t proc)
{
	struct load_proc *p = loader_proc(l, proc);

	return p ? p->process.switch_interval_ns : 0;
}

static int on_process(void *ctx, const struct reader_process *row)
{
	struct loader *l = ctx;
	struct load_proc *p;

	if (row->row.proc >= l->n_procs)
		return 0;
	p = &l->procs[row->row.proc];
	p->known = true;
	p->kernel_pid = row->row.pid;
	p->process = (struct summary_process){
		.proc = row->row.proc, .pid = row->shown_pid ? row->shown_pid : row->row.pid,
		.name = arena_strdup(l->arena, row->name ? row->name : ""),
		.command = arena_strdup(l->arena, row->command ? row->command : ""),
		.runtime = row->runtime && *row->runtime ? arena_strdup(l->arena, row->runtime) : NULL,
		.collector = arena_strdup(l->arena, row->collector), .estimated = row->estimated,
		.free_threaded = row->free_threaded, .switch_interval_ns = row->switch_interval_ns,
	};
	return 0;
}

static int on_thread(void *ctx, const struct reader_thread *row)
{
	struct loader *l = ctx;
	struct load_thread *t;
	const char *name = row->python_name && *row->python_name ? row->python_name : row->row.comm;

	if (row->row.thread >= l->n_threads || !loader_proc(l, row->row.proc))
		return 0;
	t = &l->threads[row->row.thread];
	t->proc = row->row.proc;
	t->thread = arena_alloc(l->arena, sizeof(*t->thread));
	*t->thread = (struct summary_thread){
		.thread = row->row.thread, .tid = row->row.tid, .name = arena_strdup(l->arena, name),
		.is_main = row->row.is_main, .exited = row->row.exited,
		.first_ns = loader_relative_ns(l, row->row.first_ns), .last_ns = loader_relative_ns(l, row->row.last_ns),
	};
	return 0;
}

static int on_lock(void *ctx, const struct reader_lock *row)
{
	struct loader *l = ctx;
	struct load_lock *k;
	char shared[80];

	if (row->row.lock >= l->n_locks || !loader_proc(l, row->row.proc))
		return 0;
	k = &l->locks[row->row.lock];
	k->proc = row->row.proc;
	k->first_stack = row->row.first_stack;
	k->name = row->name && *row->name ? arena_strdup(l->arena, row->name) : NULL;
	if (row->inode) {
		snprintf(shared, sizeof(shared), "%" PRIx64 ":%" PRIu64 ":%" PRIu64, row->device, row->inode, row->offset);
		k->shared = arena_strdup(l->arena, shared);
	}
	k->lock = arena_alloc(l->arena, sizeof(*k->lock));
	*k->lock = (struct summary_lock){
		.lock = row->row.lock, .kind = row->row.kind, .interp_id = row->interp_id, .addr = row->row.addr,
		.utilisation_known = row->row.kind == LOCK_GIL,
	};
	return 0;
}

static int on_state_sum(void *ctx, const struct reader_state_sum *row)
{
	struct load_thread *t = loader_thread(ctx, row->thread);

	if (!t)
		return 0;
	t->thread->state_ns[row->state] += row->ns;
	t->thread->gc_ns += row->gc_ns;
	t->inferred_ns[row->state] += row->inferred_ns;
	if (row->state == STATE_GIL || row->held)
		t->thread->held_ns += row->ns;
	if (row->held && (row->state == STATE_BLOCKED || row->state == STATE_SLEEP || row->state == STATE_WAIT_LOCK))
		t->thread->held_blocked_ns += row->ns;
	if (row->held && row->state == STATE_RUNNABLE)
		t->thread->held_preempted_ns += row->ns;
	return 0;
}

static int on_lock_waits(void *ctx, const struct reader_wait_stats *row)
{
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (!k)
		return 0;
	wait_stats_add(&k->lock->waits, row);
	k->lock->unfinished += row->ends[WAIT_UNFINISHED];
	k->lock->asleep_ns += row->asleep_ns;
	k->lock->wake_latency_ns += row->wake_latency_ns;
	k->lock->recorded_waits += row->waits - row->tallied_waits;
	return 0;
}

static int on_thread_waits(void *ctx, const struct reader_wait_stats *row)
{
	struct load_thread *t = loader_thread(ctx, row->thread);
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (t && k && k->lock->kind == LOCK_GIL)
		wait_stats_add(&t->thread->waits, row);
	return 0;
}

static int on_caused(void *ctx, const struct reader_caused *row)
{
	struct load_thread *t = loader_thread(ctx, row->holder);
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (t && k && k->lock->kind == LOCK_GIL)
		t->thread->caused_ns += row->ns;
	return 0;
}

static int on_handoff_sum(void *ctx, const struct reader_handoff_sum *row)
{
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (k) {
		k->lock->handoffs += row->n;
		k->lock->forced_handoffs += row->forced;
	}
	return 0;
}

static int on_hold_sum(void *ctx, const struct reader_hold_sum *row)
{
	struct load_thread *t = loader_thread(ctx, row->thread);
	struct load_lock *k = loader_lock(ctx, row->lock);

	if (t && k && k->lock->kind == LOCK_GIL)
		t->thread->holds += row->n;
	return 0;
}

static int on_sample_sum(void *ctx, const struct reader_sample_sum *row)
{
	struct loader *l = ctx;
	struct load_thread *t = loader_thread(l, row->thread);

	l->samples += row->n;
	if (t && row->flags & SAMPLE_F_WANTS_GIL)
		t->samples_wanting += row->n;
	return 0;
}

static int on_loss(void *ctx, const struct reader_loss *row)
{
	struct loader *l = ctx;

	if (row->count > l->worst_loss) {
		l->worst_loss = row->count;
		l->s->worst_loss = summary_place(l, row->t0_ns, row->t1_ns, MODEL_NONE, MODEL_NONE);
	}
	l->s->lost[row->cls] += row->count;
	l->s->lost_events += row->count;
	return 0;
}

/* Of each second: p50 and p99 are averaged over the looks. */
static int on_looks(void *ctx, const struct reader_looks *row)
{
	struct loader *l = ctx;

	for (uint32_t i = 0; i < l->n_procs; i++) {
		struct summary_process *p = &l->procs[i].process;
		double share;

		if (!l->procs[i].known || p->pid != row->pid || !row->n)
			continue;
		share = (double)row->n / (double)(p->looks.n + row->n);
		p->looks.p50_ns = (uint64_t)((double)p->looks.p50_ns * (1 - share) + (double)row->p50_ns * share);
		p->looks.p99_ns = (uint64_t)((double)p->looks.p99_ns * (1 - share) + (double)row->p99_ns * share);
		p->looks.max_ns = row->max_ns > p->looks.max_ns ? row->max_ns : p->looks.max_ns;
		p->looks.n += row->n;
		p->looks.switches += row->switches;
		p->looks.seen += row->seen < row->switches ? row->seen : row->switches;
	}
	return 0;
}

static int on_level(void *ctx, const struct reader_level *row)
{
	static const char *const reasons[EV_LEVEL_REASON_N] = {
		[EV_LEVEL_START] = "start of the recording", [EV_LEVEL_EVENT_RATE] = "too many events a second",
		[EV_LEVEL_STACK_RATE] = "too many stacks a second", [EV_LEVEL_OWN_CPU] = "own CPU time over its budget",
		[EV_LEVEL_LOSS] = "events were lost", [EV_LEVEL_RECOVERED] = "the load went down",
	};
	struct loader *l = ctx;

	vec_push(&l->levels, ((struct summary_level){
		.t_ns = loader_relative_ns(l, row->t_ns), .min_off_ns = row->min_off_ns,
		.stack_period_ns = row->stack_period_ns, .level = row->level, .reason = reasons[row->reason],
	}));
	return 0;
}

/* Readings are cumulative: the largest is the last. */
static int on_own(void *ctx, const struct reader_own *row)
{
	struct summary_own *own = &((struct loader *)ctx)->s->own;

	own->known = true;
	own->bpf_known |= row->bpf_runs > 0;
	own->cpu_ns = row->cpu_ns > own->cpu_ns ? row->cpu_ns : own->cpu_ns;
	own->bpf_run_ns = row->bpf_run_ns > own->bpf_run_ns ? row->bpf_run_ns : own->bpf_run_ns;
	own->bpf_runs = row->bpf_runs > own->bpf_runs ? row->bpf_runs : own->bpf_runs;
	own->max_rss_bytes = row->max_rss_bytes > own->max_rss_bytes ? row->max_rss_bytes : own->max_rss_bytes;
	own->events = row->events > own->events ? row->events : own->events;
	return 0;
}

static int on_note(void *ctx, uint64_t t_ns, const char *text)
{
	struct loader *l = ctx;
	(void)t_ns;

	vec_push(&l->notes, arena_strdup(l->arena, text));
	return 0;
}

static void set_spin(struct loader *l)
{
	if (l->samples == 0 || l->s->sample_hz == 0)
		return;
	for (uint32_t i = 0; i < l->n_threads; i++)
		if (l->threads[i].thread) {
			l->threads[i].thread->spin_known = true;
			l->threads[i].thread->spin_ns = l->threads[i].samples_wanting * (NS_PER_S / l->s->sample_hz);
		}
}

int summary_rows_load(struct loader *l)
{
	int err = l->tap && l->tap->begin ? l->tap->begin(l->tap->ctx, l->r) : 0;

	err = err ? err : reader_processes(l->r, on_process, l);
	err = err ? err : reader_threads(l->r, on_thread, l);
	err = err ? err : reader_locks(l->r, on_lock, l);
	err = err ? err : reader_losses(l->r, on_loss, l);
	err = err ? err : reader_levels(l->r, on_level, l);
	err = err ? err : reader_looks(l->r, on_looks, l);
	err = err ? err : reader_own(l->r, on_own, l);
	return err ? err : reader_notes(l->r, on_note, l);
}

int summary_sums_load(struct loader *l)
{
	int err = reader_state_sums(l->r, on_state_sum, l);

	err = err ? err : reader_lock_waits(l->r, on_lock_waits, l);
	err = err ? err : reader_thread_waits(l->r, on_thread_waits, l);
	err = err ? err : reader_caused(l->r, on_caused, l);
	err = err ? err : reader_handoff_sums(l->r, on_handoff_sum, l);
	err = err ? err : reader_hold_sums(l->r, on_hold_sum, l);
	err = err ? err : reader_sample_sums(l->r, on_sample_sum, l);
	if (!err)
		set_spin(l);
	return err;
}
