/* libFuzzer: the bytes of a recording (file, or file and WAL) to everything the reader gives.
 *
 * Random bytes never pass SQLite's header, and whole recordings are too big to mutate well.  So an input is a list of
 * changes to a good recording that this program makes itself at the start.  First byte: which of them (0: complete, 1: as
 * SIGKILL leaves it, with its WAL, 2: none, the rest is the file).  Then 5 bytes a change: page, place in it (2 bytes), old
 * xor new, and how often it goes on.  The place counts from both ends of a page, where headers and rows are.
 *
 *     build/release-san/tests/fuzz/fuzz_store -max_total_time=30 CORPUS */
#include <fcntl.h>
#include <linux/types.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/store.h"
#include "tests/unit/store_read_all.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/gilscope-fuzz-XXXXXX";
static char path[64], wal[64], shm[64];
#define PAGE 4096
struct image {
	uint8_t file[1 << 18], wal[1 << 18];
	size_t n_file, n_wal;
};
static struct image good[2], work;

static void remove_files(void)
{
	unlink(path);
	unlink(wal);
	unlink(shm);
}

static void at_exit(void)
{
	remove_files();
	rmdir(dir);
}

static size_t load(const char *name, uint8_t *to, size_t room)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void save(const char *name, const uint8_t *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void on_symbol(void *ctx, uint32_t frame, uint32_t pid, const struct ev_frame *f)
{
	(void)pid;
	store_symbol(ctx, frame, &(struct store_symbol){ "f", "f.py", (uint32_t)f->lasti, 1, true });
}

static void put_rows(struct store *s)
{
	const struct timeline_sink *k = store_sink(s);
	struct ev_stack st = { .h = { .pid = 1 }, .n = 3, .frames = { { 1, 1, 1 }, { 2, 2, 2 }, { 3, 3, 3 } } };

	k->proc(k->ctx, &(struct proc_row){ .pid = 1 });
	k->thread(k->ctx, &(struct thread_row){ .tid = 1, .comm = "t" });
	k->lock(k->ctx, &(struct lock_row){ .addr = 1 });
	for (uint64_t i = 0; i < 200; i++) {
		st.key = i % 9 + 1;
		st.frames[0].lasti = (int32_t)i % 9;
		store_stack(s, &st, on_symbol, s);
		k->wait(k->ctx, &(struct wait){ .wait = i, .t0_ns = i * 100, .t1_ns = i * 100 + 50, .stack = st.key });
		k->credit(k->ctx, &(struct credit){ .wait = i, .stack = st.key, .ns = 50 });
		k->interval(k->ctx, &(struct interval){ .t0_ns = i, .t1_ns = i + 9, .state = i % STATE_N, .nr = -1 });
		k->handoff(k->ctx, &(struct handoff){ .t_acquire_ns = i });
		k->hold(k->ctx, &(struct hold){ .t0_ns = i, .t1_ns = i + 1 });
		k->tally(k->ctx, &(struct tally){ .state = STATE_WAIT_GIL, .n = 1, .ns = 1, .hist = { 1 } });
	}
	store_note(s, 0, "note");
}

static void take(struct image *i)
{
	i->n_file = load(path, i->file, sizeof(i->file));
	i->n_wal = load(wal, i->wal, sizeof(i->wal));
	if (!i->n_file || i->n_file == sizeof(i->file) || i->n_wal == sizeof(i->wal))
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct store_meta meta = { .gilscope_version = "fuzz", .collector = "fuzz" };
	struct store *s = NULL;

	(void)argc, (void)argv;
	if (!mkdtemp(dir))
		abort();
	atexit(at_exit);
	snprintf(path, sizeof(path), "%s/r", dir);
	snprintf(wal, sizeof(wal), "%s/r-wal", dir);
	snprintf(shm, sizeof(shm), "%s/r-shm", dir);
	if (store_create(&s, path, NULL, &meta, NULL))
		abort();
	put_rows(s);
	store_commit(s);
	take(&good[1]);
	store_close(s, true, 1000, NULL);
	take(&good[0]);
	return 0;
}

static void change(const uint8_t *data, size_t size)
{
	size_t pages = work.n_file / PAGE;

	for (; size >= 5; data += 5, size -= 5) {
		size_t place = (size_t)data[1] | (size_t)(data[2] & 15) << 8;
		size_t at = data[0] % pages * PAGE + (data[2] & 16 ? PAGE - 1 - place : place);

		for (unsigned n = data[4] % 16 + 1; n && at < work.n_file; n--)
			work.file[at++] ^= data[3];
		if (data[2] & 32 && work.n_wal)
			work.wal[place * 16 % work.n_wal] ^= data[3];
	}
}

static void set_files(const uint8_t *data, size_t size)
{
	remove_files();
	if (data[0] % 3 == 2) {
		save(path, data + 1, size - 1);
		return;
	}
	work = good[data[0] % 3];
	change(data + 1, size - 1);
	save(path, work.file, work.n_file);
	if (work.n_wal)
		save(wal, work.wal, work.n_wal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader *r = NULL;
	struct fail why = { 0 };

	if (!size)
		return 0;
	set_files(data, size);
	if (reader_open(path, &r, &why) == 0) {
		int failed = read_all(r);

		/* an unchanged recording has to be readable, or this test tests nothing */
		if (size < 6 && data[0] % 3 < 2 && failed)
			abort();
	} else if (!why.what[0] || (size < 6 && data[0] % 3 < 2)) {
		fprintf(stderr, "%s\n", why.what);
		abort();
	}
	reader_close(r);
	return 0;
}
