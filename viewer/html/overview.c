/* See overview.h. */
#include "viewer/html/overview.h"

#include <stdlib.h>
#include <string.h>

#include "core/analysis/summary.h"
#include "core/util/human.h"
#include "core/util/xalloc.h"
#include "viewer/html/markup.h"
#include "viewer/html/rows.h"

enum { THREADS_SHOWN = 24, LABEL = 180, BUCKET = 4, ROW = 14, BAR = 11, LEGEND = 34 };

static const struct look { const char *label, *fill; } looks[STATE_N] = {
	[STATE_GIL] = { "runs with the GIL", "#009e73" }, [STATE_NOGIL] = { "runs without it", "#0072b2" },
	[STATE_WAIT_GIL] = { "waits for the GIL", "url(#waits)" }, [STATE_WAIT_LOCK] = { "waits for another lock", "url(#lock)" },
	[STATE_BLOCKED] = { "in a system call", "#b3b3b3" }, [STATE_SLEEP] = { "sleeps", "#dedede" },
	[STATE_RUNNABLE] = { "wants a CPU", "#e69f00" }, [STATE_UNKNOWN] = { "not observed", "#f5f5f5" },
};

/* Adds t0..t1 of a state to the buckets that it touches; a long one costs no more than the buckets there are. */
static void spread(uint64_t (*sums)[STATE_N], uint64_t duration, uint64_t t0, uint64_t t1, unsigned state)
{
	const double per = (double)duration / OVERVIEW_BUCKETS;
	unsigned from, to;

	if (t0 >= duration)
		return; /* a damaged file may say anything */
	from = (unsigned)((double)t0 / per);
	to = t1 < duration ? (unsigned)((double)t1 / per) : OVERVIEW_BUCKETS - 1;
	for (unsigned i = from; i <= to && i < OVERVIEW_BUCKETS; i++) {
		double a = per * i > (double)t0 ? per * i : (double)t0, b = per * (i + 1) < (double)t1 ? per * (i + 1) : (double)t1;

		sums[i][state] += b > a ? (uint64_t)(b - a) : 0;
	}
}

static unsigned char most(const uint64_t sums[STATE_N])
{
	unsigned best = OVERVIEW_NONE;

	for (unsigned i = 0; i < STATE_N; i++)
		if (sums[i] && (best == OVERVIEW_NONE || sums[i] > sums[best]))
			best = i;
	return (unsigned char)best;
}

void overview_make(struct overview *ret, const struct rows *x)
{
	uint64_t(*sums)[STATE_N] = xcalloc(OVERVIEW_BUCKETS, sizeof(*sums));
	const struct order *o = &x->by_thread;

	*ret = (struct overview){ .threads = x->n_threads };
	ret->state = xmalloc((size_t)x->n_threads * OVERVIEW_BUCKETS + 1);
	for (uint32_t t = 0; t < x->n_threads; t++) {
		memset(sums, 0, OVERVIEW_BUCKETS * sizeof(*sums));
		for (uint32_t i = o->first[t]; i < o->first[t + 1] && x->duration_ns; i++) {
			const struct row_interval *v = &x->intervals.items[i];

			spread(sums, x->duration_ns, v->t0, v->t0 + rows_interval_len(x, i), x->kinds.items[rows_look(x, i)->kind].state);
		}
		for (unsigned i = 0; i < OVERVIEW_BUCKETS; i++)
			ret->state[(size_t)t * OVERVIEW_BUCKETS + i] = most(sums[i]);
	}
	free(sums);
}

void overview_done(struct overview *o)
{
	free(o->state);
	o->state = NULL;
}

static void draw_thread(struct strbuf *b, const unsigned char *state, const struct summary_thread *t, size_t row)
{
	const size_t y = row * ROW;

	strbuf_addf(b, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", LABEL - 6, y + BAR - 2);
	markup_text(b, t->name);
	strbuf_adds(b, "</text>\n");
	for (unsigned i = 0, n; i < OVERVIEW_BUCKETS; i += n) {
		for (n = 1; i + n < OVERVIEW_BUCKETS && state[i + n] == state[i]; n++)
			;
		if (state[i] < STATE_N)
			strbuf_addf(b, "<rect x=\"%u\" y=\"%zu\" width=\"%u\" height=\"%d\" fill=\"%s\"/>\n", LABEL + i * BUCKET, y,
				    n * BUCKET, BAR, looks[state[i]].fill);
	}
}

static void draw_legend(struct strbuf *b, size_t y, uint64_t duration_ns)
{
	char text[HUMAN_LEN];
	unsigned x = LABEL;

	strbuf_addf(b, "<text x=\"%d\" y=\"%zu\">0</text><text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%s</text>\n", LABEL, y + 10,
		    LABEL + OVERVIEW_BUCKETS * BUCKET, y + 10, human_ns(text, duration_ns));
	for (unsigned i = 0; i < STATE_N; i++) {
		strbuf_addf(b, "<rect x=\"%u\" y=\"%zu\" width=\"10\" height=\"10\" fill=\"%s\"/><text x=\"%u\" y=\"%zu\">%s</text>\n", x,
			    y + 18, looks[i].fill, x + 14, y + 27, looks[i].label);
		x += 30 + (unsigned)strlen(looks[i].label) * 6;
	}
}

void overview_draw(struct strbuf *b, const struct overview *o, const struct summary *s, const struct summary_process *p)
{
	static const char pattern[] =
		"<pattern id=\"%s\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><rect width=\"4\" height=\"4\" fill=\"%s\"/>"
		"<path d=\"M0 4L4 0\" stroke=\"#ffffff\" stroke-width=\"1\"/></pattern>";
	const size_t n = p->n_threads < THREADS_SHOWN ? p->n_threads : THREADS_SHOWN;

	if (!n || !o->state)
		return;
	strbuf_addf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 %d %zu\" width=\"100%%\" font-size=\"10\" "
		    "font-family=\"sans-serif\" fill=\"#555555\"><title>What each thread did most of the time, from left to right</title>\n<defs>",
		    LABEL + OVERVIEW_BUCKETS * BUCKET + 10, n * ROW + LEGEND);
	strbuf_addf(b, pattern, "waits", "#d55e00");
	strbuf_addf(b, pattern, "lock", "#cc79a7");
	strbuf_adds(b, "</defs>\n");
	for (size_t i = 0; i < n; i++)
		if (p->threads[i].thread < o->threads)
			draw_thread(b, o->state + (size_t)p->threads[i].thread * OVERVIEW_BUCKETS, &p->threads[i], i);
	draw_legend(b, n * ROW, s->duration_ns);
	strbuf_adds(b, "</svg>\n");
	if (p->n_threads > n)
		strbuf_addf(b, "<p>The %zu threads that wait most, of %zu.</p>\n", n, p->n_threads);
}
