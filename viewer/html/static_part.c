/* See static_part.h.  Every text that a target or a recording could have chosen goes through markup_text. */
#include "viewer/html/static_part.h"

#include <inttypes.h>
#include <string.h>

#include "core/analysis/summary.h"
#include "core/base/syscall_names.h"
#include "core/util/human.h"
#include "core/util/strbuf.h"
#include "viewer/html/markup.h"
#include "viewer/html/overview.h"

enum { PAIRS_SHOWN = 10, THREADS_SHOWN = 100, LOCKS_SHOWN = 20, FRAMES_SHOWN = 12, NOTES_SHOWN = 50 };

static void cell_ns(struct strbuf *b, bool known, uint64_t ns)
{
	char text[HUMAN_LEN];

	strbuf_addf(b, "<td align=\"right\">%s</td>", known ? human_ns(text, ns) : "-");
}

/* about: read off a size class. */
static void cell_about(struct strbuf *b, bool known, uint64_t ns, bool about)
{
	char text[HUMAN_LEN];

	strbuf_addf(b, "<td align=\"right\">%s%s</td>", known && about ? "~" : "", known ? human_ns(text, ns) : "-");
}

static void cell_count(struct strbuf *b, bool known, uint64_t n)
{
	char text[HUMAN_LEN];

	strbuf_addf(b, "<td align=\"right\">%s</td>", known ? human_count(text, n) : "-");
}

static void cell_pct(struct strbuf *b, uint64_t part, uint64_t whole)
{
	char text[HUMAN_LEN];

	strbuf_addf(b, "<td align=\"right\">%s</td>", human_pct(text, (double)part, (double)whole));
}

static void heads(struct strbuf *b, const char *caption, const char *const *titles)
{
	strbuf_addf(b, "<table border=\"1\" cellpadding=\"3\">\n<caption>%s</caption>\n<thead><tr>", caption);
	for (; *titles; titles++)
		strbuf_addf(b, "<th scope=\"col\">%s</th>", *titles);
	strbuf_adds(b, "</tr></thead>\n<tbody>\n");
}

static void table_end(struct strbuf *b, size_t shown, size_t all)
{
	strbuf_adds(b, "</tbody>\n</table>\n");
	if (all > shown)
		strbuf_addf(b, "<p>… and %zu more.</p>\n", all - shown);
}

static void put_verdict(struct strbuf *b, const struct summary *s, const struct summary_process *p)
{
	char a[HUMAN_LEN], c[HUMAN_LEN], d[HUMAN_LEN];

	strbuf_adds(b, "<p>");
	if (!p->gil) {
		strbuf_adds(b, "No GIL was seen.</p>\n");
		return;
	}
	if (p->gil->utilisation_known)
		strbuf_addf(b, "The GIL was held %s of the time. ", human_pct(a, p->gil->utilisation, 1));
	strbuf_addf(b, "Threads waited for it %s in all, in %s waits", human_ns(a, p->gil_wait_ns), human_count(c, p->gil->waits.n));
	if (p->gil->waits.n)
		strbuf_addf(b, "; the longest took %s", human_ns(d, p->gil->waits.max_ns));
	strbuf_addf(b, ". Recorded for %s.</p>\n", human_ns(a, s->duration_ns));
}

static void put_findings(struct strbuf *b, const struct summary_process *p)
{
	char cost[HUMAN_LEN];

	strbuf_adds(b, "<h3>Findings</h3>\n");
	if (!p->n_findings)
		strbuf_adds(b, "<p>Nothing worth a word was found.</p>\n");
	else
		strbuf_adds(b, "<ol>\n");
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct finding *f = &p->findings[i];

		strbuf_adds(b, "<li><p><strong>");
		markup_text(b, f->title);
		strbuf_addf(b, "</strong> (%s, %s", severity_names[f->severity], certainty_names[f->certainty]);
		if (f->wait_known)
			strbuf_addf(b, ", costs %s", human_ns(cost, f->wait_ns));
		strbuf_adds(b, ")</p>\n<p>");
		markup_text(b, f->detail);
		strbuf_adds(b, "</p>\n<p>");
		markup_text(b, f->advice);
		strbuf_adds(b, "</p></li>\n");
	}
	strbuf_adds(b, p->n_findings ? "</ol>\n" : "");
}

static void cell_stack(struct strbuf *b, const struct summary_stack *stack)
{
	strbuf_adds(b, "<td valign=\"top\">");
	if (!stack->n)
		strbuf_adds(b, "(no Python stack)");
	for (unsigned i = 0; i < stack->n && i < FRAMES_SHOWN; i++) {
		const struct summary_frame *f = &stack->frames[i];

		strbuf_adds(b, i ? "<br>\n<code>" : "<code><b>");
		markup_text(b, f->resolved ? f->function : "(unreadable code)");
		strbuf_adds(b, i ? "</code>" : "</b></code>");
		if (f->resolved) {
			strbuf_adds(b, " ");
			markup_text(b, f->file);
			strbuf_addf(b, ":%" PRIu32, f->line);
		}
	}
	if (stack->n > FRAMES_SHOWN)
		strbuf_addf(b, "<br>\n… %u more", stack->n - FRAMES_SHOWN);
	strbuf_adds(b, "</td>");
}

