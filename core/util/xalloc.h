#pragma once
/* Allocation for hosted code: out of memory stops the program in one place (xalloc.c), so callers need no check.
 * Never used in the in-target library.
 * Owns: results are the caller's, free() them.  Context: any thread.  Errors: none, a size that overflows stops too. */
#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Array of n items; n * size is checked. */
void *xrealloc_array(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

static inline void xfree_pointer(void *p)
{
	free(*(void **)p);
}
/* A local pointer freed on every way out:  autofree char *line = NULL; */
#define autofree __attribute__((cleanup(xfree_pointer)))
