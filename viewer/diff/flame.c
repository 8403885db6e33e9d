/* A differential flame graph as SVG, outermost frame on top.  A frame is as wide as its time in base and head together, so that
 * widths add up whatever became new or went; its colour and first sign say what changed.  diff.js finds what it needs in the
 * data-* attributes: b and h (seconds per unit), d (depth).  Frames too narrow to be seen are left out, and counted. */
#include <stdio.h>
#include <string.h>

#include "core/analysis/stack_difference.h"
#include "core/util/escape.h"
#include "viewer/diff/diff_priv.h"
#include "viewer/html/markup.h"

enum { WIDTH = 1200, ROW = 17, FRAMES_SHOWN = 5000, DEPTH_SHOWN = 130, CHAR = 7, PAD = 3 };
static const double NARROWEST = 1; /* of WIDTH */

static const struct { const char *id, *title, *about; } graphs[STACKS_N] = {
	[STACKS_WAIT] = {"wait", "Waiting for the GIL: who waits", "stacks of the threads that wait"},
	[STACKS_HOLD] = {"hold", "Waiting for the GIL: who holds it meanwhile", "the same time by the stacks of the holders"},
	[STACKS_LOCKS] = {"locks", "Waiting for other locks", "stacks of the threads that wait"},
	[STACKS_GIL] = {"gil", "On a CPU with the GIL", "sampled stacks"},
	[STACKS_NOGIL] = {"nogil", "On a CPU without the GIL", "sampled stacks"},
};

struct drawing {
	struct strbuf *b;
	const struct difference *d;
	double scale; /* units of width per second */
	double narrowest;
	size_t left_out;
	unsigned deepest;
};

static double size_of(const struct stack_node *n)
{
	return n->all.base + n->all.head;
}

static void put_label(struct drawing *g, const struct stack_node *n, enum change change, double x, unsigned y, double width)
{
	size_t room = width > 2 * PAD ? (size_t)((width - 2 * PAD) / CHAR) : 0;
	autostrbuf label = STRBUF_INIT;

	if (room < 3)
		return;
	strbuf_adds(&label, !diff_compares(g->d) ? "" : change == CHANGE_NEW ? "+ " : change == CHANGE_GONE ? "− " : "");
	strbuf_adds(&label, n->function);
	if (utf8_columns(label.s) > room) {
		strbuf_truncate(&label, utf8_prefix(label.s, room - 1));
		strbuf_adds(&label, "…");
	}
	strbuf_addf(g->b, "<text x=\"%.1f\" y=\"%u\">", x + PAD, y + ROW - 5);
	markup_text(g->b, label.s);
	strbuf_adds(g->b, "</text>");
}

static void put_title(struct drawing *g, const struct stack_node *n)
{
	char base[SECONDS_LEN], head[SECONDS_LEN], change[SECONDS_LEN];

	strbuf_adds(g->b, "<title>");
	markup_text(g->b, n->function);
	if (*n->at) {
		strbuf_adds(g->b, " (");
		markup_text(g->b, n->at);
		strbuf_adds(g->b, ")");
	}
	if (diff_compares(g->d))
		strbuf_addf(g->b, ": %s → %s %s, %s</title>", seconds_text(base, n->all.base), seconds_text(head, n->all.head), per_unit(g->d),
			    change_text(change, g->d, n->all.base, n->all.head));
	else
		strbuf_addf(g->b, ": %s %s</title>", seconds_text(head, n->all.head), per_unit(g->d));
}

/* As deep as stacks are. */
static void put_frame(struct drawing *g, const struct stack_node *n, unsigned depth, double x)
{
	double width = size_of(n) * g->scale;
	enum change change = difference_change(n->all.base, n->all.head, g->d->nothing);
	unsigned y = depth * ROW;

	if (width < g->narrowest || depth >= DEPTH_SHOWN) {
		g->left_out++;
		return;
	}
	g->deepest = depth > g->deepest ? depth : g->deepest;
	strbuf_addf(g->b, "<g class=\"f %s\" data-d=\"%u\" data-b=\"%.6g\" data-h=\"%.6g\">", diff_compares(g->d) ? change_names[change] : "same", depth,
		    n->all.base, n->all.head);
	put_title(g, n);
	strbuf_addf(g->b, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>", x, y, width > 0.5 ? width - 0.5 : width, ROW - 1);
	put_label(g, n, change, x, y, width);
	strbuf_adds(g->b, "</g>\n");
	for (const struct stack_node *c = n->first; c; c = c->next) {
		put_frame(g, c, depth + 1, x);
		x += size_of(c) * g->scale;
	}
}

static size_t count(const struct stack_node *n, double least, unsigned depth)
{
	size_t sum = 1;

	if (size_of(n) < least || depth >= DEPTH_SHOWN)
		return 0;
	for (const struct stack_node *c = n->first; c; c = c->next)
		sum += count(c, least, depth + 1);
	return sum;
}

static void put_svg(struct strbuf *b, struct drawing *g, const struct stack_node *root, const char *title)
{
	autostrbuf frames = STRBUF_INIT;

	g->b = &frames;
	g->narrowest = NARROWEST;
	while (count(root, g->narrowest / g->scale, 0) > FRAMES_SHOWN)
		g->narrowest *= 1.5;
	put_frame(g, root, 0, 0);
	strbuf_addf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flame\" role=\"img\" aria-label=\"%s: a flame graph; its frames as a table "
		    "are below\" viewBox=\"0 0 %d %u\" width=\"100%%\">\n", title, WIDTH, (g->deepest + 1) * ROW);
	strbuf_add(b, frames.s, frames.n);
	strbuf_adds(b, "</svg>\n");
	if (g->left_out)
		strbuf_addf(b, "<p class=\"quiet\">Left out as too narrow to be seen, with what they call: %zu frame%s.</p>\n", g->left_out,
			    g->left_out == 1 ? "" : "s");
}

void put_graph(struct strbuf *b, const struct difference *d, const struct stack_difference *s, enum stack_graph which)
{
	const struct stack_node *root = &s->roots[which];
	struct drawing g = {.d = d};
	char base[SECONDS_LEN], head[SECONDS_LEN], change[SECONDS_LEN];

	if (difference_change(root->all.base, root->all.head, d->nothing) == CHANGE_NONE)
		return;
	g.scale = WIDTH / size_of(root);
	strbuf_addf(b, "<section class=\"graph\" id=\"%s\">\n<h2>%s</h2>\n<p class=\"quiet\">%s: ", graphs[which].id, graphs[which].title,
		    graphs[which].about);
	if (diff_compares(d))
		strbuf_addf(b, "%s → %s %s, %s</p>\n", seconds_text(base, root->all.base), seconds_text(head, root->all.head), per_unit(d),
			    change_text(change, d, root->all.base, root->all.head));
	else
		strbuf_addf(b, "%s %s</p>\n", seconds_text(head, root->all.head), per_unit(d));
	put_svg(b, &g, root, graphs[which].title);
	put_functions(b, d, &s->functions[which]);
	strbuf_adds(b, "</section>\n");
}