static void put_pairs(struct strbuf *b, const struct summary_process *p)
{
	static const char *const titles[] = { "Waiting", "Share", "Who waits", "Who has the GIL meanwhile", "and is", NULL };
	const size_t n = p->n_pairs < PAIRS_SHOWN ? p->n_pairs : PAIRS_SHOWN;

	if (!n)
		return;
	strbuf_adds(b, "<h3>Who blocks whom</h3>\n");
	heads(b, "Pairs of functions, most waiting first; innermost lines on top", titles);
	for (size_t i = 0; i < n; i++) {
		const struct summary_pair *pair = &p->pairs[i];
		const struct summary_blame *worst = pair->worst;
		const char *name = worst->state == HOLDER_BLOCKED && worst->nr >= 0 ? syscall_name(worst->nr) : NULL;

		strbuf_adds(b, "<tr valign=\"top\">");
		cell_ns(b, true, pair->ns);
		cell_pct(b, pair->ns, p->gil_wait_ns);
		cell_stack(b, &worst->waiter);
		cell_stack(b, &worst->holder);
		strbuf_addf(b, "<td>%s%s%s</td></tr>\n", holder_state_names[worst->state], name ? " in " : "", name ? name : "");
	}
	table_end(b, n, p->n_pairs);
}

static void put_threads(struct strbuf *b, const struct summary_process *p)
{
	static const enum thread_state states[] = { STATE_GIL, STATE_NOGIL, STATE_WAIT_GIL, STATE_RUNNABLE, STATE_WAIT_LOCK,
						    STATE_BLOCKED, STATE_SLEEP };
	static const char *const titles[] = { "Thread", "tid", "runs, GIL", "runs, no GIL", "waits for GIL", "wants a CPU",
					      "waits for a lock", "system call", "sleeps", "GIL waits", "p99", "longest",
					      "made others wait", NULL };
	const size_t n = p->n_threads < THREADS_SHOWN ? p->n_threads : THREADS_SHOWN;

	strbuf_adds(b, "<h3>Threads</h3>\n");
	heads(b, "Where the time of each thread went, and how it waits for the GIL", titles);
	for (size_t i = 0; i < n; i++) {
		const struct summary_thread *t = &p->threads[i];

		strbuf_adds(b, "<tr><th scope=\"row\" align=\"left\">");
		markup_text(b, t->name);
		strbuf_addf(b, "</th><td align=\"right\">%" PRIu32 "</td>", t->tid);
		for (size_t k = 0; k < sizeof(states) / sizeof(*states); k++)
			cell_pct(b, t->state_ns[states[k]], t->last_ns - t->first_ns);
		cell_count(b, true, t->waits.n);
		cell_about(b, t->waits.n, t->waits.p99_ns, t->waits.p99_about);
		cell_ns(b, t->waits.n, t->waits.max_ns);
		cell_ns(b, true, t->caused_ns);
		strbuf_adds(b, "</tr>\n");
	}
	table_end(b, n, p->n_threads);
}

static void put_locks(struct strbuf *b, const struct summary_process *p)
{
	static const char *const titles[] = { "Lock", "waits", "waiting", "p50", "p99", "longest", "hand-offs", "forced", "held", NULL };
	const size_t n = p->n_locks < LOCKS_SHOWN ? p->n_locks : LOCKS_SHOWN;
	char held[HUMAN_LEN];

	if (!n)
		return;
	strbuf_adds(b, "<h3>Locks</h3>\n");
	heads(b, "Locks that were waited for", titles);
	for (size_t i = 0; i < n; i++) {
		const struct summary_lock *k = &p->locks[i];

		strbuf_addf(b, "<tr><th scope=\"row\" align=\"left\">%s 0x%" PRIx64 "</th>", k->kind == LOCK_GIL ? "GIL" : lock_kind_names[k->kind], k->addr);
		cell_count(b, true, k->waits.n);
		cell_ns(b, true, k->waits.ns);
		cell_about(b, k->waits.n, k->waits.p50_ns, k->waits.p50_about);
		cell_about(b, k->waits.n, k->waits.p99_ns, k->waits.p99_about);
		cell_ns(b, k->waits.n, k->waits.max_ns);
		cell_count(b, k->utilisation_known, k->handoffs);
		cell_count(b, k->utilisation_known, k->forced_handoffs);
		strbuf_addf(b, "<td align=\"right\">%s</td></tr>\n", k->utilisation_known ? human_pct(held, k->utilisation, 1) : "-");
	}
	table_end(b, n, p->n_locks);
}

