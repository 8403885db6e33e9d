/* See dump_tasks.h. */
#include "agent/dump_tasks.h"

#include <linux/types.h>
#include <stdlib.h>

#include "core/interp/task_list.h"
#include "core/interp/tasks.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define LIST_TRIES 5

static const char *label(const struct dump_task_input *in, const struct ev_frame *name)
{
	const struct runtime *rt = target_runtime(in->target);
	char text[TASK_LABEL_SIZE];

	task_label(rt->layout, &rt->walk, target_mem(in->target), name, text);
	return in->keep(in->ctx, text);
}

static void show(const struct dump_task_input *in, const struct task_list *list, const struct task_seen *seen, struct dump_task *ret)
{
	static const enum dump_task_state states[] = {
		[TASK_SUSPENDED] = DUMP_TASK_WAITS, [TASK_NEW] = DUMP_TASK_NEW, [TASK_RUNS] = DUMP_TASK_RUNS,
	};
	struct dump_frame *frames = xcalloc(seen->n ? seen->n : 1, sizeof(*frames));
	struct ev_frame awaited;

	*ret = (struct dump_task){ .name = label(in, &seen->name), .state = states[seen->state], .frames = frames, .n_frames = seen->n,
				   .cut = seen->cut, .awaits = in->keep(in->ctx, seen->awaits) };
	if (seen->awaited_task) {
		task_list_name(list, seen->awaited_task, &awaited);
		ret->awaits = label(in, &awaited);
	}
	for (unsigned i = 0; i < seen->n; i++)
		in->frame(in->ctx, &seen->frames[i], &frames[i]);
}

void dump_tasks_find(const struct dump_task_input *in, struct dump_snapshot *ret)
{
	static const enum dump_tasks_known known[] = {
		[0] = DUMP_TASKS_READ, [TASK_LIST_NOT_READ] = DUMP_TASKS_NOT_READ, [TASK_LIST_NO_ASYNCIO] = DUMP_TASKS_NONE,
		[TASK_LIST_TORN] = DUMP_TASKS_TORN,
	};
	uint64_t *tasks = xcalloc(TASK_LIST_MAX, sizeof(*tasks));
	struct dump_task *shown;
	struct task_list list;
	struct task_seen seen;
	unsigned n = 0;
	int r = TASK_LIST_TORN;

	for (int i = 0; i < LIST_TRIES && (r == TASK_LIST_TORN || r < 0); i++) {
		r = task_list_begin(&list, target_runtime(in->target), target_mem(in->target));
		if (r == 0)
			r = task_list_read(&list, tasks, TASK_LIST_MAX, &n, &ret->more_tasks);
	}
	ret->tasks_known = r < 0 ? DUMP_TASKS_TORN : known[r];
	ret->tasks = shown = xcalloc(n ? n : 1, sizeof(*shown));
	for (unsigned i = 0; i < n; i++)
		if (task_list_look(&list, tasks[i], &seen) == 0)
			show(in, &list, &seen, &shown[ret->n_tasks++]);
	free(tasks);
}

void dump_tasks_free(struct dump_snapshot *d)
{
	for (unsigned i = 0; i < d->n_tasks; i++)
		free((void *)d->tasks[i].frames); /* NOLINT: made here */
	free((void *)d->tasks); /* NOLINT */
}
