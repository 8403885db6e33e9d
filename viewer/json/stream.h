#pragma once
/* One JSON document written piece by piece, so that none ever stands in memory as a whole: this keeps count of commas and
 * braces, numbers are printed, every text is quoted by jansson.
 *     stream_open(&s, NULL, '{');  stream_text(&s, "name", raw);  stream_open(&s, "rows", '[');
 *     stream_int(&s, NULL, 7);  stream_close(&s);  stream_close(&s);
 * Inside an object every piece has a key, inside a list none.  Text is valid UTF-8 already (core/util/escape.h).
 * Owns: nothing.  Context: one thread.  Errors: `failed`, once something could not be written or nests deeper than 16. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { STREAM_DEPTH = 16 };
struct json_t;
struct stream {
	FILE *out;
	bool failed;
	bool lines; /* each piece begins a line, so that two documents can be compared */
	unsigned depth;
	char closers[STREAM_DEPTH];
	bool filled[STREAM_DEPTH]; /* something stands at this depth already */
};

void stream_open(struct stream *s, const char *key, char opener); /* '{' or '[' */
void stream_close(struct stream *s);
void stream_text(struct stream *s, const char *key, const char *text);
void stream_int(struct stream *s, const char *key, int64_t n);
void stream_real(struct stream *s, const char *key, double d); /* null when not finite */
void stream_null(struct stream *s, const char *key);
void stream_bool(struct stream *s, const char *key, bool b);
void stream_value(struct stream *s, const char *key, struct json_t *value); /* takes a piece made by jansson over */
