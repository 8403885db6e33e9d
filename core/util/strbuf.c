/* See strbuf.h.  The empty string is shared and never written to: cap 0 says so. */
#include "core/util/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/util/xalloc.h"

char strbuf_empty[1];

void strbuf_init(struct strbuf *b)
{
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_done(struct strbuf *b)
{
	if (!b)
		return;
	if (b->cap)
		free(b->s);
	strbuf_init(b);
}

void strbuf_clear(struct strbuf *b)
{
	strbuf_truncate(b, 0);
}

void strbuf_truncate(struct strbuf *b, size_t n)
{
	if (n >= b->n)
		return;
	b->n = n;
	b->s[n] = '\0';
}

/* Room for n more bytes and the NUL. */
static void reserve(struct strbuf *b, size_t n)
{
	size_t want, cap;

	if (__builtin_add_overflow(b->n, n, &want) || __builtin_add_overflow(want, 1, &want))
		want = SIZE_MAX;
	if (want <= b->cap)
		return;
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	b->s = xrealloc_array(b->cap ? b->s : NULL, cap, 1);
	b->cap = cap;
	b->s[b->n] = '\0';
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	reserve(b, n);
	memcpy(b->s + b->n, bytes, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_pad(struct strbuf *b, char c, size_t n)
{
	if (n == 0)
		return;
	reserve(b, n);
	memset(b->s + b->n, c, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	if (n > 0) {
		reserve(b, (size_t)n);
		vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(b, fmt, args);
	va_end(args);
}

char *strbuf_steal(struct strbuf *b)
{
	char *s = b->cap ? b->s : xstrdup("");

	strbuf_init(b);
	return s;
}
