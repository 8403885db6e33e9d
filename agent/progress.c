/* See progress.h.  Rates are over the last second, totals since the start. */
#include "agent/progress.h"

#include <stdio.h>
#include <string.h>

#include "agent/ui.h"
#include "core/base/clock.h"
#include "core/util/escape.h"
#include "core/util/human.h"
#include "core/util/strbuf.h"

enum { FULL_DETAIL = 3 }; /* ev_level.level */

void progress_init(struct progress *p)
{
	*p = (struct progress){.live = ui_live(stderr)};
}

static void update_rates(struct progress *p, const struct session_progress *now)
{
	uint64_t span_ns = now->elapsed_ns - p->before.elapsed_ns;

	if (now->elapsed_ns <= p->before.elapsed_ns || (span_ns < NS_PER_S && p->before.elapsed_ns))
		return;
	p->handoffs_per_s = (double)(now->handoffs - p->before.handoffs) * 1e9 / (double)span_ns;
	p->before = *now;
}

static void format_line(struct strbuf *line, const struct progress *p, const struct session_progress *now)
{
	char a[HUMAN_LEN], b[HUMAN_LEN], c[HUMAN_LEN], d[HUMAN_LEN], e[HUMAN_LEN];

	strbuf_addf(line, "%.1f s  %s waits  %s hand-offs  %s lost  own CPU %s  %s", (double)now->elapsed_ns / 1e9,
		    human_count(a, now->waits), human_rate(b, p->handoffs_per_s), human_count(c, now->lost),
		    human_pct(d, (double)now->own_cpu_ns, (double)now->elapsed_ns), human_bytes(e, now->db_bytes));
	if (now->level < FULL_DETAIL && now->elapsed_ns > NS_PER_S) /* the first word on it may still be on its way */
		strbuf_addf(line, "  detail %u of %u", now->level, FULL_DETAIL);
}

void progress_update(void *ctx, const struct session_progress *now)
{
	autostrbuf line = STRBUF_INIT;
	struct progress *p = ctx;

	update_rates(p, now);
	if (!p->live && now->elapsed_ns < p->shown_ns + 10 * NS_PER_S)
		return;
	p->shown_ns = now->elapsed_ns;
	format_line(&line, p, now);
	if (p->live) {
		/* a wrapped line could not be rewritten */
		strbuf_truncate(&line, utf8_prefix(line.s, ui_columns(stderr) - 1));
		fprintf(stderr, "\r%s\033[K", line.s);
		p->drawn = true;
	} else {
		fprintf(stderr, "gilscope: %s\n", line.s);
	}
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
