/* From blame and logs to the what-if of a process: which lines are tried, who waits for them, how well the replay does. */
#include <stdlib.h>

#include "core/analysis/summary_priv.h"
#include "core/analysis/what_if.h"
#include "core/util/xalloc.h"

enum { LINES_TRIED = 6 };
static const double LINE_TRIED = 0.01; /* of all waiting: less would not be felt */

static bool of_gil(struct loader *l, const struct summary_blame *b)
{
	return loader_lock(l, b->lock)->lock->kind == LOCK_GIL && b->n_holders > 0 && b->holder.n > 0;
}

static const struct summary_frame *frame_of(const struct loader *l, uint32_t line)
{
	for (const struct line_entry *e = l->s->priv->lines; e; e = e->hh.next)
		if (e->line == line)
			return e->frame;
	return NULL;
}

static int compare_credited(const void *pa, const void *pb)
{
	const struct what_if_line *a = pa, *b = pb;

	if (a->credited_ns != b->credited_ns)
		return a->credited_ns < b->credited_ns ? 1 : -1;
	return (a->line > b->line) - (a->line < b->line);
}

/* The lines of holders with the most blame; by_line has room for all lines and is left at zero. */
static size_t choose_lines(struct loader *l, const struct summary_process *p, uint64_t *by_line,
			   struct what_if_line chosen[LINES_TRIED])
{
	vec(struct what_if_line) lines = {0};
	size_t n;

	for (size_t i = 0; i < p->n_blame; i++)
		if (of_gil(l, &p->blame[i]))
			by_line[p->blame[i].holder_line] += p->blame[i].ns;
	for (size_t i = 0; i < p->n_blame; i++) {
		uint32_t line = of_gil(l, &p->blame[i]) ? p->blame[i].holder_line : 0;

		if (!of_gil(l, &p->blame[i]) || by_line[line] == 0)
			continue;
		if ((double)by_line[line] >= LINE_TRIED * (double)p->gil_wait_ns)
			vec_push(&lines, ((struct what_if_line){.line = line, .credited_ns = by_line[line]}));
		by_line[line] = 0;
	}
	vec_sort(&lines, compare_credited);
	n = lines.n < LINES_TRIED ? lines.n : LINES_TRIED;
	for (size_t i = 0; i < n; i++)
		chosen[i] = lines.items[i];
	vec_done(&lines);
	return n;
}

/* The line that waits most for the given one. */
static const struct summary_frame *worst_waiter(struct loader *l, const struct summary_process *p, uint64_t *by_line,
						uint32_t holder)
{
	const struct summary_frame *worst = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < p->n_blame; i++) {
		const struct summary_blame *b = &p->blame[i];
		uint64_t *ns;

		if (!of_gil(l, b) || b->holder_line != holder)
			continue;
		ns = &by_line[b->waiter_line];
		*ns += b->ns;
		if (*ns > most) {
			most = *ns;
			worst = b->waiter.n ? b->waiter.frames : NULL;
		}
	}
	for (size_t i = 0; i < p->n_blame; i++)
		by_line[p->blame[i].waiter_line] = 0;
	return worst;
}

static int compare_savings(const void *pa, const void *pb)
{
	const struct summary_saving *a = pa, *b = pb;

	if (a->saved_ns != b->saved_ns)
		return a->saved_ns < b->saved_ns ? 1 : -1;
	return (a->wait_ns < b->wait_ns) - (a->wait_ns > b->wait_ns);
}

static void replay_gils(struct loader *l, struct summary_process *p, struct what_if_line *lines, size_t n)
{
	struct what_if_total total = {0};
	uint64_t tallied = p->gil_wait_ns;
	bool full = false;

	p->what_if.until_ns = l->credited_until_ns == UINT64_MAX ? UINT64_MAX : loader_relative_ns(l, l->credited_until_ns);
	for (size_t i = 0; i < p->n_locks && p->locks[i].kind == LOCK_GIL; i++) {
		const struct load_lock *k = loader_lock(l, p->locks[i].lock);

		what_if_replay(lines, n, &total, &k->log, p->switch_interval_ns);
		tallied -= k->log.waits_ns < tallied ? k->log.waits_ns : tallied;
		full |= k->log.full;
		if (k->log.full && loader_relative_ns(l, k->log.until_ns) < p->what_if.until_ns)
			p->what_if.until_ns = loader_relative_ns(l, k->log.until_ns);
	}
	/* what was only counted cannot be replayed: it is part of what the replay must account for */
	if (!full)
		total.recorded_ns += tallied;
	what_if_settle(lines, n, &total);
	p->what_if.recorded_ns = total.recorded_ns;
	p->what_if.replayed_ns = total.replayed_ns;
	p->what_if.error = what_if_error(&total);
	p->what_if.trusted = total.recorded_ns && p->what_if.error <= WHAT_IF_ERROR_MAX;
}

void summary_what_if(struct loader *l, struct summary_process *p)
{
	uint64_t *by_line = xcalloc(HASH_COUNT(l->s->priv->lines), sizeof(*by_line));
	struct what_if_line lines[LINES_TRIED];
	size_t n = choose_lines(l, p, by_line, lines);

	replay_gils(l, p, lines, n);
	p->what_if.savings = arena_array(l->arena, n, sizeof(*p->what_if.savings));
	for (size_t i = 0; i < n && p->what_if.trusted; i++) {
		if (lines[i].holds == 0)
			continue; /* a line that others outdo in each of its holds: nothing to take away */
		p->what_if.savings[p->what_if.n_savings++] = (struct summary_saving){
			.waiter = worst_waiter(l, p, by_line, lines[i].line), .holder = frame_of(l, lines[i].line),
			.wait_ns = lines[i].credited_ns, .saved_ns = lines[i].saved_ns, .queue_ns = lines[i].queue_ns,
			.holds = lines[i].holds,
		};
	}
	free(by_line);
	if (p->what_if.n_savings > 1)
		qsort(p->what_if.savings, p->what_if.n_savings, sizeof(*p->what_if.savings), compare_savings);
	what_if_bounds(l->s, p, l->arena);
}
