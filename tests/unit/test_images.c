/* All walkers over recorded memory of each version: they must find what the program said of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "core/interp/layout.h"
#include "core/interp/pydict.h"
#include "core/interp/runtime.h"
#include "tests/images/image.h"

#define MAX_LINES 4096

struct lines {
	char *text;
	char *at[MAX_LINES];
	size_t n;
};

static void split(struct lines *l, char *text)
{
	l->text = text;
	l->n = 0;
	for (char *line = strtok_r(text, "\n", &text); line && l->n < MAX_LINES; line = strtok_r(NULL, "\n", &text))
		l->at[l->n++] = line;
}

static void read_truth(struct lines *l, const char *version)
{
	char path[128], *text = calloc(1, 1 << 20);
	FILE *in;

	snprintf(path, sizeof(path), "tests/images/%s.truth", version);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
	fclose(in);
	split(l, text);
}

static void walk(struct lines *l, const char *version)
{
	struct runtime_origin from;
	struct image image;
	char path[128], *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	snprintf(path, sizeof(path), "tests/images/%s.image.gz", version);
	assert_int_equal(image_load(&image, path), 0);
	from = image_origin(&image);
	assert_int_equal(image_walk(&image.mem, &from, out), 0);
	fclose(out);
	image_free(&image);
	split(l, text);
}

static size_t find_line(const struct lines *l, const char *line)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->at[i], line) == 0)
			return i;
	return SIZE_MAX;
}

/* Line 0 in the truth is any line: the thread ran. */
static void assert_same_frame(const char *truth, const char *found)
{
	const char *tab = strrchr(truth, '\t');

	if (tab && strcmp(tab, "\t0") == 0 && strncmp(truth, found, (size_t)(tab - truth + 1)) == 0)
		return;
	assert_string_equal(truth, found);
}

static void finds_every_thread_and_frame(void **state)
{
	const char *version = *state;
	struct lines truth, found;
	size_t at = SIZE_MAX, threads = 0;

	read_truth(&truth, version);
	walk(&found, version);
	for (size_t i = 0; i < truth.n; i++) {
		if (truth.at[i][0] == 'T') {
			at = find_line(&found, truth.at[i]);
			assert_true(at != SIZE_MAX);
			threads++;
		} else {
			assert_true(++at < found.n);
			assert_same_frame(truth.at[i], found.at[at]);
		}
		/* the stack ends where the truth's ends */
		if (i + 1 == truth.n || truth.at[i + 1][0] == 'T')
			assert_true(at + 1 == found.n || found.at[at + 1][0] != 'F');
	}
	assert_int_equal(threads, 8);
	free(truth.text);
	free(found.text);
}

static void finds_holder_and_version(void **state)
{
	const char *version = *state;
	struct lines found;
	char expected[64];
	size_t holders = 0;

	walk(&found, version);
	snprintf(expected, sizeof(expected), "V CPython %.*s.", (int)strcspn(version, "-"), version);
	assert_memory_equal(found.at[0], expected, strlen(expected));
	for (size_t i = 0; i < found.n; i++)
		if (found.at[i][0] == 'H') {
			assert_memory_equal(found.at[i], "H spin ", 7);
			holders++;
		}
	assert_int_equal(holders, 1);
	free(found.text);
}

/* Every single word that runtime_read looks at, overwritten: a refusal in words or a true answer, never a crash. */
struct damaged_mem {
	struct mem mem;
	const struct mem *source;
	uint64_t from, to, value;
};

static int damaged_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	const struct damaged_mem *d = (const struct damaged_mem *)mem;
	int r = mem_read(d->source, addr, ret, len);

	for (size_t i = 0; r == 0 && i < len; i++)
		if (addr + i >= d->from && addr + i < d->to)
			((unsigned char *)ret)[i] = (unsigned char)(d->value >> (8 * ((addr + i - d->from) % 8)));
	return r;
}

static void damage_is_refused_in_words(void **state)
{
	static const uint64_t values[] = { 7, 0x7fffdeadbee8, UINT64_MAX };
	struct image image;
	struct runtime_origin from;
	struct runtime whole;
	struct fail why;
	char path[128];

	snprintf(path, sizeof(path), "tests/images/%s.image.gz", (const char *)*state);
	assert_int_equal(image_load(&image, path), 0);
	from = image_origin(&image);
	assert_int_equal(runtime_read(&whole, &image.mem, &from, &why), 0);
	for (size_t i = 0; i < 3; i++) {
		/* last_holder of a locked GIL */
		struct damaged_mem d = { { damaged_read }, &image.mem, whole.interps[0].gil + whole.walk.gil_holder,
					 whole.interps[0].gil + whole.walk.gil_holder + 8, values[i] };
		struct runtime rt = {0};

		why = (struct fail){0};
		assert_true(runtime_read(&rt, &d.mem, &from, &why) < 0);
		assert_non_null(strstr(why.what, "holder"));
		assert_true(strlen(why.hint) > 20);
	}
	runtime_done(&whole);
	image_free(&image);
}

