/* See pool.h. */
#include "core/util/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/util/xalloc.h"

enum { SLOTS_MIN = 64, ALIGNMENT = 8 }; /* keys are structs, too */

struct pool_entry {
	size_t at; /* in keys */
	uint32_t n, hash;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

static uint32_t hash_of(const struct pool *p, const void *key, size_t n)
{
	const char *at = key;
	uint64_t h = mix(p->seed, n), word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, at, n);
	return (uint32_t)mix(h, word);
}

/* The slot of the key, or the free one where it belongs. */
static uint64_t slot_of(const struct pool *p, const void *key, size_t n, uint32_t hash)
{
	uint64_t at = hash & (p->n_slots - 1);

	for (; p->slots[at]; at = (at + 1) & (p->n_slots - 1)) {
		const struct pool_entry *e = &p->entries.items[p->slots[at] - 1];

		if (e->hash == hash && e->n == n && !memcmp(p->keys.items + e->at, key, n))
			break;
	}
	return at;
}

static void grow(struct pool *p)
{
	if (!p->n_slots && getrandom(&p->seed, sizeof(p->seed), GRND_NONBLOCK) < 0)
		p->seed = (uintptr_t)p;
	free(p->slots);
	p->n_slots = p->n_slots ? p->n_slots * 2 : SLOTS_MIN;
	p->slots = xcalloc(p->n_slots, sizeof(*p->slots));
	for (size_t i = 0; i < p->entries.n; i++) {
		uint64_t at = p->entries.items[i].hash & (p->n_slots - 1);

		while (p->slots[at])
			at = (at + 1) & (p->n_slots - 1);
		p->slots[at] = (uint32_t)i + 1;
	}
}

uint32_t pool_find(const struct pool *p, const void *key, size_t n)
{
	uint64_t at = p->n_slots ? slot_of(p, key, n, hash_of(p, key, n)) : 0;

	return p->n_slots && p->slots[at] ? p->slots[at] - 1 : POOL_NONE;
}

uint32_t pool_number(struct pool *p, const void *key, size_t n, bool *ret_new)
{
	uint32_t hash;
	uint64_t at;

	if (p->entries.n * 2 >= p->n_slots)
		grow(p);
	hash = hash_of(p, key, n);
	at = slot_of(p, key, n, hash);
	if (ret_new)
		*ret_new = !p->slots[at];
	if (p->slots[at])
		return p->slots[at] - 1;
	vec_push(&p->entries, ((struct pool_entry){ p->keys.n, (uint32_t)n, hash }));
	vec_reserve(&p->keys, p->keys.n + n + ALIGNMENT);
	if (n)
		memcpy(p->keys.items + p->keys.n, key, n);
	p->keys.items[p->keys.n + n] = 0;
	p->keys.n = (p->keys.n + n + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
	p->slots[at] = (uint32_t)p->entries.n;
	return p->slots[at] - 1;
}

const void *pool_key(const struct pool *p, uint32_t number, size_t *ret_n)
{
	const struct pool_entry *e = &p->entries.items[number];

	if (ret_n)
		*ret_n = e->n;
	return p->keys.items + e->at;
}

void pool_done(struct pool *p)
{
	vec_done(&p->entries);
	vec_done(&p->keys);
	free(p->slots);
	*p = (struct pool){ 0 };
}
