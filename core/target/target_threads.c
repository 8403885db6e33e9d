/* The threads of a target: kernel threads from /proc joined with the thread states of all its interpreters.  See target.h.
 * A thread state names its kernel thread by gettid() from 3.11 on, before that by its pthread, in which libc keeps the
 * tid; both count in the target's own pid namespace. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interp/gil.h"
#include "core/interp/layout.h"
#include "core/interp/libc.h"
#include "core/interp/thread_names.h"
#include "core/interp/threads.h"
#include "core/target/disposable.h"
#include "core/target/read_child.h"
#include "core/target/target_priv.h"
#include "core/util/escape.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

#define ATTEMPTS 5
#define NR_FUTEX 202 /* x86-64 */
#define TSS_SEARCH_END 0x900 /* struct pthread is not larger */
#define TSS_PROOF_THREADS 64
#define TLS_SEARCH_BYTES 2048 /* thread variables of a program and its first libraries */

typedef vec(struct py_thread) py_thread_vec;
typedef vec(struct target_thread) target_thread_vec;

/* All thread states; a list that moves meanwhile is read again, at last as far as it goes. */
static void read_tstates(const struct target *t, py_thread_vec *ret)
{
	const struct runtime *rt = &t->runtime;

	for (unsigned i = 0; i < rt->n_interps; i++) {
		size_t from = ret->n;

		for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
			struct thread_walk w;
			struct py_thread thread;
			int r = thread_walk_begin(&w, rt->layout, &t->mem.mem, rt->interps[i].interp);

			ret->n = from;
			while (r == 0 && (r = thread_walk_next(&w, &thread)) == 0)
				vec_push(ret, thread);
			if (r != THREADS_TORN)
				break;
		}
	}
}

/* Under a pthread key: the library that has the value where it is, proven on a live thread. */
static bool find_libc_by_key(struct target *t, const py_thread_vec *threads)
{
	const struct mem *mem = &t->mem.mem;
	uint32_t key = t->runtime.tss_key;

	for (size_t i = 0; i < threads->n && i < TSS_PROOF_THREADS; i++) {
		const struct py_thread *thread = &threads->items[i];

		for (const struct libc *l = libcs; thread->ident && l < libcs + n_libcs; l++) {
			uint64_t at = thread->ident, offset = l->tss_first + (uint64_t)key * l->tss_step, value;

			if (key >= l->tss_keys || (l->tss_pointer && mem_u64(mem, at + l->tss_pointer, &at) != 0) ||
			    mem_u64(mem, at + offset, &value) != 0 || value != thread->tstate)
				continue;
			t->libc = l;
			t->tss = (struct tss_place){ .known = true, .pointer = l->tss_pointer, .offset = offset };
			return true;
		}
	}
	return false;
}

/* Another library: the value itself shows where its slot is. */
static uint64_t find_key_offset(const struct target *t, const py_thread_vec *threads)
{
	uint64_t block[TSS_SEARCH_END / 8];

	for (size_t i = 0; i < threads->n && i < TSS_PROOF_THREADS; i++) {
		const struct py_thread *thread = &threads->items[i];

		if (thread->ident == 0 || mem_read(&t->mem.mem, thread->ident, block, sizeof(block)) != 0)
			continue;
		for (uint64_t at = 0x200 / 8; at < TSS_SEARCH_END / 8; at++)
			if (block[at] == thread->tstate && block[at - 1] != 0 && block[at - 1] < 1u << 20)
				return at * 8;
	}
	return 0;
}

/* How many threads have their state at this distance from the thread pointer, which is their ident. */
static unsigned slot_hits(const struct target *t, const py_thread_vec *threads, int64_t slot)
{
	unsigned hits = 0;
	uint64_t value;

	for (size_t i = 0; i < threads->n && i < TSS_PROOF_THREADS; i++)
		hits += threads->items[i].ident && mem_u64(&t->mem.mem, threads->items[i].ident + (uint64_t)slot, &value) == 0 &&
			value == threads->items[i].tstate;
	return hits;
}

/* In a thread variable.  Another one has the state of a thread while it is attached, so where the code did not tell, the slot
 * that more threads have it in than any other is taken, and none while that cannot be told. */
static uint64_t find_slot_offset(const struct target *t, const py_thread_vec *threads)
{
	unsigned best_hits = 0;
	int64_t best = 0;

	if (t->state_slot && slot_hits(t, threads, t->state_slot))
		return (uint64_t)t->state_slot;
	for (int64_t slot = -TLS_SEARCH_BYTES; slot < 0; slot += 8) {
		unsigned hits = slot_hits(t, threads, slot);

		if (hits == best_hits)
			best = 0;
		else if (hits > best_hits)
			best = slot;
		best_hits = hits > best_hits ? hits : best_hits;
	}
	return (uint64_t)best;
}

