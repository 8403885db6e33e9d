/* Reading half: stacks.  The node, frame and string tables are read into arrays once at opening, and stacks that look
 * the same to a person (same functions, files and lines all the way) get one canonical id: the kernel tells frames
 * apart by instruction, people do not.
 *
 * Hostile files: ids are bounded by READER_MAX_ID, a parent must have a smaller id than its child, so every walk up ends. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/store/reader_priv.h"
#include "core/util/arena.h"
#include "core/util/xalloc.h"

#define MAX_DEPTH EV_MAX_FRAMES

struct frame_slot {
	uint32_t function, file; /* string ids */
	uint32_t line, first_line;
	uint32_t same; /* first frame that looks like this one */
	bool resolved, native;
};

struct node_slot {
	uint32_t parent, frame;
	uint32_t same; /* first node with the same frames up to the root; 0 = no such node */
};

struct stack_slot {
	uint32_t node, same; /* same: canonical stack id, 0 = unknown stack */
	uint32_t whole; /* innermost node; `node` may be one above it */
	uint32_t flags;
};

struct reader_stacks {
	struct arena text;
	const char **strings;
	struct frame_slot *frames;
	struct node_slot *nodes;
	struct stack_slot *stacks;
	uint32_t n_strings, n_frames, n_nodes, n_stacks; /* array sizes, ids are below */
	struct reader_frame out[MAX_DEPTH];
};

static uint32_t table_size(struct reader *r, const char *sql, int *err)
{
	struct query q;
	uint32_t n = 0;

	if (*err)
		return 0;
	if (!reader_query(r, &q, "the stacks", sql) && reader_next(&q)) {
		col_int(&q, 0, 0, r->max_id, "an impossible id");
		n = (uint32_t)col_int(&q, 1, 0, r->max_id, "an impossible id") + 1;
	}
	*err = reader_done(&q);
	return n;
}

static int load_strings(struct reader *r, struct reader_stacks *x)
{
	struct query q;

	if (!reader_query(r, &q, "the names", "SELECT id, text FROM string"))
		while (reader_next(&q)) {
			uint32_t id = col_must(&q, 0, x->n_strings, "an impossible id");

			x->strings[id] = arena_strdup(&x->text, col_text(&q, 1));
		}
	return reader_done(&q);
}

static int load_frames(struct reader *r, struct reader_stacks *x)
{
	struct query q;

	if (!reader_query(r, &q, "the frames", "SELECT id, function, file, line, first_line, resolved FROM frame"))
		while (reader_next(&q)) {
			struct frame_slot *f = &x->frames[col_must(&q, 0, x->n_frames, "an impossible id")];

			f->function = col_must(&q, 1, x->n_strings, "an unknown name");
			f->file = col_must(&q, 2, x->n_strings, "an unknown name");
			f->line = (uint32_t)col_int(&q, 3, 0, INT32_MAX, "an impossible line");
			f->first_line = (uint32_t)col_int(&q, 4, 0, INT32_MAX, "an impossible line");
			f->resolved = sqlite3_column_int(q.st, 5) != 0;
		}
	return reader_done(&q);
}

static int load_nodes(struct reader *r, struct reader_stacks *x)
{
	struct query q;

	if (!reader_query(r, &q, "the stack nodes", "SELECT id, coalesce(parent, 0), frame FROM node"))
		while (reader_next(&q)) {
			uint32_t id = col_must(&q, 0, x->n_nodes, "an impossible id");
			struct node_slot *n = &x->nodes[id];

			/* a node that is not its parent's elder would close a loop */
			n->parent = col_must(&q, 1, id ? id : 1, "an impossible parent");
			n->frame = col_must(&q, 2, READER_MAX_ID, "an impossible frame");
			n->same = id;
		}
	return reader_done(&q);
}

