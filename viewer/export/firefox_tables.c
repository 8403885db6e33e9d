/* See firefox_tables.h. */
#include "viewer/export/firefox_tables.h"

#include <string.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"

static const struct { const char *name, *color; } categories[STATE_N] = {
	[STATE_GIL] = {"Has GIL", "green"}, [STATE_NOGIL] = {"No GIL", "blue"}, [STATE_WAIT_GIL] = {"Waiting for GIL", "orange"},
	[STATE_WAIT_LOCK] = {"Waiting for lock", "magenta"}, [STATE_BLOCKED] = {"Blocked", "lightblue"},
	[STATE_SLEEP] = {"Sleeping", "transparent"}, [STATE_RUNNABLE] = {"Wants a CPU", "yellow"}, [STATE_UNKNOWN] = {"Other", "grey"},
};

uint32_t firefox_string(struct firefox_tables *t, const char *raw)
{
	autostrbuf shown = STRBUF_INIT;

	escape_adds(&shown, raw);
	return pool_number(&t->strings, shown.s, shown.n, NULL);
}

static uint32_t frame(struct firefox_tables *t, const char *function, const char *file, uint32_t line, uint32_t first_line, uint32_t category)
{
	uint32_t name = firefox_string(t, function), path = firefox_string(t, file);
	struct firefox_func func = {.name = name, .line = first_line};
	struct firefox_frame f = {.line = line, .category = category};

	func.source = pool_number(&t->sources, &path, sizeof(path), NULL);
	f.func = pool_number(&t->funcs, &func, sizeof(func), NULL);
	return pool_number(&t->frames, &f, sizeof(f), NULL);
}

static int32_t push(struct firefox_tables *t, int32_t prefix, uint32_t of_frame)
{
	struct firefox_node node = {.frame = of_frame, .prefix = prefix};

	return (int32_t)pool_number(&t->nodes, &node, sizeof(node), NULL);
}

int64_t firefox_stack(struct firefox_tables *t, struct reader *r, uint64_t stack, uint32_t category)
{
	const uint64_t key[] = {stack, category};
	const struct reader_frame *frames;
	uint32_t known = pool_find(&t->stacks, key, sizeof(key));
	unsigned flags, n;
	int32_t node = -1;

	if (known != POOL_NONE)
		return t->node_of.items[known];
	n = reader_stack_whole(r, stack, &frames, &flags);
	if (!n)
		return -1;
	if (flags & READER_STACK_F_TRUNCATED)
		node = push(t, node, frame(t, "[truncated]", "", 0, 0, category));
	while (n--)
		node = push(t, node, frame(t, frames[n].function, frames[n].file, frames[n].line, frames[n].first_line, category));
	pool_number(&t->stacks, key, sizeof(key), NULL);
	vec_push(&t->node_of, node);
	return node;
}

uint32_t firefox_category(unsigned state)
{
	return state < STATE_N ? state : STATE_UNKNOWN;
}

void firefox_put_categories(struct stream *s)
{
	stream_open(s, "categories", '[');
	for (unsigned i = 0; i < STATE_N; i++) {
		stream_open(s, NULL, '{');
		stream_text(s, "name", categories[i].name);
		stream_text(s, "color", categories[i].color);
		stream_open(s, "subcategories", '[');
		stream_text(s, NULL, "Other");
		stream_close(s);
		stream_close(s);
	}
	stream_close(s);
}

/* A column: put is done for each row i. */
#define COLUMN(s, name, n, put) do { \
	stream_open(s, name, '['); \
	for (uint32_t i = 0; i < (n); i++) \
		put; \
	stream_close(s); \
} while (0)

#define ROW(type, pool, i) ((const type *)pool_key(pool, (i), NULL))

static void line_or_null(struct stream *s, uint32_t line)
{
	if (line)
		stream_int(s, NULL, line);
	else
		stream_null(s, NULL);
}

static void put_prefix(struct stream *s, int32_t prefix)
{
	if (prefix < 0)
		stream_null(s, NULL);
	else
		stream_int(s, NULL, prefix);
}