/* PyPy: where a thread has its pthread id among its own variables, at the same distance for all while its library was loaded at the
 * program's start (static TLS). */
static uint64_t find_ident_offset(const struct target *t, const py_thread_vec *threads)
{
	const struct layout *l = t->runtime.layout;
	uint64_t first, node, found = 0, value;

	if (threads->n == 0 || mem_u64(&t->mem.mem, t->runtime.interps[0].interp + l->interp_tstate_head, &node) != 0)
		return 0;
	if (mem_u64(&t->mem.mem, node + l->tstate_thread_id, &first) != 0)
		return 0;
	found = node + l->tstate_thread_id - first;
	for (size_t i = 0; i < threads->n && i < TSS_PROOF_THREADS; i++)
		if (mem_u64(&t->mem.mem, threads->items[i].ident + found, &value) != 0 || value != threads->items[i].ident)
			return 0;
	return found;
}

void target_find_tss(struct target *t)
{
	py_thread_vec threads = {0};
	uint64_t found = 0;

	read_tstates(t, &threads);
	if (t->runtime.layout->by_ident)
		found = find_ident_offset(t, &threads);
	else if (t->runtime.tss_key != UINT32_MAX && !find_libc_by_key(t, &threads))
		found = find_key_offset(t, &threads);
	else if (t->runtime.layout->runtime_tss_key == NO_FIELD && !t->runtime.walk.interpreters)
		found = find_slot_offset(t, &threads);
	if (found)
		t->tss = (struct tss_place){ .known = true, .offset = found };
	vec_done(&threads);
}

/* What it sleeps in, and on which GIL.  With musl the latter is looked up in the target, where it may just have been taken off the list; then it
 * sleeps elsewhere by now. */
static void read_call(const struct target *t, int task_fd, struct target_thread *thread)
{
	struct proc_syscall call, before = { .nr = -1 };
	char name[48];

	snprintf(name, sizeof(name), "%d/syscall", thread->tid);
	for (int i = 0; i < ATTEMPTS; i++) {
		call = (struct proc_syscall){ .nr = -1 };
		proc_syscall_read(task_fd, name, &call);
		if (call.nr != NR_FUTEX || !t->has_runtime)
			break;
		thread->gil = runtime_gil_slept_on(&t->runtime, &t->mem.mem, call.arg[0], call.sp);
		if (thread->gil || !t->runtime.walk.cond_list || (call.arg[0] == before.arg[0] && call.sp == before.sp))
			break;
		before = call;
	}
	thread->nr = call.nr;
	thread->arg0 = call.arg[0];
	thread->arg1 = call.arg[1];
	thread->sp = call.sp;
}

static void read_task(const struct target *t, int task_fd, pid_t tid, target_thread_vec *ret)
{
	struct target_thread *thread;
	struct proc_stat stat;
	char name[48];

	snprintf(name, sizeof(name), "%d/stat", tid);
	if (proc_stat_read(task_fd, name, &stat) != 0)
		return;
	thread = vec_add(ret);
	thread->tid = tid;
	thread->start_ns = stat.start_ns;
	thread->state = stat.state;
	escape_to(thread->comm, sizeof(thread->comm), stat.comm, strlen(stat.comm));
	thread->nr = -1;
	if (stat.state != 'R')
		read_call(t, task_fd, thread);
}

static int read_tasks(const struct target *t, target_thread_vec *ret)
{
	int task_fd = openat(t->proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir_fd;
	struct dirent *entry;
	DIR *dir;

	if (task_fd < 0)
		return -errno;
	dir_fd = dup(task_fd);
	dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
	if (!dir) {
		close(task_fd);
		return -EMFILE;
	}
	while ((entry = readdir(dir)) != NULL) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0)
			read_task(t, task_fd, tid, ret);
	}
	closedir(dir);
	close(task_fd);
	return 0;
}

/* ids of the target's namespace to ours */
struct tid_map {
	pid_t inner;
	struct target_thread *thread;
};

static int compare_tid_map(const void *a, const void *b)
{
	const struct tid_map *x = a, *y = b;

	return (x->inner > y->inner) - (x->inner < y->inner);
}

static struct tid_map *map_tids(const struct target *t, target_thread_vec *threads)
{
	struct tid_map *map = xcalloc(threads->n ? threads->n : 1, sizeof(*map));

