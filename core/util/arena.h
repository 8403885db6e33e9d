#pragma once
/* Memory by lifetime: a recording, a query, a page of output each have one; nothing inside is freed singly.
 *     struct arena a = {0};  …  arena_strdup(&a, name);  …  arena_done(&a);
 * Owns: everything handed out.  Context: one thread.  Errors: none (xalloc). */
#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *last;
	size_t bytes; /* handed out in all */
};
#define autoarena __attribute__((cleanup(arena_done))) struct arena

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
void arena_done(struct arena *a);
