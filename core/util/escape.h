#pragma once
/* Bytes that strangers chose (function, file, thread and process names) to printable UTF-8.
 * Valid UTF-8 passes unchanged except what could move the cursor, hide, reorder or forge text: control characters,
 * DEL, bidirectional marks, zero-width and other invisible characters, line and paragraph separators, private use and
 * non-characters become \x1b or \u{202e}; bytes that are not UTF-8 become \xff each.  A backslash stays as it is:
 * the result is for people, not for parsing back.  Used before anything reaches a terminal, JSON or HTML; the sink's
 * own quoting (JSON, HTML) comes after.
 *
 * Owns: nothing.  Context: any, no allocation except strbuf.  Errors: none. */
#include <stddef.h>

struct strbuf;

/* snprintf-like: always terminates (size > 0), never cuts inside a character or an escape; a cut ends in "…" when it
 * fits.  Returns the length written. */
size_t escape_to(char *ret, size_t size, const char *bytes, size_t n);
void escape_add(struct strbuf *b, const char *bytes, size_t n);
void escape_adds(struct strbuf *b, const char *s);

/* Length of the valid UTF-8 character at bytes (1 to 4), 0 if there is none; *ret_code is set when valid. */
unsigned utf8_decode(const char *bytes, size_t n, unsigned *ret_code);
/* Columns a valid, already escaped string takes on a terminal (wide East Asian and emoji 2, combining 0). */
size_t utf8_columns(const char *s);
/* Bytes of the longest prefix of s of at most max columns. */
size_t utf8_prefix(const char *s, size_t max);