	for (size_t i = 0; i < threads->n; i++) {
		struct proc_status status;
		char name[48];

		map[i] = (struct tid_map){ threads->items[i].tid, &threads->items[i] };
		if (!t->other_namespace)
			continue;
		snprintf(name, sizeof(name), "task/%d/status", threads->items[i].tid);
		if (proc_status_read(t->proc_fd, name, &status) == 0)
			map[i].inner = status.ns_tid;
	}
	qsort(map, threads->n, sizeof(*map), compare_tid_map);
	return map;
}

static struct target_thread *find_tid(const struct tid_map *map, size_t n, pid_t inner)
{
	struct tid_map key = { .inner = inner }, *found = bsearch(&key, map, n, sizeof(*map), compare_tid_map);

	return found ? found->thread : NULL;
}

static pid_t pthread_tid(const struct target *t, uint64_t ident, uint32_t offset)
{
	uint32_t tid;

	return ident && mem_u32(&t->mem.mem, ident + offset, &tid) == 0 && tid <= INT32_MAX ? (pid_t)tid : 0;
}

/* The library under whose offset most threads have the number of a thread of the process, and their own where their state tells it. */
static const struct libc *libc_by_tid(const struct target *t, const py_thread_vec *py, const struct tid_map *map, size_t n)
{
	const struct libc *best = NULL;
	size_t best_hits = 0;

	for (const struct libc *l = libcs; l < libcs + n_libcs; l++) {
		size_t hits = 0;

		for (size_t i = 0; i < py->n && i < TSS_PROOF_THREADS; i++)
			hits += find_tid(map, n, pthread_tid(t, py->items[i].ident, l->tid)) != NULL;
		if (hits > best_hits) {
			best = l;
			best_hits = hits;
		}
	}
	return best;
}

void target_find_libc(struct target *t)
{
	target_thread_vec threads = {0};
	py_thread_vec py = {0};
	struct tid_map *map;

	if (t->libc || read_tasks(t, &threads) < 0)
		return;
	map = map_tids(t, &threads);
	read_tstates(t, &py);
	t->libc = libc_by_tid(t, &py, map, threads.n);
	free(map);
	vec_done(&py);
	vec_done(&threads);
}

/* The state that a thread has made its own last (PyGILState), read from its thread-specific data; 0 unknown.
 * 3.12 runs a subinterpreter on a state that still names the thread which created it; this is what tells the two apart. */
static uint64_t tss_state(const struct target *t, uint64_t ident)
{
	uint64_t at = ident, tstate;

	if (!t->tss.known || !ident || (t->tss.pointer && mem_u64(&t->mem.mem, ident + t->tss.pointer, &at) != 0))
		return 0;
	return mem_u64(&t->mem.mem, at + t->tss.offset, &tstate) == 0 ? tstate : 0;
}

static bool holds_a_gil(const struct target *t, uint64_t tstate)
{
	const struct runtime *rt = &t->runtime;
	struct gil_view gil;

	for (unsigned i = 0; i < rt->n_interps; i++)
		if (gil_read(rt->layout, &t->mem.mem, rt->interps[i].gil, &gil) == 0 && gil.locked == 1 &&
		    gil.last_holder == tstate)
			return true;
	return false;
}

/* Of several states of one thread (one per interpreter): the one that holds a GIL, its own, one that runs Python. */
static int rank(const struct target *t, uint64_t tstate, bool own)
{
	uint64_t frame = 0;

	if (holds_a_gil(t, tstate))
		return 4;
	if (own)
		return 3;
	if (t->runtime.layout->tstate_frame != NO_FIELD)
		mem_u64(&t->mem.mem, tstate + t->runtime.layout->tstate_frame, &frame);
	return frame ? 2 : 1;
}

struct claim {
	const struct py_thread *py;
	struct target_thread *thread; /* by the tid in the state; then by thread-specific data */
	bool own;
};

static int compare_claim(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return (x->py->tstate > y->py->tstate) - (x->py->tstate < y->py->tstate);
}

static struct claim *find_claim(struct claim *claims, size_t n, uint64_t tstate)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (claims[mid].py->tstate < tstate)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && claims[low].py->tstate == tstate ? &claims[low] : NULL;
}

/* Which thread each state belongs to. */
static struct claim *claim_threads(struct target *t, const py_thread_vec *py, target_thread_vec *threads)
{
	struct claim *claims = xcalloc(py->n ? py->n : 1, sizeof(*claims));
	struct tid_map *map = map_tids(t, threads);

