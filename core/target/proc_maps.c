/* See proc_maps.h.  Line: start-end perms offset major:minor inode path, where the path is all that follows the
 * blanks after the inode. */
#include "core/target/proc_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/target/proc_task.h"
#include "core/util/vec.h"

struct scanner {
	const char *p, *end;
	bool bad;
};

static uint64_t number(struct scanner *s, unsigned base)
{
	const char *from = s->p;
	uint64_t value = 0;

	for (; s->p < s->end; s->p++) {
		unsigned c = (unsigned char)*s->p;
		unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

		if (digit >= base)
			break;
		if (value > (UINT64_MAX - digit) / base)
			s->bad = true;
		value = value * base + digit;
	}
	s->bad |= s->p == from;
	return value;
}

static void expect(struct scanner *s, char c)
{
	if (s->p < s->end && *s->p == c)
		s->p++;
	else
		s->bad = true;
}

/* In place: \012 is how the kernel writes a newline; a name that really holds those four bytes cannot be told apart. */
static size_t unescape(char *path, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		if (n - i >= 4 && memcmp(path + i, "\\012", 4) == 0) {
			path[to++] = '\n';
			i += 3;
		} else {
			path[to++] = path[i];
		}
	}
	return to;
}

static bool cut_suffix(char *path, size_t *n, const char *suffix)
{
	size_t len = strlen(suffix);

	if (*n <= len || memcmp(path + *n - len, suffix, len) != 0)
		return false;
	*n -= len;
	return true;
}

static bool parse_line(char *line, size_t n, struct proc_map *ret)
{
	struct scanner s = { line, line + n, false };
	const char *perms;
	size_t path_n;
	char *path;

	memset(ret, 0, sizeof(*ret));
	ret->start = number(&s, 16);
	expect(&s, '-');
	ret->end = number(&s, 16);
	expect(&s, ' ');
	perms = s.p;
	if (s.end - s.p < 5)
		return false;
	s.p += 4;
	ret->readable = perms[0] == 'r';
	ret->writable = perms[1] == 'w';
	ret->executable = perms[2] == 'x';
	ret->shared = perms[3] == 's';
	expect(&s, ' ');
	ret->offset = number(&s, 16);
	expect(&s, ' ');
	ret->dev_major = (uint32_t)number(&s, 16);
	expect(&s, ':');
	ret->dev_minor = (uint32_t)number(&s, 16);
	expect(&s, ' ');
	ret->inode = number(&s, 10);
	if (s.bad || ret->start >= ret->end)
		return false;
	while (s.p < s.end && *s.p == ' ')
		s.p++;
	path = line + (s.p - line);
	path_n = (size_t)(s.end - s.p);
	if (ret->inode)
		ret->deleted = cut_suffix(path, &path_n, " (deleted)");
	path[unescape(path, path_n)] = '\0';
	ret->path = path;
	return true;
}

void proc_maps_parse(struct proc_maps *ret, char *text, size_t n)
{
	vec(struct proc_map) maps = {0};
	char *line = text, *end = text + n;

	*ret = (struct proc_maps){ .text = text };
	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *stop = newline ? newline : end;
		struct proc_map map;

		if (parse_line(line, (size_t)(stop - line), &map))
			vec_push(&maps, map);
		else if (stop > line)
			ret->skipped++;
		line = stop + 1;
	}
	ret->items = maps.items;
	ret->n = maps.n;
}

int proc_maps_read(struct proc_maps *ret, int proc_fd)
{
	char *text;
	size_t n;
	int r = proc_read(proc_fd, "maps", PROC_MAPS_MAX_BYTES, &text, &n);

	if (r < 0)
		return r;
	proc_maps_parse(ret, text, n);
	return 0;
}

void proc_maps_done(struct proc_maps *m)
{
	free(m->items);
	free(m->text);
	*m = (struct proc_maps){0};
}

const struct proc_map *proc_maps_find(const struct proc_maps *m, uint64_t addr)
{
	for (size_t i = 0; i < m->n; i++)
		if (addr >= m->items[i].start && addr < m->items[i].end)
			return &m->items[i];
	return NULL;
}

const char *proc_map_basename(const struct proc_map *m)
{
	const char *slash = strrchr(m->path, '/');

	return slash ? slash + 1 : m->path;
}
