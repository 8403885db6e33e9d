/* See check_marks.h. */
#include "agent/check_marks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/escape.h"
#include "core/util/xalloc.h"

/* The layout, as gilscope_mark.py writes it: native byte order, everything in words of 8 bytes. */
enum { WORD = 8, HEADER_WORDS = 8, NAMES_WORDS = MARKS_REGIONS * MARKS_NAME / WORD, SLOT_WORDS = 2 + 2 * MARKS_REGIONS, MAX_SLOTS = 4096 };
static const char magic[8] = "GSMARKS";
enum { HEAD_MAGIC, HEAD_VERSION, HEAD_SLOTS, HEAD_DROPPED };

static struct mark_region *region_of(struct marks *m, const char *name)
{
	for (size_t i = 0; i < m->n_regions; i++)
		if (!strncmp(m->regions[i].name, name, MARKS_NAME - 1))
			return &m->regions[i];
	if (m->n_regions == MARKS_REGIONS)
		return NULL;
	memcpy(m->regions[m->n_regions].name, name, MARKS_NAME - 1);
	return &m->regions[m->n_regions++];
}

static void add_region(struct marks *m, const char *name, uint64_t entries, uint64_t ns)
{
	struct mark_region *region;

	if (!entries)
		return;
	region = region_of(m, name);
	if (!region) {
		m->dropped += entries;
		return;
	}
	region->entries += entries;
	region->ns += ns;
}

/* words: the header and names are there; n of them in all. */
static void add_words(struct marks *m, const uint64_t *words, size_t n)
{
	const char *names = (const char *)(words + HEADER_WORDS);
	size_t slots = words[HEAD_SLOTS] < MAX_SLOTS ? (size_t)words[HEAD_SLOTS] : MAX_SLOTS;
	size_t fit = (n - HEADER_WORDS - NAMES_WORDS) / SLOT_WORDS;

	m->dropped += words[HEAD_DROPPED];
	for (size_t i = 0; i < slots && i < fit; i++) {
		const uint64_t *slot = words + HEADER_WORDS + NAMES_WORDS + i * SLOT_WORDS;

		m->ops += slot[0];
		for (size_t k = 0; k < MARKS_REGIONS; k++)
			add_region(m, names + k * MARKS_NAME, slot[2 + 2 * k], slot[3 + 2 * k]);
	}
}

static bool read_words(int fd, uint64_t *words, size_t n_bytes)
{
	size_t done = 0;
	ssize_t n;

	while (done < n_bytes && (n = read(fd, (char *)words + done, n_bytes - done)) > 0)
		done += (size_t)n;
	return done == n_bytes;
}

static bool add_file(struct marks *m, int fd)
{
	const size_t least = (HEADER_WORDS + NAMES_WORDS) * WORD, most = least + (size_t)MAX_SLOTS * SLOT_WORDS * WORD;
	autofree uint64_t *words = NULL;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)least || st.st_size > (off_t)most)
		return false;
	size = (size_t)st.st_size / WORD * WORD;
	words = xmalloc(size);
	if (!read_words(fd, words, size) || memcmp(words, magic, sizeof(magic)) != 0 || words[HEAD_VERSION] != 1)
		return false;
	add_words(m, words, size / WORD);
	return true;
}

static bool is_marks(const struct dirent *e)
{
	return !strncmp(e->d_name, "marks.", strlen("marks."));
}

int marks_read(struct marks *ret, const char *directory, struct fail *why)
{
	DIR *dir = opendir(directory);
	struct dirent *e;

	memset(ret, 0, sizeof(*ret));
	if (!dir)
		return fail_set(why, -errno, FAIL_OTHER, "could not read the marks of the run: %s", strerror(errno));
	while ((e = readdir(dir))) {
		int fd;

		if (!is_marks(e))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || !add_file(ret, fd))
			ret->dropped++;
		else
			ret->files++;
		if (fd >= 0)
			close(fd);
	}
	closedir(dir);
	return 0;
}

void marks_remove(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (is_marks(e))
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	rmdir(directory);
}
