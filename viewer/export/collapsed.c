/* Collapsed stacks: one line per distinct stack, outermost first, frames joined by ';', a space, a whole number of
 * microseconds (rounded to the nearest; a stack below half of one is counted as one, so that none vanishes).
 * Read by flamegraph.pl, inferno, speedscope, and Perfetto. */
#include <string.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "viewer/export/export.h"
#include "viewer/export/roster.h"

/* ';' separates frames, a line ends a stack: neither can be in a name. */
static void add_name(struct strbuf *line, const char *name)
{
	size_t from = line->n;

	escape_adds(line, name);
	for (size_t i = from; i < line->n; i++)
		if (line->s[i] == ';')
			line->s[i] = ':';
}

static void add_stack(struct strbuf *line, struct reader *r, uint64_t stack)
{
	const struct reader_frame *frames;
	unsigned flags, n = reader_stack_whole(r, stack, &frames, &flags);

	if (!n)
		strbuf_adds(line, ";[no stack]");
	if (flags & READER_STACK_F_TRUNCATED)
		strbuf_adds(line, ";[truncated]");
	while (n--) {
		strbuf_addc(line, ';');
		add_name(line, frames[n].function);
		strbuf_adds(line, " (");
		add_name(line, frames[n].file);
		if (frames[n].native)
			strbuf_addc(line, ')');
		else
			strbuf_addf(line, ":%u)", frames[n].line);
	}
}

int export_collapsed(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	enum flame_weight weight = options->weight == FLAME_WEIGHT_N ? FLAME_WAIT : options->weight;
	autostrbuf line = STRBUF_INIT;
	struct flame_sums sums;
	struct roster ro;
	int err = roster_load(&ro, r);

	if (!err && !(err = flame_sums_load(&sums, r, &ro, weight))) {
		for (size_t i = 0; i < sums.n && !ferror(out); i++) {
			const struct flame_sum *s = &sums.items[i];
			const struct roster_thread *t = roster_thread(&ro, s->thread);
			uint64_t us = (s->ns + 500) / 1000;
			char leaf[FLAME_LEAF_MAX];

			strbuf_clear(&line);
			if (t->known) {
				add_name(&line, t->name);
				strbuf_addf(&line, " (%u)", t->tid);
			} else {
				strbuf_adds(&line, "several threads");
			}
			add_stack(&line, r, s->stack);
			flame_leaf(s, weight, &ro, leaf);
			fprintf(out, "%s%s%s %llu\n", line.s, *leaf ? ";" : "", leaf, (unsigned long long)(us ? us : 1));
		}
		flame_sums_done(&sums);
	}
	roster_done(&ro);
	if (err)
		*why = *reader_failure(r);
	return err;
}
