/* CSV (RFC 4180) of one view, names of the columns first.  A text that a spreadsheet would take for a formula gets an
 * apostrophe in front: names in a recording are strangers' (OWASP, CSV injection). */
#include <inttypes.h>
#include <string.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"
#include "viewer/export/export.h"

struct csv {
	FILE *out;
	bool headed;
};

static void put_text(FILE *out, const char *raw)
{
	autostrbuf shown = STRBUF_INIT;

	escape_adds(&shown, raw);
	fputs(shown.n && strchr("=+-@", shown.s[0]) ? "\"'" : "\"", out);
	for (size_t i = 0; i < shown.n; i++) {
		if (shown.s[i] == '"')
			fputc('"', out);
		fputc(shown.s[i], out);
	}
	fputc('"', out);
}

static void put_cell(FILE *out, const struct reader_cell *c)
{
	switch (c->kind) {
	case READER_CELL_INT:
		fprintf(out, "%" PRId64, c->i);
		break;
	case READER_CELL_REAL:
		fprintf(out, "%.17g", c->d);
		break;
	case READER_CELL_TEXT:
		put_text(out, c->text);
		break;
	case READER_CELL_NULL:
	case READER_CELL_HEAD:
		break;
	}
}

static int on_row(void *ctx, const struct reader_cell *cells, unsigned n)
{
	struct csv *csv = ctx;

	for (unsigned i = 0; !csv->headed && i < n; i++)
		fprintf(csv->out, "%s%s", cells[i].name, i + 1 < n ? "," : "\r\n");
	csv->headed = true;
	if (!n || cells[0].kind == READER_CELL_HEAD)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		put_cell(csv->out, &cells[i]);
		fputs(i + 1 < n ? "," : "\r\n", csv->out);
	}
	return ferror(csv->out) ? 1 : 0;
}

int export_csv(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	struct csv csv = {.out = out};
	int err = reader_view(r, options->view ? options->view : "v_waits", on_row, &csv);

	if (err < 0)
		*why = *reader_failure(r);
	return err < 0 ? err : 0;
}