static void wrong_version_is_refused(void **state)
{
	uint32_t other = strncmp(*state, "3.11", 4) == 0 ? 0x030a0000 : 0x030b0000;
	struct runtime_origin from;
	struct image image;
	struct runtime rt = {0};
	struct fail why = {0};
	char path[128];
	int r;

	snprintf(path, sizeof(path), "tests/images/%s.image.gz", (const char *)*state);
	assert_int_equal(image_load(&image, path), 0);
	from = image_origin(&image);
	from.version_hex = other;
	r = runtime_read(&rt, &image.mem, &from, &why);
	/* a self-describing runtime knows better than the caller */
	if (r == 0)
		assert_true(rt.layout->self_describing);
	else
		assert_true(strlen(why.what) > 20);
	runtime_done(&rt);
	image_free(&image);
}

#define VERSION(v) \
	cmocka_unit_test_prestate(finds_every_thread_and_frame, (void *)(uintptr_t)(v)), \
	cmocka_unit_test_prestate(finds_holder_and_version, (void *)(uintptr_t)(v)), \
	cmocka_unit_test_prestate(damage_is_refused_in_words, (void *)(uintptr_t)(v)), \
	cmocka_unit_test_prestate(wrong_version_is_refused, (void *)(uintptr_t)(v))

/* The image of 3.7.16 as a 3.7.3 looks by the row of 3.7.4 and later: something else where the GIL should be. */
struct disguise {
	struct mem mem;
	const struct mem *image;
	uint64_t interval, version; /* addresses */
	uint32_t hex;
};

static int read_disguised(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	const struct disguise *d = (const void *)mem;
	const uint64_t interval = UINT64_C(1) << 45;
	int r = mem_read(d->image, addr, ret, len);

	if (r == 0 && d->interval >= addr && d->interval + 8 <= addr + len)
		memcpy((char *)ret + (d->interval - addr), &interval, 8);
	if (r == 0 && d->version >= addr && d->version + 4 <= addr + len)
		memcpy((char *)ret + (d->version - addr), &d->hex, 4);
	return r;
}

static void an_older_release_is_refused_by_name(void **state)
{
	struct disguise d = { .mem = { read_disguised }, .hex = 0x030703f0 };
	uint64_t interp, sysdict, object;
	struct runtime_origin from;
	const struct layout *l;
	struct image image;
	struct runtime r;
	struct fail why;

	(void)state;
	assert_int_equal(image_load(&image, "tests/images/3.7.image.gz"), 0);
	from = image_origin(&image);
	l = layout_find(from.version_hex);
	d.image = &image.mem;
	d.interval = from.addr + l->runtime_gil + l->gil_interval;
	assert_int_equal(mem_u64(d.image, from.addr + l->runtime_interpreters_head, &interp), 0);
	assert_int_equal(mem_u64(d.image, interp + l->interp_sysdict, &sysdict), 0);
	assert_int_equal(dict_find(l, d.image, sysdict, "hexversion", &object), 0);
	d.version = object + l->long_digits;
	assert_int_equal(runtime_read(&r, &d.mem, &from, &why), -ENOTSUP);
	assert_string_equal(why.what, "could not attach: CPython 3.7.3 is not supported");
	d.hex = 0x030710f0; /* of a later one that is no reason */
	assert_int_equal(runtime_read(&r, &d.mem, &from, &why), -EPROTO);
	d.interval = 0;
	assert_int_equal(runtime_read(&r, &d.mem, &from, &why), 0);
	runtime_done(&r);
	image_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = { VERSION("2.7"), VERSION("3.6"), VERSION("3.7"), VERSION("3.8"), VERSION("3.9"), VERSION("3.10"), VERSION("3.11"),
					    VERSION("3.11-debian"), VERSION("3.12"), VERSION("3.13"), VERSION("3.13-free-threaded"), VERSION("3.14"), VERSION("3.14-free-threaded"), VERSION("3.15"),
					    cmocka_unit_test(an_older_release_is_refused_by_name) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
