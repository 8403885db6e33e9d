/* See static_part.h. */
#include "viewer/html/static_part.h"

#include "core/analysis/summary.h"
#include "core/util/strbuf.h"
#include "viewer/html/markup.h"

static void put_findings(struct strbuf *b, const struct summary_process *p)
{
	strbuf_adds(b, "<ul>\n");
	for (size_t i = 0; i < p->n_findings; i++) {
		strbuf_adds(b, "<li><b>");
		markup_text(b, p->findings[i].title);
		strbuf_adds(b, "</b> ");
		markup_text(b, p->findings[i].detail);
		strbuf_adds(b, "</li>\n");
	}
	strbuf_adds(b, "</ul>\n");
}

void static_part(FILE *out, const struct summary *s)
{
	autostrbuf b = STRBUF_INIT;

	strbuf_adds(&b, "<main id=\"static\">\n<h1>gilscope</h1>\n");
	for (size_t i = 0; i < s->n_processes; i++)
		put_findings(&b, &s->processes[i]);
	strbuf_adds(&b, "</main>\n");
	fwrite(b.s, 1, b.n, out);
}
