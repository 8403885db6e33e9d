/* How far the numbers above can be trusted: what the recording is, what it left out, what it cost. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { LABEL_COLUMNS = 11, LEVELS_SHOWN = 6, NOTES_SHOWN = 10 };

static void label(struct page *page, const char *text)
{
	page_put(page, INK_PLAIN, "  ");
	page_left(page, INK_DIM, LABEL_COLUMNS, text);
	page_put(page, INK_PLAIN, "  ");
}

static void line_file(struct page *page, const struct summary *s)
{
	time_t seconds = (time_t)(s->start_real_ns / NS_PER_S);
	char start[32] = "?", duration[HUMAN_LEN];
	char *collector = page_escape(s->collector, 16), *version = page_escape(s->gilscope_version, 16);
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &tm);
	label(page, "recorded");
	page_putf(page, INK_PLAIN, "%s from %s UTC", human_ns(duration, s->duration_ns), start);
	if (*collector)
		page_putf(page, INK_PLAIN, ", %s collector, gilscope %s", collector, version);
	page_put(page, INK_PLAIN, ", ");
	page_put(page, s->complete ? INK_PLAIN : INK_WARNING, s->complete ? "complete" : "CUT OFF");
	page_end(page);
	free(collector);
	free(version);
}

static void line_choice(struct page *page, const struct summary *s)
{
	char *choice = page_escape(s->collector_choice, 1000);

	if (*choice) {
		label(page, "collector");
		page_wrap(page, INK_PLAIN, LABEL_COLUMNS + 4, choice);
	}
	free(choice);
}

static void line_machine(struct page *page, const struct summary *s)
{
	char *host = page_escape(s->host, 24), *kernel = page_escape(s->kernel, 32), *cpu = page_escape(s->cpu_model, 40);

	if (s->cpus || *kernel) {
		label(page, "machine");
		page_putf(page, INK_PLAIN, "%s%s%u CPU%s", host, *host ? ", " : "", s->cpus, s->cpus == 1 ? "" : "s");
		page_putf(page, INK_PLAIN, "%s%s%s", *cpu ? " (" : "", cpu, *cpu ? ")" : "");
		page_putf(page, INK_PLAIN, "%s%s", *kernel ? ", " : "", kernel);
		page_end(page);
	}
	free(host);
	free(kernel);
	free(cpu);
}

static const char *level_meaning(uint32_t level)
{
	static const char *const meanings[] = {
		"sums only, no single waits", "short waits only counted, stacks thinned", "every wait, stacks thinned",
		"every wait, with stacks",
	};

	return level < 4 ? meanings[level] : "unknown level";
}

static void lines_detail(struct page *page, const struct summary *s)
{
	char since[HUMAN_LEN];
	size_t shown = 0;
	bool counted = false;

	for (size_t i = 0; i < s->n_levels; i++) {
		const struct summary_level *l = &s->levels[i];

		counted |= l->level < 2;
		/* the dials within a level turn often and change nothing a reader must know */
		if ((i && l->level == l[-1].level) || shown++ >= LEVELS_SHOWN)
			continue;
		label(page, i ? "" : "detail");
		if (i == 0)
			page_put(page, l->level < 3 ? INK_WARNING : INK_PLAIN, level_meaning(l->level));
		else
			page_putf(page, l->level < 3 ? INK_WARNING : INK_PLAIN, "from %s: %s (%s)",
				  human_ns(since, l->t_ns), level_meaning(l->level), l->reason);
		page_end(page);
	}
	if (shown > LEVELS_SHOWN) {
		label(page, "");
		page_putf(page, INK_DIM, "… %zu more changes", shown - LEVELS_SHOWN);
		page_end(page);
	}
	if (counted) { /* core/timeline/counted.h */
		label(page, "");
		page_put(page, INK_DIM, s->sample_hz ? "so the time with the GIL is an estimate, by the samples" :
						       "so the time with the GIL is an upper bound: no samples");
		page_end(page);
	}
}

