/* See pydict.h.  Objects/dictobject.c: a keys object is a head, index slots, then the entries in order of insertion
 * (hash, key, value; from 3.11 without the hash when all keys are str). */
#include "core/interp/pydict.h"

#include <errno.h>
#include <string.h>

#include "core/interp/pystr.h"

#define KEYS_HEAD_BYTES 64
#define ENTRY_GENERAL 24
#define ENTRY_UNICODE 16
#define NAME_MAX_BYTES 64

/* Bytes of index slots, 0 when the head cannot be one. */
static uint64_t index_bytes(const struct layout *l, const uint8_t *head)
{
	uint64_t size;

	if (l->keys_log2_index_bytes != NO_FIELD) {
		uint8_t log2 = head[l->keys_log2_index_bytes];

		return log2 <= 40 ? 1ull << log2 : 0;
	}
	memcpy(&size, head + l->keys_size, sizeof(size));
	if (size == 0 || size > 1ull << 40)
		return 0;
	return size <= 0xff ? size : size <= 0xffff ? size * 2 : size <= 0xffffffffu ? size * 4 : size * 8;
}

int dict_walk_begin_split(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t keys,
			  uint64_t values)
{
	uint8_t head[KEYS_HEAD_BYTES];
	uint64_t indices, n;
	int r;

	if (l->keys_indices > sizeof(head) || l->keys_nentries > sizeof(head) - 8)
		return -EPROTO;
	if (keys == 0)
		return DICT_NOT_ONE;
	r = mem_read(mem, keys, head, l->keys_indices);
	if (r < 0)
		return r;
	indices = index_bytes(l, head);
	memcpy(&n, head + l->keys_nentries, sizeof(n));
	if (indices == 0 || n > indices) /* every entry has a slot of at least a byte */
		return DICT_NOT_ONE;
	w->l = l;
	w->mem = mem;
	w->entries = keys + l->keys_indices + indices;
	w->values = values ? values + l->values_array : 0;
	w->n = n > DICT_MAX_ENTRIES ? DICT_MAX_ENTRIES : (unsigned)n;
	w->entry_size = l->keys_kind != NO_FIELD && head[l->keys_kind] != 0 ? ENTRY_UNICODE : ENTRY_GENERAL;
	w->i = 0;
	return 0;
}

/* 2.7: one table of (hash, key, value), open addressing; empty and dummy slots have no value. */
static int begin_open(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t dict)
{
	uint64_t table, mask;
	int r = mem_u64(mem, dict + l->dict_table, &table);

	if (r == 0)
		r = mem_u64(mem, dict + l->dict_mask, &mask);
	if (r < 0)
		return r;
	if (table == 0 || mask > 1ull << 40)
		return DICT_NOT_ONE;
	*w = (struct dict_walk){ .l = l, .mem = mem, .entries = table, .entry_size = ENTRY_GENERAL,
				 .n = mask >= DICT_MAX_ENTRIES ? DICT_MAX_ENTRIES : (unsigned)mask + 1 };
	return 0;
}

int dict_walk_begin(struct dict_walk *w, const struct layout *l, const struct mem *mem, uint64_t dict)
{
	uint64_t keys, values;
	int r;

	if (dict == 0)
		return DICT_NOT_ONE;
	if (l->dict_table != NO_FIELD)
		return begin_open(w, l, mem, dict);
	r = mem_u64(mem, dict + l->dict_keys, &keys);
	if (r == 0)
		r = mem_u64(mem, dict + l->dict_values, &values);
	return r == 0 ? dict_walk_begin_split(w, l, mem, keys, values) : r;
}

int dict_walk_next(struct dict_walk *w, uint64_t *ret_key, uint64_t *ret_value)
{
	while (w->i < w->n) {
		unsigned slot = w->i % DICT_BATCH;
		uint64_t key, value;
		const uint8_t *entry = w->batch + (size_t)slot * w->entry_size + (w->entry_size == ENTRY_GENERAL ? 8 : 0);
		int r = 0;

		if (slot == 0) {
			unsigned n = w->n - w->i < DICT_BATCH ? w->n - w->i : DICT_BATCH;

			r = mem_read(w->mem, w->entries + (uint64_t)w->i * w->entry_size, w->batch,
				     (size_t)n * w->entry_size);
			if (r < 0)
				return r;
		}
		memcpy(&key, entry, 8);
		memcpy(&value, entry + 8, 8);
		if (w->values)
			r = mem_u64(w->mem, w->values + (uint64_t)w->i * 8, &value);
		if (r < 0)
			return r;
		w->i++;
		if (key && value) {
			*ret_key = key;
			*ret_value = value;
			return 0;
		}
	}
	return DICT_END;
}

int dict_walk_find(struct dict_walk *w, const char *name, uint64_t *ret_value)
{
	char text[NAME_MAX_BYTES];
	uint64_t key, value;
	int r;

	while ((r = dict_walk_next(w, &key, &value)) == 0) {
		if (pystr_read(w->l, w->mem, key, text, sizeof(text)) == 0 && strcmp(text, name) == 0) {
			*ret_value = value;
			return 0;
		}
	}
	return r == DICT_END ? DICT_ABSENT : r;
}

int dict_find(const struct layout *l, const struct mem *mem, uint64_t dict, const char *name, uint64_t *ret_value)
{
	struct dict_walk w;
	int r = dict_walk_begin(&w, l, mem, dict);

	return r == 0 ? dict_walk_find(&w, name, ret_value) : r;
}