static void put_frame(struct strbuf *b, const struct summary_frame *f)
{
	const char *base = f ? strrchr(f->file, '/') : NULL;

	if (!f)
		return;
	markup_text(b, f->function);
	strbuf_adds(b, " (");
	markup_text(b, base ? base + 1 : f->file);
	strbuf_addf(b, ":%" PRIu32 ")", f->line);
}

static void put_others(struct strbuf *b, const struct summary_process *p)
{
	static const char *const titles[] = { "Waited for", "name", "at", "waits", "waiting", "p99", "longest", "held at", NULL };
	const size_t n = p->n_others < LOCKS_SHOWN ? p->n_others : LOCKS_SHOWN;

	if (!n)
		return;
	strbuf_adds(b, "<h3>Other locks, and what threads wait for</h3>\n");
	heads(b, "Idle waits are for something to happen; * inferred from who woke a waiter", titles);
	for (size_t i = 0; i < n; i++) {
		const struct summary_other *o = &p->others[i];

		strbuf_addf(b, "<tr><th scope=\"row\" align=\"left\">%s%s</th><td>", lock_kind_names[o->kind], o->idle ? " (idle)" : "");
		markup_text(b, o->name ? o->name : "");
		strbuf_adds(b, "</td><td>");
		put_frame(b, o->where);
		strbuf_adds(b, "</td>");
		cell_count(b, true, o->waits.n);
		cell_ns(b, true, o->waits.ns);
		cell_about(b, true, o->waits.p99_ns, o->waits.p99_about);
		cell_ns(b, true, o->waits.max_ns);
		strbuf_adds(b, "<td>");
		if (!o->idle && o->n_holders) {
			put_frame(b, o->holders[0].where);
			strbuf_adds(b, o->holder_inferred ? " *" : "");
		}
		strbuf_adds(b, "</td></tr>\n");
	}
	table_end(b, n, p->n_others);
}

static void put_process(struct strbuf *b, const struct summary *s, const struct summary_process *p, const struct overview *o)
{
	strbuf_adds(b, "<section>\n<h2>");
	markup_text(b, p->name);
	strbuf_addf(b, " (%" PRIu32 ")", p->pid);
	if (p->runtime) {
		strbuf_adds(b, ", ");
		markup_text(b, p->runtime);
	}
	strbuf_adds(b, "</h2>\n");
	put_verdict(b, s, p);
	put_findings(b, p);
	overview_draw(b, o, s, p);
	put_pairs(b, p);
	put_threads(b, p);
	put_locks(b, p);
	put_others(b, p);
	strbuf_adds(b, "</section>\n");
}

static void put_about(struct strbuf *b, const struct summary *s)
{
	char n[HUMAN_LEN];

	strbuf_adds(b, "<section>\n<h2>About this recording</h2>\n<ul>\n");
	if (!s->complete)
		strbuf_adds(b, "<li>It was cut off: everything up to its last commit is here.</li>\n");
	strbuf_addf(b, "<li>Lost events: %s%s</li>\n", human_count(n, s->lost_events),
		    s->lost_events ? "; the numbers are too low by what they would have said" : "");
	if (s->torn_stacks)
		strbuf_addf(b, "<li>Stacks that could be read in part only: %s</li>\n", human_count(n, s->torn_stacks));
	if (s->truncated_stacks)
		strbuf_addf(b, "<li>Stacks deeper than are kept: %s</li>\n", human_count(n, s->truncated_stacks));
	strbuf_adds(b, "<li>Recorded by gilscope ");
	markup_text(b, s->gilscope_version);
	strbuf_adds(b, " (");
	markup_text(b, s->collector);
	strbuf_adds(b, s->estimated ? " collector: every number is an estimate from samples) on " : ") on ");
	markup_text(b, s->host);
	strbuf_adds(b, ", Linux ");
	markup_text(b, s->kernel);
	strbuf_adds(b, "</li>\n");
	for (size_t i = 0; i < s->n_notes && i < NOTES_SHOWN; i++) {
		strbuf_adds(b, "<li>");
		markup_text(b, s->notes[i]);
		strbuf_adds(b, "</li>\n");
	}
	if (s->n_notes > NOTES_SHOWN)
		strbuf_addf(b, "<li>… and %zu more notes.</li>\n", s->n_notes - NOTES_SHOWN);
	strbuf_adds(b, "</ul>\n</section>\n");
}

void static_part(FILE *out, const struct summary *s, const struct overview *o)
{
	autostrbuf b = STRBUF_INIT;

	strbuf_adds(&b, "<main id=\"static\">\n<h1>gilscope report</h1>\n<noscript><p>Scripts do not run here: this is the summary; the "
			"timeline and the flame graphs need the file opened in a browser that lets its script run.</p></noscript>\n");
	if (!s->n_processes)
		strbuf_adds(&b, "<p>There is no process in this recording.</p>\n");
	for (size_t i = 0; i < s->n_processes; i++)
		put_process(&b, s, &s->processes[i], o);
	put_about(&b, s);
	strbuf_adds(&b, "</main>\n");
	fwrite(b.s, 1, b.n, out);
}