static int load_stacks(struct reader *r, struct reader_stacks *x)
{
	struct query q;

	if (!reader_query(r, &q, "the stacks", "SELECT id, coalesce(node, 0), flags FROM stack"))
		while (reader_next(&q)) {
			uint32_t id = col_must(&q, 0, x->n_stacks, "an impossible id");

			x->stacks[id].node = x->stacks[id].whole = col_must(&q, 1, x->n_nodes, "an unknown node");
			x->stacks[id].flags = (uint32_t)col_int(&q, 2, 0, 3, "impossible flags");
			if (x->stacks[id].flags & 1)
				r->info.truncated_stacks++;
			if (x->stacks[id].flags & 2)
				r->info.torn_stacks++;
		}
	return reader_done(&q);
}

static int load_native(struct reader *r, struct reader_stacks *x)
{
	struct query q;
	int err;

	if (!reader_query(r, &q, "the native frames", "SELECT frame FROM native_frame"))
		while (reader_next(&q)) {
			uint32_t id = col_must(&q, 0, READER_MAX_ID, "an impossible id");

			if (id < x->n_frames) /* else it was never named */
				x->frames[id].native = true;
		}
	err = reader_done(&q);
	if (err)
		return err;
	if (!reader_query(r, &q, "the native stacks", "SELECT stack, node FROM native_stack"))
		while (reader_next(&q)) {
			uint32_t id = col_must(&q, 0, READER_MAX_ID, "an impossible id"), node = col_must(&q, 1, x->n_nodes, "an unknown node");

			if (id < x->n_stacks)
				x->stacks[id].whole = node;
		}
	return reader_done(&q);
}

/* ---- what looks the same becomes the same ---- */

struct ranked { /* sorted by its content, then id: the first of equal ones stands for all */
	uint64_t a, b;
	uint32_t id;
};

