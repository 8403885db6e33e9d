/* See unwind_child.h. */
#include "core/symbols/unwind_child.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/base/futex.h"
#include "core/symbols/unwind.h"
#include "core/target/disposable.h"
#include "core/util/xalloc.h"

#define SLICE_NS (50 * NS_PER_MS)
#define PROCESSES_MAX 32 /* known at once */
#define MEMORY_MAX (2ULL << 30)
#define FAULTS_MAX 2
#define BAD_MAX 64
#define FORGET_MAX 16

struct block { /* shared with the child */
	atomic_uint asked, answered;
	atomic_uint_fast64_t cpu_ns;
	int err;
	uint32_t forget[FORGET_MAX], n_forget; /* processes, before the request is looked at; FORGET_MAX of them: all */
	struct ev_native copy;
	struct unwound out;
};

struct unwind_child {
	pid_t child;
	struct block *block;
	unsigned asked;
	unsigned ends; /* of children, before their time */
	struct { uint32_t pid; unsigned faults; } bad[BAD_MAX];
	unsigned n_bad;
};

/* --- the child ------------------------------------------------------------------------------------------------------ */

struct known { uint32_t pid; uint64_t used; struct unwind *unwind; };

static void drop(struct known *k)
{
	unwind_free(k->unwind);
	*k = (struct known){ 0 };
}

static struct known *known_of(struct known *all, uint32_t pid)
{
	struct known *oldest = all;

	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		if (all[i].pid == pid)
			return &all[i];
		if (all[i].used < oldest->used)
			oldest = &all[i];
	}
	drop(oldest);
	return oldest;
}

static bool to_forget(const struct block *b, uint32_t pid)
{
	for (unsigned i = 0; i < b->n_forget && b->n_forget < FORGET_MAX; i++)
		if (b->forget[i] == pid)
			return true;
	return b->n_forget >= FORGET_MAX;
}

static int answer(struct block *b, struct known *all, uint64_t turn)
{
	struct known *k;
	int err = 0;

	for (unsigned i = 0; i < PROCESSES_MAX && b->n_forget; i++)
		if (all[i].pid && to_forget(b, all[i].pid))
			drop(&all[i]);
	k = known_of(all, b->copy.h.pid);
	k->used = turn;
	k->pid = b->copy.h.pid;
	if (!k->unwind)
		err = unwind_new(&k->unwind, (pid_t)k->pid);
	return err ? err : unwind_run(k->unwind, &b->copy, &b->out);
}

static void serve(void *block)
{
	struct rlimit core = { 0, 0 };
	struct known all[PROCESSES_MAX] = { 0 };
	struct block *b = block;
	unsigned done = atomic_load(&b->answered), asked;

#ifndef __SANITIZE_ADDRESS__ /* whose shadow alone takes more */
	setrlimit(RLIMIT_AS, &(struct rlimit){ MEMORY_MAX, MEMORY_MAX });
#endif
	setrlimit(RLIMIT_CORE, &core);
	setpriority(PRIO_PROCESS, 0, 5);
	for (uint64_t turn = 1;; turn++) {
		while ((asked = atomic_load(&b->asked)) == done)
			futex_wait(&b->asked, done, 0);
		b->err = answer(b, all, turn);
		done = asked;
		atomic_store(&b->cpu_ns, clock_read_ns(CLOCK_PROCESS_CPUTIME_ID));
		atomic_store(&b->answered, done);
		futex_wake(&b->answered);
	}
}

/* --- its starter ---------------------------------------------------------------------------------------------------- */

struct unwind_child *unwind_child_new(void)
{
	struct unwind_child *c = xcalloc(1, sizeof(*c));

	c->block = disposable_memory(sizeof(*c->block));
	if (!c->block) {
		free(c);
		return NULL;
	}
	return c;
}

static void end_child(struct unwind_child *c)
{
	disposable_end(c->child);
	c->child = 0;
	atomic_store(&c->block->cpu_ns, 0);
}

void unwind_child_free(struct unwind_child *c)
{
	if (!c)
		return;
	end_child(c);
	disposable_memory_free(c->block, sizeof(*c->block));
	free(c);
}

static unsigned *faults_of(struct unwind_child *c, uint32_t pid)
{
	static unsigned many = FAULTS_MAX; /* of all that no longer fit */

	for (unsigned i = 0; i < c->n_bad; i++)
		if (c->bad[i].pid == pid)
			return &c->bad[i].faults;
	if (c->n_bad == BAD_MAX)
		return &many;
	c->bad[c->n_bad].pid = pid;
	c->bad[c->n_bad].faults = 0;
	return &c->bad[c->n_bad++].faults;
}

bool unwind_child_refuses(const struct unwind_child *c, uint32_t pid)
{
	for (unsigned i = 0; i < c->n_bad; i++)
		if (c->bad[i].pid == pid)
			return c->bad[i].faults >= FAULTS_MAX;
	return false;
}

void unwind_child_forget(struct unwind_child *c, uint32_t pid)
{
	if (c->block->n_forget < FORGET_MAX)
		c->block->forget[c->block->n_forget++] = pid;
	for (unsigned i = 0; i < c->n_bad; i++)
		if (c->bad[i].pid == pid)
			c->bad[i] = c->bad[--c->n_bad];
}

unsigned unwind_child_ends(const struct unwind_child *c)
{
	return c->ends;
}

uint64_t unwind_child_cpu_ns(const struct unwind_child *c)
{
	return atomic_load(&c->block->cpu_ns);
}

static int give_up(struct unwind_child *c, uint32_t pid, int err)
{
	end_child(c);
	c->ends++;
	++*faults_of(c, pid);
	return err;
}

static int wait_for_answer(struct unwind_child *c, uint32_t pid)
{
	struct block *b = c->block;
	uint64_t until = clock_now_ns() + UNWIND_LIMIT_NS;
	unsigned answered;

	while ((answered = atomic_load(&b->answered)) != c->asked) {
		futex_wait(&b->answered, answered, SLICE_NS);
		if (atomic_load(&b->answered) == c->asked)
			break;
		if (!disposable_alive(c->child))
			return give_up(c, pid, -EIO);
		if (clock_now_ns() >= until && (disposable_sleeps(c->child) || clock_now_ns() >= until + 4 * UNWIND_LIMIT_NS))
			return give_up(c, pid, -ETIMEDOUT);
	}
	return b->err;
}

int unwind_child_run(struct unwind_child *c, const struct ev_native *copy, const struct unwound **ret)
{
	struct block *b = c->block;
	int err = 0;

	if (unwind_child_refuses(c, copy->h.pid))
		return -EPERM;
	if (c->child && !disposable_alive(c->child)) { /* with nothing to do: nobody's stack is to blame */
		end_child(c);
		c->ends++;
	}
	if (!c->child) {
		c->asked = atomic_load(&b->asked);
		atomic_store(&b->answered, c->asked);
		err = disposable_start(&c->child, "gilscope-unwind", serve, b, -1);
	}
	if (err)
		return err;
	memcpy(&b->copy, copy, copy->h.size < sizeof(b->copy) ? copy->h.size : sizeof(b->copy));
	atomic_store(&b->asked, ++c->asked);
	futex_wake(&b->asked);
	err = wait_for_answer(c, copy->h.pid);
	b->n_forget = 0;
	if (!err)
		*ret = &b->out;
	return err;
}
