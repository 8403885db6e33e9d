/* See page.h.  Colours are the terminal's own sixteen, so that its theme decides what they look like. */
#include "viewer/text/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/escape.h"

static const char *const inks[INK_N] = {
	[INK_PLAIN] = "", [INK_STRONG] = "\033[1m", [INK_DIM] = "\033[2m",
	[INK_GIL] = "\033[32m", [INK_NOGIL] = "\033[34m", [INK_WAIT] = "\033[31m", [INK_LOCK] = "\033[35m",
	[INK_READY] = "\033[33m",
	[INK_CRITICAL] = "\033[1;31m", [INK_WARNING] = "\033[33m",
};

enum { COLUMNS_MIN = 72, COLUMNS_MAX = 140, ESCAPE_READ_MAX = 4096 };

void page_init(struct page *p, FILE *out, bool color, unsigned columns)
{
	columns = columns ? columns : 100;
	*p = (struct page){
		.out = out, .color = color, .line = STRBUF_INIT,
		.columns = columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : columns,
	};
}

void page_done(struct page *p)
{
	strbuf_done(&p->line);
}

void page_put(struct page *p, enum ink ink, const char *text)
{
	bool paint = p->color && *inks[ink] && *text;

	strbuf_adds(&p->line, paint ? inks[ink] : "");
	strbuf_adds(&p->line, text);
	strbuf_adds(&p->line, paint ? "\033[0m" : "");
	p->at += utf8_columns(text);
}

void page_putf(struct page *p, enum ink ink, const char *fmt, ...)
{
	autostrbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&text, fmt, args);
	va_end(args);
	page_put(p, ink, text.s);
}

/* Puts text cut to width; returns the columns it took. */
static size_t put_cut(struct page *p, enum ink ink, size_t width, const char *text)
{
	autostrbuf cut = STRBUF_INIT;
	size_t n = utf8_columns(text);

	if (n <= width) {
		page_put(p, ink, text);
		return n;
	}
	strbuf_add(&cut, text, utf8_prefix(text, width ? width - 1 : 0));
	strbuf_adds(&cut, width ? "…" : "");
	page_put(p, ink, cut.s);
	return utf8_columns(cut.s);
}

static void pad(struct page *p, size_t n)
{
	strbuf_pad(&p->line, ' ', n);
	p->at += n;
}

void page_left(struct page *p, enum ink ink, size_t width, const char *text)
{
	size_t used = put_cut(p, ink, width, text);

	pad(p, width > used ? width - used : 0);
}

void page_right(struct page *p, enum ink ink, size_t width, const char *text)
{
	size_t n = utf8_columns(text);

	pad(p, width > n ? width - n : 0);
	put_cut(p, ink, width, text);
}

void page_to(struct page *p, size_t column)
{
	pad(p, column > p->at ? column - p->at : 0);
}

void page_repeat(struct page *p, enum ink ink, const char *character, size_t n)
{
	autostrbuf text = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_adds(&text, character);
	page_put(p, ink, text.s);
}

void page_end(struct page *p)
{
	size_t n = p->line.n;

	while (n && p->line.s[n - 1] == ' ')
		n--;
	strbuf_truncate(&p->line, n);
	fprintf(p->out, "%s\n", p->line.s);
	strbuf_clear(&p->line);
	p->at = 0;
}

void page_heading(struct page *p, const char *title, const char *remark)
{
	page_end(p);
	page_put(p, INK_STRONG, title);
	if (*remark) {
		page_put(p, INK_PLAIN, "  ");
		page_left(p, INK_DIM, p->columns > p->at ? p->columns - p->at : 0, remark);
	}
	page_end(p);
}

/* Up to the next space where a line may break: not between a number and its unit. */
static size_t word_length(const char *text)
{
	static const char *const units[] = {"ns", "us", "ms", "s", "%"};
	size_t n = strcspn(text, " ");

	if (n == 0 || text[n] == '\0' || text[n - 1] < '0' || text[n - 1] > '9')
		return n;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit = strlen(units[i]);

		if (!strncmp(text + n + 1, units[i], unit) && (!text[n + 1 + unit] || strchr(" ,.;:)", text[n + 1 + unit])))
			return n + 1 + strcspn(text + n + 1, " ");
	}
	return n;
}

void page_wrap(struct page *p, enum ink ink, size_t indent, const char *text)
{
	bool first = true;

	while (*text) {
		size_t n = word_length(text);
		char *word = strndup(text, n);
		size_t width;

		if (!word)
			abort();
		width = utf8_columns(word);
		if (!first && p->at + 1 + width > p->columns) {
			page_end(p);
			first = true;
		}
		if (first)
			page_to(p, indent);
		else
			page_put(p, ink, " ");
		put_cut(p, ink, p->columns > p->at ? p->columns - p->at : 1, word);
		first = false;
		free(word);
		text += n + strspn(text + n, " ");
	}
	page_end(p);
}

void page_bar(struct page *p, enum ink ink, double share, size_t width)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	size_t units;

	share = share > 1 ? 1 : share > 0 ? share : 0;
	units = (size_t)lround(share * (double)width * 8);
	if (units == 0 && share > 0)
		units = 1;
	page_repeat(p, ink, "█", units / 8);
	page_put(p, ink, eighths[units % 8]);
	pad(p, width - (units + 7) / 8);
}

void page_cut(char *text, size_t max)
{
	static const char dots[] = "…";
	size_t kept;

	if (utf8_columns(text) <= max)
		return;
	/* what goes is at least one character and may be shorter than the mark */
	kept = utf8_prefix(text, max ? max - 1 : 0);
	if (max && strlen(text) - kept >= sizeof(dots) - 1) {
		memcpy(text + kept, dots, sizeof(dots));
		return;
	}
	text[max ? utf8_prefix(text, max) : 0] = '\0';
}

char *page_escape(const char *bytes, size_t max)
{
	autostrbuf shown = STRBUF_INIT;

	escape_add(&shown, bytes, strnlen(bytes, ESCAPE_READ_MAX));
	if (utf8_columns(shown.s) > max) {
		strbuf_truncate(&shown, utf8_prefix(shown.s, max ? max - 1 : 0));
		strbuf_adds(&shown, max ? "…" : "");
	}
	return strbuf_steal(&shown);
}

char *page_escape_path(const char *bytes, size_t max)
{
	size_t n = strlen(bytes), skip;
	autostrbuf shown = STRBUF_INIT, cut = STRBUF_INIT;
	const char *from, *slash;

	escape_add(&shown, n > ESCAPE_READ_MAX ? bytes + n - ESCAPE_READ_MAX : bytes,
		   n > ESCAPE_READ_MAX ? ESCAPE_READ_MAX : n);
	if (utf8_columns(shown.s) <= max)
		return strbuf_steal(&shown);
	skip = utf8_prefix(shown.s, utf8_columns(shown.s) - (max ? max - 1 : 0));
	from = shown.s + skip;
	slash = strchr(from, '/');
	if (slash && slash[1])
		from = slash;
	strbuf_adds(&cut, max ? "…" : "");
	strbuf_adds(&cut, max ? from : "");
	return strbuf_steal(&cut);
}
