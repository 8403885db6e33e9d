/* PyPy's variables, found in recorded code and memory of real builds; and nothing found, or something else, in damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/interp/gil.h"
#include "core/interp/layout.h"
#include "core/interp/runtime.h"
#include "core/interp/threads.h"
#include "core/target/find_pypy.h"
#include "core/target/elf_file.h"
#include "tests/images/image.h"

#define CODE_BYTES 256 /* of the entry */
#define THREADS 9 /* the program's and its main one */

/* The version is read from the file: this one says so too. */
__attribute__((used)) static const char sys_version[] = "3.11.11 (0d2d1a2a)\n[PyPy 7.3.19 with GCC 14.2.0]";

struct truth {
	uint64_t entry;
	uint64_t idents[THREADS], spinning[2];
	unsigned n, n_spinning;
};

static struct elf_file *own_file(void)
{
	struct elf_file *elf = NULL;

	assert_int_equal(elf_file_open(&elf, open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 0);
	return elf;
}

static void load(const char *version, struct image *image, struct truth *truth)
{
	char path[128], line[512];
	FILE *in;

	*truth = (struct truth){ 0 };
	snprintf(path, sizeof(path), "tests/images/%s.image.gz", version);
	assert_int_equal(image_load(image, path), 0);
	snprintf(path, sizeof(path), "tests/images/%s.truth", version);
	in = fopen(path, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		uint64_t ident;

		if (sscanf(line, "E %" SCNx64, &truth->entry) == 1 || sscanf(line, "T %" SCNu64, &ident) != 1)
			continue;
		assert_true(truth->n < THREADS);
		truth->idents[truth->n++] = ident;
		if (strstr(line, " spin ")) {
			assert_true(truth->n_spinning < 2);
			truth->spinning[truth->n_spinning++] = ident;
		}
	}
	fclose(in);
	assert_int_equal(truth->n, THREADS - 1);
	assert_int_equal(truth->n_spinning, 2);
	assert_true(truth->entry != 0);
}

static bool is_one_of(uint64_t ident, const uint64_t *idents, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (idents[i] == ident)
			return true;
	return false;
}

/* By what was found: its threads are those that the program named, and one of the two that compute has the GIL. */
static void check_found(const struct image *image, const struct truth *truth, const struct static_vars *v)
{
	const struct runtime_origin from = { .statics = v, .version_hex = image->version_hex };
	struct thread_walk w;
	struct py_thread t;
	struct gil_view gil;
	struct fail why = { 0 };
	struct runtime rt;
	unsigned n = 0, known = 0;

	assert_int_equal(runtime_read(&rt, &image->mem, &from, &why), 0);
	assert_int_equal(rt.n_interps, 1);
	assert_int_equal(gil_read(rt.layout, &image->mem, rt.interps[0].gil, &gil), 0);
	assert_int_equal(gil.locked, 1);
	assert_true(is_one_of(gil.last_holder, truth->spinning, truth->n_spinning));
	assert_int_equal(thread_walk_begin(&w, rt.layout, &image->mem, rt.interps[0].interp), 0);
	for (; thread_walk_next(&w, &t) == 0; n++)
		known += is_one_of(t.ident, truth->idents, truth->n);
	assert_int_equal(known, truth->n);
	assert_int_equal(n, THREADS);
	runtime_done(&rt);
}

static void finds_gil_and_threads(void **state)
{
	struct elf_file *elf = own_file();
	struct static_vars found;
	struct truth truth;
	struct image image;
	uint32_t version;

	load(*state, &image, &truth);
	assert_true(find_pypy(elf, &image.mem, truth.entry, &found, &version));
	assert_int_equal(version, LAYOUT_PYPY_HEX(7, 3, 19));
	assert_memory_equal(&found, &image.statics, sizeof(found));
	check_found(&image, &truth, &found);
	image_free(&image);
	elf_file_free(elf);
}

/* The image, with one byte of it another one, or without what is read n-th. */
struct damage {
	struct mem mem;
	const struct mem *source;
	uint64_t at;
	uint8_t flip;
	unsigned reads, last;
};

static int damaged_read(const struct mem *mem, uint64_t addr, void *ret, size_t len)
{
	struct damage *d = (struct damage *)(uintptr_t)mem;
	int r = d->reads++ == d->last ? -EFAULT : mem_read(d->source, addr, ret, len);

	if (r == 0 && d->at - addr < len)
		((uint8_t *)ret)[d->at - addr] ^= d->flip;
	return r;
}

static void any_code_is_survived(void **state)
{
	struct elf_file *elf = own_file();
	unsigned missed = 0, other = 0;
	struct static_vars found;
	struct truth truth;
	struct image image;
	uint32_t version;

	load(*state, &image, &truth);
	srand(4);
	for (unsigned i = 0; i < 4 * CODE_BYTES; i++) {
		struct damage d = { { damaged_read }, &image.mem, truth.entry + i % CODE_BYTES, (uint8_t)(1 + rand() % 255), 0, UINT32_MAX };

		if (!find_pypy(elf, &d.mem, truth.entry, &found, &version))
			missed++;
		else if (memcmp(&found, &image.statics, sizeof(found)) != 0)
			other++; /* to be refused by runtime_read: tests of layouts */
	}
	assert_true(missed > 20); /* it is this code that tells */
	assert_true(missed + other < 2 * CODE_BYTES); /* and most of it does not matter */
	image_free(&image);
	elf_file_free(elf);
}

static void nothing_is_found_when_a_read_fails(void **state)
{
	struct elf_file *elf = own_file();
	struct static_vars found;
	struct truth truth;
	struct image image;
	uint32_t version;
	unsigned failing = 0, reads;
	struct damage d = { { damaged_read }, NULL, UINT64_MAX, 0, 0, UINT32_MAX };

	load(*state, &image, &truth);
	d.source = &image.mem;
	assert_true(find_pypy(elf, &d.mem, truth.entry, &found, &version));
	reads = d.reads;
	for (d.last = 0; d.last < reads; d.last++) {
		d.reads = 0;
		failing += !find_pypy(elf, &d.mem, truth.entry, &found, &version);
	}
	assert_true(failing >= 4); /* the entry, the ring, the slow path, a thread */
	assert_false(find_pypy(elf, &image.mem, 0, &found, &version));
	image_free(&image);
	elf_file_free(elf);
}

#define VERSION(v) \
	cmocka_unit_test_prestate(finds_gil_and_threads, (void *)(uintptr_t)(v)), \
	cmocka_unit_test_prestate(any_code_is_survived, (void *)(uintptr_t)(v)), \
	cmocka_unit_test_prestate(nothing_is_found_when_a_read_fails, (void *)(uintptr_t)(v))

int main(void)
{
	const struct CMUnitTest tests[] = { VERSION("pypy-7.3"), VERSION("pypy-8") };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
