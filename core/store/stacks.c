/* Writing half: interning of stacks, frames and strings.
 *
 * A stack key (the collector's content hash) is given a stack id the first time any row or event names it; its row in
 * `stack` follows when the frames come, so a row may be written before the frames behind it are known.  Frames are
 * keyed by (pid, code, lasti, check), nodes by (parent, frame); both exist once, whatever the number of stacks.
 * Every table has a limit: a target that makes up stacks without end costs itself its stacks, not us our memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store_priv.h"
#include "core/timeline/lock_place.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define uthash_fatal(msg) abort() /* cannot happen: xmalloc stops first */
#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

#define MAX_STACKS (1u << 18)
#define MAX_NODES (1u << 19)
#define MAX_FRAMES (1u << 18)
#define MAX_STRINGS (1u << 18)

struct stack_entry {
	uint64_t key;
	uint32_t id, node;
	bool framed;
	UT_hash_handle hh;
};

struct node_key { uint32_t parent, frame; };
struct node_entry {
	struct node_key key;
	uint32_t id;
	UT_hash_handle hh;
};

struct frame_key { uint64_t code; uint32_t pid, check; int32_t lasti; uint32_t zero; };
struct frame_entry {
	struct frame_key key;
	uint32_t id;
	UT_hash_handle hh;
};

struct string_entry {
	uint32_t id;
	UT_hash_handle hh;
	char text[];
};

struct names { const char *function, *file; bool native; }; /* of a frame; NULL until they come */

struct store_stacks {
	vec(struct node_key) node_of; /* by id - 1 */
	vec(struct names) names; /* by frame id - 1 */
	struct stack_entry *stacks;
	struct node_entry *nodes;
	struct frame_entry *frames;
	struct string_entry *strings;
	uint32_t n_stacks, n_nodes, n_frames, n_strings; /* ids start at 1 */
	struct stack_entry *last; /* rows of one wait name the same stack again and again */
	bool full;
};

struct store_stacks *store_stacks_new(void)
{
	return xcalloc(1, sizeof(struct store_stacks));
}

#define FREE_TABLE(type, head) do { \
	type *entry_, *next_; \
	HASH_ITER(hh, head, entry_, next_) { \
		HASH_DEL(head, entry_); \
		free(entry_); \
	} \
} while (0)

void store_stacks_free(struct store_stacks *x)
{
	if (!x)
		return;
	FREE_TABLE(struct stack_entry, x->stacks);
	FREE_TABLE(struct node_entry, x->nodes);
	FREE_TABLE(struct frame_entry, x->frames);
	FREE_TABLE(struct string_entry, x->strings);
	vec_done(&x->node_of);
	vec_done(&x->names);
	free(x);
}

static void say_full(struct store *s, const char *what)
{
	char text[100];

	if (s->stacks->full)
		return;
	s->stacks->full = true;
	snprintf(text, sizeof(text), "too many distinct %s: new ones are left out", what);
	store_note(s, s->start_ns + (uint64_t)(s->last_ns > 0 ? s->last_ns : 0), text);
}

static struct stack_entry *stack_entry(struct store *s, uint64_t key)
{
	struct store_stacks *x = s->stacks;
	struct stack_entry *e;

	if (x->last && x->last->key == key)
		return x->last;
	HASH_FIND(hh, x->stacks, &key, sizeof(key), e);
	if (!e) {
		if (x->n_stacks >= MAX_STACKS) {
			say_full(s, "stacks");
			return NULL;
		}
		e = xcalloc(1, sizeof(*e));
		e->key = key;
		e->id = ++x->n_stacks;
		HASH_ADD(hh, x->stacks, key, sizeof(e->key), e);
	}
	x->last = e;
	return e;
}

uint32_t store_stack_id(struct store *s, uint64_t key)
{
	struct stack_entry *e = key ? stack_entry(s, key) : NULL;

	return e ? e->id : 0;
}

