/* See firefox_tables.h. */
#include "viewer/export/firefox_tables.h"

#include <string.h>
#include <uthash.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/strbuf.h"

struct firefox_pooled {
	int64_t number;
	UT_hash_handle hh;
	char key[];
};

static const struct { const char *name, *color; } categories[STATE_N] = {
	[STATE_GIL] = {"Has GIL", "green"}, [STATE_NOGIL] = {"No GIL", "blue"}, [STATE_WAIT_GIL] = {"Waiting for GIL", "orange"},
	[STATE_WAIT_LOCK] = {"Waiting for lock", "magenta"}, [STATE_BLOCKED] = {"Blocked", "lightblue"},
	[STATE_SLEEP] = {"Sleeping", "transparent"}, [STATE_RUNNABLE] = {"Wants a CPU", "yellow"}, [STATE_UNKNOWN] = {"Other", "grey"},
};

/* The number of a key, `next` if it is new. */
static int64_t pool(struct firefox_tables *t, struct firefox_pooled **entries, const void *key, size_t n, size_t next, bool *ret_new)
{
	struct firefox_pooled *e;

	HASH_FIND(hh, *entries, key, n, e);
	*ret_new = !e;
	if (!e) {
		e = arena_alloc(&t->arena, sizeof(*e) + n + 1);
		memcpy(e->key, key, n);
		e->number = (int64_t)next;
		HASH_ADD_KEYPTR(hh, *entries, e->key, n, e);
	}
	return e->number;
}

uint32_t firefox_string(struct firefox_tables *t, const char *raw)
{
	autostrbuf shown = STRBUF_INIT;
	bool is_new;
	int64_t number;

	escape_adds(&shown, raw);
	number = pool(t, &t->strings, shown.s, shown.n, t->string_list.n, &is_new);
	if (is_new)
		vec_push(&t->string_list, arena_strndup(&t->arena, shown.s, shown.n));
	return (uint32_t)number;
}

static uint32_t frame(struct firefox_tables *t, const char *function, const char *file, uint32_t line, uint32_t first_line, uint32_t category)
{
	uint32_t name = firefox_string(t, function), path = firefox_string(t, file);
	struct firefox_func func = {.name = name, .line = first_line};
	struct firefox_frame f = {.line = line, .category = category};
	int64_t number;
	bool is_new;

	func.source = (uint32_t)pool(t, &t->sources, &path, sizeof(path), t->source_list.n, &is_new);
	if (is_new)
		vec_push(&t->source_list, path);
	f.func = (uint32_t)pool(t, &t->funcs, &func, sizeof(func), t->func_list.n, &is_new);
	if (is_new)
		vec_push(&t->func_list, func);
	number = pool(t, &t->frames, &f, sizeof(f), t->frame_list.n, &is_new);
	if (is_new)
		vec_push(&t->frame_list, f);
	return (uint32_t)number;
}

static int32_t push(struct firefox_tables *t, int32_t prefix, uint32_t of_frame)
{
	struct firefox_node node = {.frame = of_frame, .prefix = prefix};
	bool is_new;
	int64_t number = pool(t, &t->nodes, &node, sizeof(node), t->node_list.n, &is_new);

	if (is_new)
		vec_push(&t->node_list, node);
	return (int32_t)number;
}

int64_t firefox_stack(struct firefox_tables *t, struct reader *r, uint64_t stack, uint32_t category)
{
	struct { uint64_t stack, category; } key = {stack, category};
	const struct reader_frame *frames;
	struct firefox_pooled *known;
	unsigned flags, n;
	int32_t node = -1;
	bool is_new;

	HASH_FIND(hh, t->stacks, &key, sizeof(key), known);
	if (known)
		return known->number;
	n = reader_stack(r, stack, &frames, &flags);
	if (!n)
		return -1;
	if (flags & READER_STACK_F_TRUNCATED)
		node = push(t, node, frame(t, "[truncated]", "", 0, 0, category));
	while (n--)
		node = push(t, node, frame(t, frames[n].function, frames[n].file, frames[n].line, frames[n].first_line, category));
	pool(t, &t->stacks, &key, sizeof(key), (size_t)node, &is_new);
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
	for (size_t i = 0; i < (n); i++) \
		put; \
	stream_close(s); \
} while (0)

static void line_or_null(struct stream *s, uint32_t line)
{
	if (line)
		stream_int(s, NULL, line);
	else
		stream_null(s, NULL);
}

static void put_stacks(const struct firefox_tables *t, struct stream *s)
{
	const struct firefox_node *nodes = t->node_list.items;
	size_t n = t->node_list.n;

	stream_open(s, "stackTable", '{');
	COLUMN(s, "frame", n, stream_int(s, NULL, nodes[i].frame));
	COLUMN(s, "prefix", n, nodes[i].prefix < 0 ? stream_null(s, NULL) : stream_int(s, NULL, nodes[i].prefix));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_frames(const struct firefox_tables *t, struct stream *s)
{
	const struct firefox_frame *frames = t->frame_list.items;
	size_t n = t->frame_list.n;

	stream_open(s, "frameTable", '{');
	COLUMN(s, "address", n, stream_int(s, NULL, -1));
	COLUMN(s, "inlineDepth", n, stream_int(s, NULL, 0));
	COLUMN(s, "category", n, stream_int(s, NULL, frames[i].category));
	COLUMN(s, "subcategory", n, stream_int(s, NULL, 0));
	COLUMN(s, "func", n, stream_int(s, NULL, frames[i].func));
	COLUMN(s, "nativeSymbol", n, stream_null(s, NULL));
	COLUMN(s, "innerWindowID", n, stream_null(s, NULL));
	COLUMN(s, "line", n, line_or_null(s, frames[i].line));
	COLUMN(s, "column", n, stream_null(s, NULL));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_funcs(const struct firefox_tables *t, struct stream *s)
{
	const struct firefox_func *funcs = t->func_list.items;
	size_t n = t->func_list.n;

	stream_open(s, "funcTable", '{');
	COLUMN(s, "name", n, stream_int(s, NULL, funcs[i].name));
	COLUMN(s, "isJS", n, stream_bool(s, NULL, false));
	COLUMN(s, "relevantForJS", n, stream_bool(s, NULL, false));
	COLUMN(s, "resource", n, stream_int(s, NULL, -1));
	COLUMN(s, "source", n, stream_int(s, NULL, funcs[i].source));
	COLUMN(s, "lineNumber", n, line_or_null(s, funcs[i].line));
	COLUMN(s, "columnNumber", n, stream_null(s, NULL));
	stream_int(s, "length", (int64_t)n);
	stream_close(s);
}

static void put_sources(const struct firefox_tables *t, struct stream *s)
{
	size_t n = t->source_list.n;

	stream_open(s, "sources", '{');
	COLUMN(s, "id", n, stream_null(s, NULL));
	COLUMN(s, "filename", n, stream_int(s, NULL, t->source_list.items[i]));
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
	COLUMN(s, "stringArray", t->string_list.n, stream_text(s, NULL, t->string_list.items[i]));
	stream_close(s);
}

void firefox_tables_init(struct firefox_tables *t)
{
	memset(t, 0, sizeof(*t));
}

void firefox_tables_done(struct firefox_tables *t)
{
	struct firefox_pooled **all[] = {&t->strings, &t->sources, &t->funcs, &t->frames, &t->nodes, &t->stacks};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		HASH_CLEAR(hh, *all[i]);
	vec_done(&t->string_list);
	vec_done(&t->source_list);
	vec_done(&t->func_list);
	vec_done(&t->frame_list);
	vec_done(&t->node_list);
	arena_done(&t->arena);
}
