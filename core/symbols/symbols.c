/* See symbols.h.  A code object's address is no name: it may be freed and reused.  A cached answer is used only while the
 * object still has the same first line, name, file and line table; when it no longer can be read (the target has
 * ended) the last answer that fits the frame's check stands. */
#include "core/symbols/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "core/interp/code.h"
#include "core/interp/layout.h"
#include "core/interp/linetable.h"
#include "core/interp/tasks.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define uthash_fatal(msg) abort() /* out of memory: as xalloc */
#include <uthash.h>

#define CODES_MAX 200000 /* a program that makes more code objects than that is starting over */

/* Strings are shared and live until symbols_free: callers keep pointers to them. */
struct text {
	UT_hash_handle hh;
	char s[];
};

struct code_entry {
	UT_hash_handle hh;
	uint64_t code;
	struct code_key key;
	const char *function, *file; /* of struct text */
	uint8_t *table;
	size_t table_n;
};

struct symbols {
	struct target *target;
	struct text *texts;
	struct code_entry *codes;
};

struct symbols *symbols_new(struct target *t)
{
	struct symbols *s = xcalloc(1, sizeof(*s));

	s->target = t;
	return s;
}

static void drop_entry(struct symbols *s, struct code_entry *entry)
{
	HASH_DEL(s->codes, entry);
	free(entry->table);
	free(entry);
}

static void drop_entries(struct symbols *s)
{
	struct code_entry *entry, *next;

	HASH_ITER(hh, s->codes, entry, next)
		drop_entry(s, entry);
}

void symbols_free(struct symbols *s)
{
	struct text *text, *next;

	if (!s)
		return;
	drop_entries(s);
	HASH_ITER(hh, s->texts, text, next) {
		HASH_DEL(s->texts, text);
		free(text);
	}
	free(s);
}

static const char *intern(struct symbols *s, const char *string)
{
	size_t n = strlen(string);
	struct text *text;

	HASH_FIND(hh, s->texts, string, n, text);
	if (!text) {
		text = xmalloc(sizeof(*text) + n + 1);
		memcpy(text->s, string, n + 1);
		HASH_ADD_KEYPTR(hh, s->texts, text->s, n, text);
	}
	return text->s;
}

static struct code_entry *find_entry(struct symbols *s, uint64_t code)
{
	struct code_entry *entry;

	HASH_FIND(hh, s->codes, &code, sizeof(code), entry);
	return entry;
}

/* Reads names and table of a code object; NULL if they cannot be had. */
static struct code_entry *load_entry(struct symbols *s, const struct layout *l, uint64_t code, const struct code_key *key)
{
	const struct mem *mem = target_mem(s->target);
	char function[PYSTR_SIZE], file[PYSTR_SIZE];
	struct code_key after;
	struct code_entry *entry;
	uint8_t *table;
	size_t n;

	if (code_read_names(l, mem, key, &function, &file) != 0 || code_read_linetable(l, mem, key, &table, &n) != 0)
		return NULL;
	if (code_read_key(l, mem, code, &after) != 0 || !code_key_equal(key, &after)) { /* freed while we read */
		free(table);
		return NULL;
	}
	if (HASH_COUNT(s->codes) >= CODES_MAX)
		drop_entries(s);
	entry = xcalloc(1, sizeof(*entry));
	entry->code = code;
	entry->key = *key;
	entry->function = intern(s, function);
	entry->file = intern(s, file);
	entry->table = table;
	entry->table_n = n;
	HASH_ADD(hh, s->codes, code, sizeof(entry->code), entry);
	return entry;
}

static struct code_entry *current_entry(struct symbols *s, const struct layout *l, const struct ev_frame *frame)
{
	struct code_entry *entry = find_entry(s, frame->code);
	struct code_key key;

	if (code_read_key(l, target_mem(s->target), frame->code, &key) != 0)
		return entry && entry->key.first_line == frame->check ? entry : NULL;
	if (entry && code_key_equal(&entry->key, &key))
		return key.first_line == frame->check ? entry : NULL;
	/* The object has changed since.  A frame that fits only the old one was taken of the old one. */
	if (key.first_line != frame->check)
		return entry && entry->key.first_line == frame->check ? entry : NULL;
	if (entry)
		drop_entry(s, entry);
	return load_entry(s, l, frame->code, &key);
}

static void name_task(struct symbols *s, const struct runtime *rt, const struct ev_frame *frame, struct symbol *ret)
{
	char label[TASK_LABEL_SIZE];

	task_label(rt->layout, &rt->walk, target_mem(s->target), frame, label);
	ret->function = intern(s, label);
	ret->file = "asyncio";
	ret->resolved = true;
}

void symbols_frame(struct symbols *s, const struct ev_frame *frame, struct symbol *ret)
{
	const struct runtime *rt = target_runtime(s->target);
	const struct code_entry *entry;

	*ret = (struct symbol){ .function = "?", .file = "?" };
	if (rt && frame->lasti >= EV_TASK_NUMBER && frame->lasti < EV_TASK_END) {
		name_task(s, rt, frame, ret);
		return;
	}
	entry = rt && frame->code ? current_entry(s, rt->layout, frame) : NULL;
	if (!entry)
		return;
	ret->function = entry->function;
	ret->file = entry->file;
	ret->first_line = entry->key.first_line;
	ret->line = rt->layout->linetable->line(entry->table, entry->table_n, entry->key.first_line, frame->lasti);
	ret->resolved = true;
}
