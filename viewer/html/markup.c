/* See markup.h. */
#include "viewer/html/markup.h"

#include <string.h>

#include "core/util/escape.h"

enum { READ_MAX = 1 << 20 };

static void printable(struct strbuf *b, const char *bytes)
{
	size_t n = strnlen(bytes, READ_MAX);

	escape_add(b, bytes, n < MARKUP_TEXT_MAX ? n : MARKUP_TEXT_MAX);
	strbuf_adds(b, n > MARKUP_TEXT_MAX ? "…" : "");
}

void markup_text(struct strbuf *b, const char *bytes)
{
	autostrbuf shown = STRBUF_INIT;

	printable(&shown, bytes);
	for (const char *s = shown.s; *s; s++)
		switch (*s) {
		case '&': strbuf_adds(b, "&amp;"); break;
		case '<': strbuf_adds(b, "&lt;"); break;
		case '>': strbuf_adds(b, "&gt;"); break;
		case '"': strbuf_adds(b, "&quot;"); break;
		case '\'': strbuf_adds(b, "&#39;"); break;
		default: strbuf_addc(b, *s);
		}
}

/* U+2028 and U+2029 are e2 80 a8 and e2 80 a9. */
static bool line_separator(const char *s, const char *end)
{
	return end - s >= 3 && (unsigned char)s[0] == 0xe2 && (unsigned char)s[1] == 0x80 &&
	       ((unsigned char)s[2] & 0xfe) == 0xa8;
}

void markup_json_safe(struct strbuf *b, const char *json, size_t n)
{
	const char *end = json + n;

	for (const char *s = json; s < end; s++) {
		if (*s == '<' || *s == '>' || *s == '&') {
			strbuf_addf(b, "\\u%04x", (unsigned)*s);
		} else if (line_separator(s, end)) {
			strbuf_addf(b, "\\u20%02x", (unsigned)(unsigned char)s[2] - 0x80);
			s += 2;
		} else {
			strbuf_addc(b, *s);
		}
	}
}

void markup_json(struct strbuf *b, const char *bytes)
{
	autostrbuf shown = STRBUF_INIT, quoted = STRBUF_INIT;

	printable(&shown, bytes);
	strbuf_addc(&quoted, '"');
	for (const char *s = shown.s; *s; s++) {
		if (*s == '"' || *s == '\\')
			strbuf_addc(&quoted, '\\');
		if ((unsigned char)*s < 0x20)
			strbuf_addf(&quoted, "\\u%04x", (unsigned)*s);
		else
			strbuf_addc(&quoted, *s);
	}
	strbuf_addc(&quoted, '"');
	markup_json_safe(b, quoted.s, quoted.n);
}