static void put_stacks(const struct firefox_tables *t, struct stream *s)
{
	uint32_t n = pool_size(&t->nodes);

	stream_open(s, "stackTable", '{');
	COLUMN(s, "frame", n, stream_int(s, NULL, ROW(struct firefox_node, &t->nodes, i)->frame));
	COLUMN(s, "prefix", n, put_prefix(s, ROW(struct firefox_node, &t->nodes, i)->prefix));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_frames(const struct firefox_tables *t, struct stream *s)
{
	uint32_t n = pool_size(&t->frames);

	stream_open(s, "frameTable", '{');
	COLUMN(s, "address", n, stream_int(s, NULL, -1));
	COLUMN(s, "inlineDepth", n, stream_int(s, NULL, 0));
	COLUMN(s, "category", n, stream_int(s, NULL, ROW(struct firefox_frame, &t->frames, i)->category));
	COLUMN(s, "subcategory", n, stream_int(s, NULL, 0));
	COLUMN(s, "func", n, stream_int(s, NULL, ROW(struct firefox_frame, &t->frames, i)->func));
	COLUMN(s, "nativeSymbol", n, stream_null(s, NULL));
	COLUMN(s, "innerWindowID", n, stream_null(s, NULL));
	COLUMN(s, "line", n, line_or_null(s, ROW(struct firefox_frame, &t->frames, i)->line));
	COLUMN(s, "column", n, stream_null(s, NULL));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_funcs(const struct firefox_tables *t, struct stream *s)
{
	uint32_t n = pool_size(&t->funcs);

	stream_open(s, "funcTable", '{');
	COLUMN(s, "name", n, stream_int(s, NULL, ROW(struct firefox_func, &t->funcs, i)->name));
	COLUMN(s, "isJS", n, stream_bool(s, NULL, false));
	COLUMN(s, "relevantForJS", n, stream_bool(s, NULL, false));
	COLUMN(s, "resource", n, stream_int(s, NULL, -1));
	COLUMN(s, "source", n, stream_int(s, NULL, ROW(struct firefox_func, &t->funcs, i)->source));
	COLUMN(s, "lineNumber", n, line_or_null(s, ROW(struct firefox_func, &t->funcs, i)->line));
	COLUMN(s, "columnNumber", n, stream_null(s, NULL));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_sources(const struct firefox_tables *t, struct stream *s)
{
	uint32_t n = pool_size(&t->sources);

	stream_open(s, "sources", '{');
	COLUMN(s, "id", n, stream_null(s, NULL));
	COLUMN(s, "filename", n, stream_int(s, NULL, *ROW(uint32_t, &t->sources, i)));
	COLUMN(s, "startLine", n, stream_int(s, NULL, 1));
	COLUMN(s, "startColumn", n, stream_int(s, NULL, 1));
	COLUMN(s, "sourceMapURL", n, stream_null(s, NULL));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_empty(struct stream *s, const char *name, const char *const *columns)
{
	stream_open(s, name, '{');
	for (; *columns; columns++) {
		stream_open(s, *columns, '[');
		stream_close(s);
	}
	stream_int(s, "length", 0);
	stream_close(s);
}

void firefox_put_tables(const struct firefox_tables *t, struct stream *s)
{
	static const char *const resource_columns[] = {"lib", "name", "host", "type", NULL};
	static const char *const symbol_columns[] = {"libIndex", "address", "name", "functionSize", NULL};

	stream_open(s, "shared", '{');
	put_stacks(t, s);
	put_frames(t, s);
	put_funcs(t, s);
	put_empty(s, "resourceTable", resource_columns);
	put_empty(s, "nativeSymbols", symbol_columns);
	put_sources(t, s);
	COLUMN(s, "stringArray", pool_size(&t->strings), stream_text(s, NULL, pool_key(&t->strings, i, NULL)));
	stream_close(s);
}

void firefox_tables_init(struct firefox_tables *t)
{
	memset(t, 0, sizeof(*t));
}

void firefox_tables_done(struct firefox_tables *t)
{
	struct pool *all[] = {&t->strings, &t->sources, &t->funcs, &t->frames, &t->nodes, &t->stacks};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		pool_done(all[i]);
	vec_done(&t->node_of);
}
