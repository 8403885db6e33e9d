/* See stream.h. */
#include "viewer/json/stream.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static void quote(struct stream *s, const char *text)
{
	json_t *value = json_string(text);

	if (!value || json_dumpf(value, s->out, JSON_ENCODE_ANY | JSON_COMPACT))
		s->failed = true;
	json_decref(value);
}

static void begin(struct stream *s, const char *key)
{
	bool *filled = s->depth ? &s->filled[s->depth - 1] : NULL;

	if (filled && *filled)
		fputs(s->lines ? ",\n" : ",", s->out);
	else if (filled && s->lines && s->closers[s->depth - 1] == ']')
		fputc('\n', s->out);
	if (filled)
		*filled = true;
	if (key) {
		quote(s, key);
		fputc(':', s->out);
	}
}

void stream_open(struct stream *s, const char *key, char opener)
{
	begin(s, key);
	if (s->depth == STREAM_DEPTH) {
		s->failed = true;
		return;
	}
	fputc(opener, s->out);
	s->closers[s->depth] = opener == '{' ? '}' : ']';
	s->filled[s->depth] = false;
	s->depth++;
}

void stream_close(struct stream *s)
{
	if (!s->depth) {
		s->failed = true;
		return;
	}
	fputc(s->closers[--s->depth], s->out);
	if (s->depth < (s->lines ? 1 : 2))
		fputc('\n', s->out);
	if (ferror(s->out))
		s->failed = true;
}

void stream_text(struct stream *s, const char *key, const char *text)
{
	begin(s, key);
	quote(s, text);
}

void stream_int(struct stream *s, const char *key, int64_t n)
{
	begin(s, key);
	fprintf(s->out, "%" PRId64, n);
}

void stream_real(struct stream *s, const char *key, double d)
{
	begin(s, key);
	if (isfinite(d))
		fprintf(s->out, "%.17g", d);
	else
		fputs("null", s->out);
}

void stream_null(struct stream *s, const char *key)
{
	begin(s, key);
	fputs("null", s->out);
}

void stream_bool(struct stream *s, const char *key, bool b)
{
	begin(s, key);
	fputs(b ? "true" : "false", s->out);
}

void stream_value(struct stream *s, const char *key, struct json_t *value)
{
	begin(s, key);
	if (!value || json_dumpf(value, s->out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)))
		s->failed = true;
	json_decref(value);
}
