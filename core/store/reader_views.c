/* Reading half: the views of FORMAT.md, row by row.
 *
 * Views of the file itself are never run (anybody may have written them).  Ours are: the text of schema.c becomes a WITH clause,
 * one common table for each view, and the view that was asked for is selected from it. */
#include <errno.h>
#include <string.h>

#include "core/store/reader_priv.h"
#include "core/store/schema.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"

enum { MAX_COLUMNS = 32 };
static const char view_begin[] = "CREATE VIEW ";

/* The next view of the schema's text: its name and body; false at the end. */
static bool next_view(const char **at, const char **ret_name, size_t *ret_name_n, const char **ret_body, size_t *ret_body_n)
{
	const char *view = strstr(*at, view_begin), *end, *as;

	if (!view)
		return false;
	*ret_name = view + strlen(view_begin);
	as = strstr(*ret_name, " AS ");
	end = strstr(*ret_name, ";\n");
	if (!as || !end || as > end)
		return false;
	*ret_name_n = (size_t)(as - *ret_name);
	*ret_body = as + strlen(" AS ");
	*ret_body_n = (size_t)(end - *ret_body);
	*at = end;
	return true;
}

static bool build_query(const char *wanted, struct strbuf *sql, struct strbuf *names)
{
	const char *at = schema_views_sql, *name, *body;
	size_t name_n, body_n;
	bool found = false;

	while (next_view(&at, &name, &name_n, &body, &body_n)) {
		strbuf_adds(sql, sql->n ? ", " : "WITH ");
		strbuf_add(sql, name, name_n);
		strbuf_adds(sql, " AS (");
		strbuf_add(sql, body, body_n);
		strbuf_addc(sql, ')');
		strbuf_adds(names, names->n ? ", " : "");
		strbuf_add(names, name, name_n);
		found |= strlen(wanted) == name_n && !memcmp(wanted, name, name_n);
	}
	if (found)
		strbuf_addf(sql, " SELECT * FROM %s", wanted);
	return found;
}

static struct reader_cell cell(sqlite3_stmt *st, int column)
{
	struct reader_cell c = {.name = sqlite3_column_name(st, column)};

	switch (sqlite3_column_type(st, column)) {
	case SQLITE_INTEGER:
		c.kind = READER_CELL_INT;
		c.i = sqlite3_column_int64(st, column);
		break;
	case SQLITE_FLOAT:
		c.kind = READER_CELL_REAL;
		c.d = sqlite3_column_double(st, column);
		break;
	case SQLITE_NULL:
		c.kind = READER_CELL_NULL;
		break;
	default:
		c.kind = READER_CELL_TEXT;
		c.text = (const char *)sqlite3_column_text(st, column);
		if (!c.text)
			c.text = "";
	}
	return c;
}

int reader_view(struct reader *r, const char *view, int (*row)(void *ctx, const struct reader_cell *cells, unsigned n), void *ctx)
{
	autostrbuf sql = STRBUF_INIT, names = STRBUF_INIT;
	struct reader_cell cells[MAX_COLUMNS];
	struct query q;
	bool head = true;

	if (!build_query(view, &sql, &names)) {
		char shown[100];

		escape_to(shown, sizeof(shown), view, strlen(view));
		fail_set(&r->failure, -EINVAL, FAIL_USAGE, "could not read view '%s': there is none of that name", shown);
		return fail_hint(&r->failure, "There are: %s.", names.s);
	}
	reader_enlarge_cache(r); /* joins and sorts, where rows are scanned else */
	r->own_views = true; /* a common table shadows a view of the same name, and SQLITE_DBCONFIG_ENABLE_VIEW is off */
	reader_query(r, &q, "the rows", sql.s);
	r->own_views = false;
	while (reader_next(&q)) {
		int n = sqlite3_column_count(q.st);

		n = n < MAX_COLUMNS ? n : MAX_COLUMNS;
		for (int i = 0; i < n; i++)
			cells[i] = cell(q.st, i);
		q.err = row(ctx, cells, (unsigned)n);
		head = false;
	}
	/* of an empty view only the names of the columns are known */
	if (head && !q.err && q.st) {
		int n = sqlite3_column_count(q.st);

		n = n < MAX_COLUMNS ? n : MAX_COLUMNS;
		for (int i = 0; i < n; i++)
			cells[i] = (struct reader_cell){.kind = READER_CELL_HEAD, .name = sqlite3_column_name(q.st, i)};
		q.err = row(ctx, cells, (unsigned)n);
	}
	return reader_done(&q);
}
