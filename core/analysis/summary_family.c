/* Which process forked which, from the forks that were recorded.  A pid may be given twice: a fork began the process of that
 * pid that was first seen next after it. */
#include "core/analysis/summary_priv.h"
#include "core/util/vec.h"

struct newborn {
	uint64_t first_ns; /* of its first thread */
	uint64_t forked_ns; /* when the fork was that is taken for its begin */
	uint32_t pid, proc, parent;
};

struct family {
	struct loader *l;
	vec(struct newborn) all; /* by pid, then first_ns */
};

static int compare(const void *pa, const void *pb)
{
	const struct newborn *a = pa, *b = pb;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->first_ns > b->first_ns) - (a->first_ns < b->first_ns);
}

static struct newborn *find(struct family *f, uint32_t pid, uint64_t t_ns)
{
	size_t low = 0, high = f->all.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct newborn *n = &f->all.items[mid];

		if (n->pid < pid || (n->pid == pid && n->first_ns < t_ns))
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->all.n && f->all.items[low].pid == pid ? &f->all.items[low] : NULL;
}

static int on_event(void *ctx, const struct process_event *e)
{
	struct family *f = ctx;
	const uint64_t t = loader_relative_ns(f->l, e->t_ns);
	struct newborn *n = e->kind == PROCESS_FORK ? find(f, e->other_pid, t) : NULL;

	if (!n || n->proc == e->proc || (n->parent != MODEL_NONE && n->forked_ns > t))
		return 0;
	n->parent = e->proc;
	n->forked_ns = t;
	return 0;
}

int summary_family_load(struct loader *l)
{
	struct family f = {.l = l};
	int err;

	for (uint32_t i = 0; i < l->n_procs; i++)
		vec_push(&f.all, ((struct newborn){
			.first_ns = UINT64_MAX, .pid = l->procs[i].kernel_pid, .proc = i, .parent = MODEL_NONE,
		}));
	for (uint32_t i = 0; i < l->n_threads; i++) {
		const struct load_thread *t = &l->threads[i];

		if (t->thread && t->thread->first_ns < f.all.items[t->proc].first_ns)
			f.all.items[t->proc].first_ns = t->thread->first_ns;
	}
	vec_sort(&f.all, compare);
	err = reader_process_events(l->r, on_event, &f);
	for (size_t i = 0; i < f.all.n; i++) {
		const struct load_proc *parent = loader_proc(l, f.all.items[i].parent);

		if (parent)
			l->procs[f.all.items[i].proc].process.parent = parent->process.pid;
	}
	vec_done(&f.all);
	return err;
}
