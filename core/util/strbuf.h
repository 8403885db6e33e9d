#pragma once
/* A growing string, always NUL-terminated once something was added; `s` is "" before.
 *     struct strbuf out = STRBUF_INIT;
 *     strbuf_addf(&out, "%u waits", n);
 *     fputs(out.s, stdout);
 *     strbuf_done(&out);
 * Owns: its memory; strbuf_steal hands it over.  Context: one thread.  Errors: none (xalloc). */
#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *s;
	size_t n, cap; /* length without the NUL; cap 0 while s is the shared empty string */
};

extern char strbuf_empty[1];
#define STRBUF_INIT { .s = strbuf_empty }
#define autostrbuf __attribute__((cleanup(strbuf_done))) struct strbuf

void strbuf_init(struct strbuf *b);
void strbuf_done(struct strbuf *b);
void strbuf_clear(struct strbuf *b);
void strbuf_add(struct strbuf *b, const void *bytes, size_t n);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_pad(struct strbuf *b, char c, size_t n); /* c, n times */
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
void strbuf_truncate(struct strbuf *b, size_t n);
char *strbuf_steal(struct strbuf *b); /* owned, free() it; b is empty again */