/* 0: no room */
static uint32_t node_id(struct store *s, uint32_t parent, uint32_t frame)
{
	struct store_stacks *x = s->stacks;
	struct node_key key = { parent, frame };
	struct node_entry *e;
	sqlite3_stmt *st;

	HASH_FIND(hh, x->nodes, &key, sizeof(key), e);
	if (e)
		return e->id;
	if (x->n_nodes >= MAX_NODES) {
		say_full(s, "stack nodes");
		return 0;
	}
	e = xcalloc(1, sizeof(*e));
	e->key = key;
	e->id = ++x->n_nodes;
	vec_push(&x->node_of, key);
	HASH_ADD(hh, x->nodes, key, sizeof(e->key), e);
	st = store_row(s, STMT_NODE);
	if (st) {
		bind_int(st, 1, e->id);
		bind_nonzero(st, 2, parent);
		bind_int(st, 3, frame);
		store_insert(s, st);
	}
	return e->id;
}

static uint32_t frame_id(struct store *s, uint32_t pid, const struct ev_frame *frame, bool *ret_new)
{
	struct store_stacks *x = s->stacks;
	struct frame_key key = { frame->code, pid, frame->check, frame->lasti, 0 };
	struct frame_entry *e;

	*ret_new = false;
	HASH_FIND(hh, x->frames, &key, sizeof(key), e);
	if (e)
		return e->id;
	if (x->n_frames >= MAX_FRAMES) {
		say_full(s, "frames");
		return 0;
	}
	e = xcalloc(1, sizeof(*e));
	e->key = key;
	e->id = ++x->n_frames;
	vec_push(&x->names, ((struct names){ NULL, NULL, frame->lasti == EV_NATIVE_FRAME }));
	HASH_ADD(hh, x->frames, key, sizeof(e->key), e);
	*ret_new = true;
	return e->id;
}

void store_stack(struct store *s, const struct ev_stack *stack,
		 void (*want_symbol)(void *ctx, uint32_t frame_id, uint32_t pid, const struct ev_frame *frame), void *ctx)
{
	struct stack_entry *e = stack->key ? stack_entry(s, stack->key) : NULL;
	uint32_t node = 0, named = 0, flags = 0;
	uint32_t inner = stack->h.flags & EV_F_NATIVE && stack->inner < stack->n ? stack->inner : 0;
	sqlite3_stmt *st;

	if (!e || e->framed || stack->n > EV_MAX_FRAMES)
		return;
	for (uint32_t i = stack->n; i-- > 0;) {
		bool is_new;
		uint32_t frame = frame_id(s, stack->h.pid, &stack->frames[i], &is_new);

		if (is_new && want_symbol)
			want_symbol(ctx, frame, stack->h.pid, &stack->frames[i]);
		node = frame ? node_id(s, node, frame) : 0;
		if (!node)
			return; /* the tables are full: this stack stays without frames */
		if (i == inner)
			named = node;
	}
	if (stack->h.flags & EV_F_TRUNCATED)
		flags |= 1;
	if (stack->h.flags & EV_F_TORN)
		flags |= 2;
	st = store_row(s, STMT_STACK);
	if (!st)
		return;
	bind_int(st, 1, e->id);
	bind_nonzero(st, 2, named);
	bind_int(st, 3, flags);
	store_insert(s, st);
	e->framed = true;
	e->node = named;
	st = node != named ? store_row(s, STMT_NATIVE_STACK) : NULL;
	if (!st)
		return;
	bind_int(st, 1, e->id);
	bind_int(st, 2, node);
	store_insert(s, st);
}

void store_native_frame(struct store *s, uint32_t pid, const struct ev_frame *frame, const struct store_symbol *symbol)
{
	bool is_new;
	uint32_t id = frame_id(s, pid, frame, &is_new);
	sqlite3_stmt *st;

	if (!is_new)
		return;
	store_symbol(s, id, symbol);
	st = store_row(s, STMT_NATIVE_FRAME);
	if (!st)
		return;
	bind_int(st, 1, id);
	bind_u64(st, 2, frame->code);
	store_insert(s, st);
}

