/* See stack_table.h.  Nodes are interned from the root down, so a caller has a smaller number than what it calls. */
#include "viewer/html/stack_table.h"

#include <string.h>

#include "core/util/xalloc.h"
#include "viewer/html/columns.h"
#include "viewer/html/markup.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

struct entry { /* of one of the three sets */
	struct entry_key { uint32_t a, b, c; } key;
	uint32_t id;
	UT_hash_handle hh;
};

struct name {
	uint32_t id;
	UT_hash_handle hh;
	char text[];
};

struct tree {
	struct entry *nodes, *frames; /* (parent, frame); (function, file, line) */
	struct name *names;
	vec(struct entry_key) node_rows, frame_rows;
	vec(uint32_t) leaves;
	vec(unsigned char) flags;
	struct strbuf *strings;
	uint32_t n_names;
};

void stack_table_init(struct stack_table *t, struct reader *r)
{
	*t = (struct stack_table){ .reader = r, .dense = xcalloc(reader_info(r)->stacks, sizeof(*t->dense)) };
	vec_push(&t->ids, 0);
}

void stack_table_done(struct stack_table *t)
{
	free(t->dense);
	vec_done(&t->ids);
}

uint32_t stack_table_id(struct stack_table *t, uint64_t stack)
{
	if (!stack || stack >= reader_info(t->reader)->stacks)
		return 0;
	if (!t->dense[stack]) {
		t->dense[stack] = (uint32_t)t->ids.n;
		vec_push(&t->ids, (uint32_t)stack);
	}
	return t->dense[stack];
}

static uint32_t name_id(struct tree *t, const char *text)
{
	size_t n = strlen(text);
	struct name *e;

	HASH_FIND(hh, t->names, text, n, e);
	if (e)
		return e->id;
	e = xmalloc(sizeof(*e) + n + 1);
	memcpy(e->text, text, n + 1);
	e->id = t->n_names++;
	HASH_ADD(hh, t->names, text, n, e);
	strbuf_adds(t->strings, e->id ? ",\n" : "");
	markup_json(t->strings, text);
	return e->id;
}

static struct entry *intern(struct entry **set, struct entry_key key)
{
	struct entry *e;

	HASH_FIND(hh, *set, &key, sizeof(key), e);
	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->key = key;
	e->id = UINT32_MAX; /* new: the caller numbers it */
	HASH_ADD(hh, *set, key, sizeof(e->key), e);
	return e;
}

static uint32_t frame_id(struct tree *t, const struct reader_frame *f)
{
	struct entry_key key = { name_id(t, f->function), name_id(t, f->file), f->line };
	struct entry *e = intern(&t->frames, key);

	if (e->id == UINT32_MAX) {
		e->id = (uint32_t)t->frame_rows.n;
		vec_push(&t->frame_rows, key);
	}
	return e->id;
}

static uint32_t node_id(struct tree *t, uint32_t parent, uint32_t frame)
{
	struct entry_key key = { parent, frame, 0 };
	struct entry *e = intern(&t->nodes, key);

	if (e->id == UINT32_MAX) {
		e->id = (uint32_t)t->node_rows.n;
		vec_push(&t->node_rows, key);
	}
	return e->id;
}

static void add_stack(struct tree *t, struct reader *r, uint32_t stack)
{
	const struct reader_frame *frames;
	unsigned flags, n = reader_stack(r, stack, &frames, &flags);
	uint32_t node = 0;

	while (n--)
		node = node_id(t, node, frame_id(t, &frames[n]));
	vec_push(&t->leaves, node);
	vec_push(&t->flags, (unsigned char)flags);
}

static uint64_t leaf_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->leaves.items[row]; }
static uint64_t flags_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->flags.items[row]; }
static uint64_t parent_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->node_rows.items[row].a; }
static uint64_t frame_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->node_rows.items[row].b; }
static uint64_t function_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->frame_rows.items[row].a; }
static uint64_t file_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->frame_rows.items[row].b; }
static uint64_t line_of(const void *ctx, size_t row) { return ((const struct tree *)ctx)->frame_rows.items[row].c; }

static void write_tables(const struct tree *t, struct block_writer *w)
{
	table_begin(w, "stacks", t->leaves.n);
	table_column(w, "node", 'u', leaf_of, t);
	table_column(w, "flags", 'u', flags_of, t);
	table_end(w);
	table_begin(w, "nodes", t->node_rows.n);
	table_column(w, "parent", 'u', parent_of, t);
	table_column(w, "frame", 'u', frame_of, t);
	table_end(w);
	table_begin(w, "frames", t->frame_rows.n);
	table_column(w, "function", 'u', function_of, t);
	table_column(w, "file", 'u', file_of, t);
	table_column(w, "line", 'u', line_of, t);
	table_end(w);
}

static void free_entries(struct entry *set)
{
	struct entry *e, *next;

	HASH_ITER(hh, set, e, next) {
		HASH_DEL(set, e);
		free(e);
	}
}

void stack_table_write(const struct stack_table *s, struct block_writer *w, struct strbuf *strings)
{
	struct tree t = { .strings = strings };
	struct name *n, *next;

	/* frame 0, node 0 and stack 0 are "none" */
	frame_id(&t, &(struct reader_frame){ .function = "", .file = "" });
	node_id(&t, 0, 0);
	for (size_t i = 0; i < s->ids.n; i++)
		add_stack(&t, s->reader, s->ids.items[i]);
	write_tables(&t, w);
	HASH_ITER(hh, t.names, n, next) {
		HASH_DEL(t.names, n);
		free(n);
	}
	free_entries(t.nodes);
	free_entries(t.frames);
	vec_done(&t.node_rows);
	vec_done(&t.frame_rows);
	vec_done(&t.leaves);
	vec_done(&t.flags);
}