	if (t->runtime.layout->tstate_native_thread_id == NO_FIELD && !t->libc)
		t->libc = libc_by_tid(t, py, map, threads->n);
	for (size_t i = 0; i < py->n; i++) {
		const struct py_thread *p = &py->items[i];
		pid_t inner = p->native_tid ? (pid_t)p->native_tid :
			      t->libc ? pthread_tid(t, p->ident, t->libc->tid) : 0;

		claims[i] = (struct claim){ .py = p, .thread = inner ? find_tid(map, threads->n, inner) : NULL };
		if (claims[i].thread)
			claims[i].thread->ident = p->ident;
	}
	qsort(claims, py->n, sizeof(*claims), compare_claim);
	for (size_t i = 0; i < threads->n; i++) {
		struct claim *own = find_claim(claims, py->n, tss_state(t, threads->items[i].ident));

		if (own) {
			own->thread = &threads->items[i];
			own->own = true;
		}
	}
	free(map);
	return claims;
}

static void join_tstates(struct target *t, target_thread_vec *threads)
{
	py_thread_vec py = {0};
	struct claim *claims;

	read_tstates(t, &py);
	claims = claim_threads(t, &py, threads);
	for (size_t i = 0; i < py.n; i++) {
		struct target_thread *thread = claims[i].thread;

		if (!thread)
			continue;
		if (thread->tstate && rank(t, claims[i].py->tstate, claims[i].own) <=
			    rank(t, thread->tstate, thread->tstate == tss_state(t, thread->ident)))
			continue;
		thread->tstate = claims[i].py->tstate;
		thread->interp = claims[i].py->interp;
	}
	free(claims);
	vec_done(&py);
}

static void note_name(void *ctx, uint64_t ident, const char *name)
{
	target_thread_vec *threads = ctx;

	for (size_t i = 0; i < threads->n; i++)
		if (threads->items[i].ident == ident)
			escape_to(threads->items[i].name, sizeof(threads->items[i].name), name, strlen(name));
}

static int read_threads(struct target *t, bool want_names, target_thread_vec *ret)
{
	int r = read_tasks(t, ret);

	if (r < 0)
		return r;
	if (t->has_runtime && ret->n) {
		join_tstates(t, ret);
		for (unsigned i = 0; want_names && i < t->runtime.n_interps; i++)
			thread_names_read(t->runtime.layout, &t->mem.mem, t->runtime.interps[i].interp, note_name, ret);
	}
	return 0;
}

struct roll { /* shared */
	struct target *target;
	bool want_names;
	int result;
	const struct libc *libc; /* found on the way; of the rows, which lie where they do here */
	unsigned n;
	struct target_thread threads[];
};

static void call_roll(void *roll)
{
	struct roll *r = roll;
	target_thread_vec threads = {0};

	r->result = read_threads(r->target, r->want_names, &threads);
	r->libc = r->target->libc;
	r->n = (unsigned)(threads.n < THREADS_MAX ? threads.n : THREADS_MAX);
	if (r->n)
		memcpy(r->threads, threads.items, r->n * sizeof(*threads.items));
	vec_done(&threads);
}

/* Hundreds of reads in a row: in a child, where each takes 1 us. */
static int read_threads_apart(struct target *t, bool want_names, target_thread_vec *ret)
{
	const size_t bytes = sizeof(struct roll) + THREADS_MAX * sizeof(struct target_thread); /* pages of it are used as it fills */
	struct roll *r = disposable_memory(bytes);
	int err;

	if (!r)
		return -ENOMEM;
	r->target = t;
	r->want_names = want_names;
	err = target_read_apart(t, call_roll, r);
	if (!err)
		err = r->result;
	if (!err) {
		t->libc = r->libc;
		for (unsigned i = 0; i < r->n; i++)
			vec_push(ret, r->threads[i]);
	}
	disposable_memory_free(r, bytes);
	return err;
}

static int give(int r, target_thread_vec *threads, struct target_thread **ret, unsigned *ret_n)
{
	if (r < 0) {
		vec_done(threads);
		return r;
	}
	*ret = threads->items;
	*ret_n = (unsigned)threads->n;
	return 0;
}

int target_tasks(const struct target *t, struct target_thread **ret, unsigned *ret_n)
{
	target_thread_vec threads = {0};

	return give(read_tasks(t, &threads), &threads, ret, ret_n);
}

int target_threads(struct target *t, bool want_names, struct target_thread **ret, unsigned *ret_n)
{
	target_thread_vec threads = {0};
	bool here = read_child_is_disposable() || !t->has_runtime;

	return give(here ? read_threads(t, want_names, &threads) : read_threads_apart(t, want_names, &threads), &threads, ret, ret_n);
}