static const struct string_entry *string_of(struct store *s, const char *text)
{
	struct store_stacks *x = s->stacks;
	char shown[STORE_TEXT_MAX + 1];
	size_t n = store_text(shown, sizeof(shown), text ? text : "?", STORE_TEXT_MAX);
	struct string_entry *e;
	sqlite3_stmt *st;

	if (!x->n_strings && strcmp(shown, "?"))
		string_of(s, "?"); /* so that it is id 1, which stands in when the table is full */
	HASH_FIND(hh, x->strings, shown, n, e);
	if (e)
		return e;
	if (x->n_strings >= MAX_STRINGS) {
		say_full(s, "names");
		return string_of(s, "?");
	}
	e = xcalloc(1, sizeof(*e) + n + 1);
	memcpy(e->text, shown, n);
	e->id = ++x->n_strings;
	HASH_ADD(hh, x->strings, text, n, e);
	st = store_row(s, STMT_STRING);
	if (st) {
		bind_int(st, 1, e->id);
		sqlite3_bind_text(st, 2, shown, (int)n, SQLITE_TRANSIENT);
		store_insert(s, st);
	}
	return e;
}

void store_symbol(struct store *s, uint32_t frame, const struct store_symbol *symbol)
{
	const struct string_entry *function, *file;
	sqlite3_stmt *st;

	if (!frame || frame > s->stacks->n_frames)
		return;
	function = string_of(s, symbol->resolved ? symbol->function : "?");
	file = string_of(s, symbol->resolved ? symbol->file : "?");
	if (symbol->resolved) {
		s->stacks->names.items[frame - 1].function = function->text;
		s->stacks->names.items[frame - 1].file = file->text;
	}
	st = store_row(s, STMT_FRAME);
	if (!st)
		return;
	bind_int(st, 1, frame);
	bind_int(st, 2, function->id);
	bind_int(st, 3, file->id);
	bind_nonzero(st, 4, symbol->line);
	bind_nonzero(st, 5, symbol->first_line);
	bind_int(st, 6, symbol->resolved);
	store_insert(s, st);
}

struct climb { /* from the innermost Python frame of a stack towards its root */
	const struct store_stacks *x;
	uint32_t nodes[EV_MAX_FRAMES];
	unsigned n;
};

static struct place_frame climb_at(const void *ctx, unsigned i)
{
	const struct climb *c = ctx;
	const struct names *names = &c->x->names.items[c->x->node_of.items[c->nodes[i] - 1].frame - 1];

	return names->function ? (struct place_frame){ names->function, names->file } : (struct place_frame){ "?", "?" };
}

static bool is_native(const struct store_stacks *x, uint32_t node)
{
	return x->names.items[x->node_of.items[node - 1].frame - 1].native;
}

/* Which stacks tell what is waited for: so that a query need not know Python's library. */
void store_wait_places(struct store *s)
{
	struct climb c = { .x = s->stacks };
	struct stack_entry *e, *next;

	HASH_ITER(hh, s->stacks->stacks, e, next) {
		struct lock_place place;
		sqlite3_stmt *st;

		c.n = 0;
		for (uint32_t node = e->node; node && c.n < EV_MAX_FRAMES; node = s->stacks->node_of.items[node - 1].parent)
			if (c.n || !is_native(s->stacks, node))
				c.nodes[c.n++] = node;
		place = lock_place(c.n, climb_at, &c);
		st = place.kind == LOCK_FUTEX ? NULL : store_row(s, STMT_WAIT_PLACE);
		if (!st)
			continue;
		bind_int(st, 1, e->id);
		bind_int(st, 2, place.kind);
		bind_nonzero(st, 3, place.where < c.n ? c.nodes[place.where] : 0);
		store_insert(s, st);
	}
}