static int by_content(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;

	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	if (a->b != b->b)
		return a->b < b->b ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void unify_frames(struct reader_stacks *x)
{
	struct ranked *rank = xcalloc(x->n_frames, sizeof(*rank));

	for (uint32_t i = 0; i < x->n_frames; i++) {
		const struct frame_slot *f = &x->frames[i];

		rank[i].id = i;
		if (f->resolved) { /* unresolved ones stay apart: nothing says that they are the same */
			rank[i].a = (uint64_t)f->function << 32 | f->file;
			rank[i].b = (uint64_t)f->line << 1 | 1;
		} else {
			rank[i].a = UINT64_MAX;
			rank[i].b = i;
		}
	}
	qsort(rank, x->n_frames, sizeof(*rank), by_content);
	for (uint32_t i = 0; i < x->n_frames; i++)
		x->frames[rank[i].id].same = i && rank[i].a == rank[i - 1].a && rank[i].b == rank[i - 1].b ?
			x->frames[rank[i - 1].id].same : rank[i].id;
	free(rank);
}

static uint64_t mix(uint64_t parent, uint64_t frame, uint64_t seed)
{
	uint64_t h = ((parent << 32 | frame) ^ seed) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

/* Parents come first, so one pass with an open hash of (canonical parent, canonical frame) does it. */
static void unify_nodes(struct reader_stacks *x)
{
	uint64_t size = 16, seed = 0;
	uint32_t *table;

	/* so that nobody can make a file whose nodes all collide */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (uintptr_t)x;
	while (size < (uint64_t)x->n_nodes * 2)
		size *= 2;
	table = xcalloc(size, sizeof(*table));
	for (uint32_t i = 1; i < x->n_nodes; i++) {
		struct node_slot *n = &x->nodes[i];

		if (!n->same)
			continue;
		/* the parent of a node must exist; a missing one cuts the stack there */
		n->parent = x->nodes[n->parent].same;
		n->frame = n->frame < x->n_frames ? x->frames[n->frame].same : 0;
		for (uint64_t at = mix(n->parent, n->frame, seed) & (size - 1);; at = (at + 1) & (size - 1)) {
			const struct node_slot *other = &x->nodes[table[at]];

			if (!table[at]) {
				table[at] = i;
				break;
			}
			if (n->frame && other->parent == n->parent && other->frame == n->frame) {
				n->same = table[at];
				break;
			}
		}
	}
	free(table);
}

static void unify_stacks(struct reader *r, struct reader_stacks *x)
{
	uint32_t *first = xcalloc(x->n_nodes, sizeof(*first));

	for (uint32_t i = 1; i < x->n_stacks; i++) {
		struct stack_slot *s = &x->stacks[i];

		s->node = x->nodes[s->node].same;
		s->whole = x->nodes[s->whole].same;
		if (!s->whole) {
			r->info.missing_stacks++;
			continue;
		}
		if (!first[s->whole])
			first[s->whole] = i;
		s->same = first[s->whole];
		x->stacks[s->same].flags |= s->flags;
	}
	free(first);
}

int reader_stacks_load(struct reader *r)
{
	struct reader_stacks *x = r->stacks = xcalloc(1, sizeof(*x));
	int err = 0;

	x->n_strings = table_size(r, "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM string", &err);
	x->n_frames = table_size(r, "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM frame", &err);
	x->n_nodes = table_size(r, "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM node", &err);
	x->n_stacks = table_size(r, "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM stack", &err);
	if (err)
		return err;
	x->strings = xcalloc(x->n_strings, sizeof(*x->strings));
	x->frames = xcalloc(x->n_frames, sizeof(*x->frames));
	x->nodes = xcalloc(x->n_nodes, sizeof(*x->nodes));
	x->stacks = xcalloc(x->n_stacks, sizeof(*x->stacks));
	err = load_strings(r, x);
	if (!err)
		err = load_frames(r, x);
	if (!err)
		err = load_nodes(r, x);
	if (!err)
		err = load_stacks(r, x);
	if (!err)
		err = load_native(r, x);
	if (err)
		return err;
	x->nodes[0].same = 0;
	x->frames[0] = (struct frame_slot){ 0 };
	unify_frames(x);
	unify_nodes(x);
	unify_stacks(r, x);
	r->info.stacks = x->n_stacks;
	return 0;
}

void reader_stacks_free(struct reader_stacks *x)
{
	if (!x)
		return;
	free(x->strings);
	free(x->frames);
	free(x->nodes);
	free(x->stacks);
	arena_done(&x->text);
	free(x);
}

uint64_t reader_stack_canonical(struct reader *r, int64_t id)
{
	return id > 0 && id < r->stacks->n_stacks ? r->stacks->stacks[id].same : 0;
}

static const char *name_of(const struct reader_stacks *x, uint32_t string)
{
	return x->strings[string] ? x->strings[string] : "?";
}

static unsigned frames_of(struct reader *r, uint64_t stack, bool whole, const struct reader_frame **ret_frames, unsigned *ret_flags)
{
	struct reader_stacks *x = r->stacks;
	unsigned n = 0;
	uint32_t node;

	*ret_frames = x->out;
	if (ret_flags)
		*ret_flags = 0;
	if (!stack || stack >= x->n_stacks)
		return 0;
	if (ret_flags)
		*ret_flags = x->stacks[stack].flags;
	for (node = whole ? x->stacks[stack].whole : x->stacks[stack].node; node && n < MAX_DEPTH; node = x->nodes[node].parent) {
		const struct frame_slot *f = &x->frames[x->nodes[node].frame];

		x->out[n++] = (struct reader_frame){
			.function = f->resolved ? name_of(x, f->function) : "?",
			.file = f->resolved ? name_of(x, f->file) : "?",
			.line = f->line,
			.first_line = f->first_line,
			.resolved = f->resolved,
			.native = f->native,
		};
	}
	return n;
}

unsigned reader_stack(struct reader *r, uint64_t stack, const struct reader_frame **ret_frames, unsigned *ret_flags)
{
	return frames_of(r, stack, false, ret_frames, ret_flags);
}

unsigned reader_stack_whole(struct reader *r, uint64_t stack, const struct reader_frame **ret_frames, unsigned *ret_flags)
{
	return frames_of(r, stack, true, ret_frames, ret_flags);
}
