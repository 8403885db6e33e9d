/* See what_if.h. */
#include "core/analysis/what_if.h"

#include <math.h>

#include "core/analysis/replay.h"

static bool has_line(const struct hold_log *log, size_t from, size_t to, uint32_t line)
{
	for (size_t i = from; i < to; i++)
		if (log->holds.items[i].line == line)
			return true;
	return false;
}

static void count_holds(struct what_if_line *line, const struct hold_log *log)
{
	for (size_t i = 0; i < log->holds.n; i++) {
		if (log->holds.items[i].line != line->line)
			continue;
		line->holds++;
		line->waited_ns += log->holds.items[i].waited_ns;
	}
}

void what_if_replay(struct what_if_line *lines, size_t n, struct what_if_total *total, const struct hold_log *log,
		    uint64_t interval_ns)
{
	struct replay r;
	size_t stretch;

	replay_init(&r, log, interval_ns);
	stretch = replay_stretch(&r);
	total->recorded_ns += log->waits_ns;
	for (size_t from = 0; from < log->holds.n; from += stretch) {
		size_t to = from + stretch < log->holds.n ? from + stretch : log->holds.n;
		uint64_t base = replay_run(&r, from, to, HOLD_LOG_NO_LINE);

		if (base == REPLAY_FAILED)
			continue;
		total->replayed_ns += base;
		for (size_t i = 0; i < n; i++) {
			uint64_t without;

			if (!has_line(log, from, to, lines[i].line))
				continue;
			without = replay_run(&r, from, to, lines[i].line);
			/* a stretch can get worse; then it is left as it was */
			lines[i].replayed_ns += without < base ? base - without : 0;
		}
	}
	for (size_t i = 0; i < n; i++)
		count_holds(&lines[i], log);
	replay_done(&r);
}

void what_if_settle(struct what_if_line *lines, size_t n, const struct what_if_total *total)
{
	for (size_t i = 0; i < n; i++) {
		struct what_if_line *l = &lines[i];

		if (l->waited_ns > l->credited_ns)
			l->replayed_ns = (uint64_t)((double)l->replayed_ns * (double)l->credited_ns / (double)l->waited_ns);
		if (l->replayed_ns > total->recorded_ns)
			l->replayed_ns = total->recorded_ns;
		l->saved_ns = l->replayed_ns < l->credited_ns ? l->replayed_ns : l->credited_ns;
		l->queue_ns = l->replayed_ns - l->saved_ns;
	}
}

double what_if_error(const struct what_if_total *total)
{
	double recorded = (double)total->recorded_ns;

	return total->recorded_ns ? fabs((double)total->replayed_ns - recorded) / recorded : 0;
}