static void line_samples(struct page *page, const struct summary *s)
{
	label(page, "samples");
	if (s->sample_hz)
		page_putf(page, INK_PLAIN, "%" PRIu32 " a second of each thread's CPU time", s->sample_hz);
	else
		page_put(page, INK_PLAIN, "none (-r 0)");
	page_end(page);
}

static void line_lost(struct page *page, const struct summary *s)
{
	static const char *const classes[EV_LOSS_N] = {
		[EV_LOSS_RING_OFF] = "stretches off the CPU", [EV_LOSS_RING_STACK] = "stacks", [EV_LOSS_RING_SAMPLE] = "samples",
		[EV_LOSS_RING_OTHER] = "other events", [EV_LOSS_STORAGE] = "stretches without storage",
		[EV_LOSS_QUEUE] = "events in the queue", [EV_LOSS_WRITE] = "rows not written",
		[EV_LOSS_RING_NATIVE] = "copies of C stacks", [EV_LOSS_UNWIND] = "C stacks that could not be unwound",
	};
	autostrbuf lost = STRBUF_INIT;
	char n[HUMAN_LEN];

	for (unsigned i = 0; i < EV_LOSS_N; i++)
		if (s->lost[i])
			strbuf_addf(&lost, "%s%s %s", lost.n ? ", " : "", human_count(n, s->lost[i]), classes[i]);
	label(page, "lost");
	page_wrap(page, lost.n ? INK_WARNING : INK_PLAIN, LABEL_COLUMNS + 4, lost.n ? lost.s : "nothing");
}

static void line_stacks(struct page *page, const struct summary *s)
{
	const struct { uint64_t n; const char *what; } flaws[] = {
		{s->truncated_stacks, "deeper than was read"}, {s->torn_stacks, "readable only in part"},
		{s->missing_stacks, "never arrived"},
	};
	const char *separator = "";
	char n[HUMAN_LEN];

	if (s->torn_stacks + s->truncated_stacks + s->missing_stacks == 0)
		return;
	label(page, "stacks");
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		if (flaws[i].n == 0)
			continue;
		page_putf(page, INK_PLAIN, "%s%s %s", separator, human_count(n, flaws[i].n), flaws[i].what);
		separator = ", ";
	}
	page_end(page);
}

static void line_own(struct page *page, const struct summary *s)
{
	const struct summary_own *o = &s->own;
	char cpu[HUMAN_LEN], share[HUMAN_LEN], rss[HUMAN_LEN], run[HUMAN_LEN], runs[HUMAN_LEN], all[HUMAN_LEN];
	autostrbuf cost = STRBUF_INIT;

	if (!o->known)
		return;
	strbuf_addf(&cost, "%s of CPU (%s of one CPU), %s of memory", human_ns(cpu, o->cpu_ns),
		    human_pct(share, (double)o->cpu_ns, (double)s->duration_ns), human_bytes(rss, o->max_rss_bytes));
	if (o->bpf_known)
		strbuf_addf(&cost, "; in the kernel %s, %s runs of %s each", human_ns(all, o->bpf_run_ns),
			    human_count(runs, o->bpf_runs), human_ns(run, o->bpf_run_ns / o->bpf_runs));
	label(page, "own cost");
	page_wrap(page, INK_PLAIN, LABEL_COLUMNS + 4, cost.s);
}

void text_about(struct page *page, const struct summary *s)
{
	page_heading(page, "About this recording", "");
	line_file(page, s);
	line_choice(page, s);
	line_machine(page, s);
	lines_detail(page, s);
	line_samples(page, s);
	line_lost(page, s);
	line_stacks(page, s);
	line_own(page, s);
	for (size_t i = 0; i < s->n_notes && i < NOTES_SHOWN; i++) {
		char *note = page_escape(s->notes[i], 2000);

		label(page, i ? "" : "notes");
		page_wrap(page, INK_PLAIN, LABEL_COLUMNS + 4, note);
		free(note);
	}
	if (s->n_notes > NOTES_SHOWN) {
		label(page, "");
		page_putf(page, INK_DIM, "… %zu more", s->n_notes - NOTES_SHOWN);
		page_end(page);
	}
}
