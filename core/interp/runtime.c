/* See runtime.h: from the address of _PyRuntime to checked interpreters, GILs and walk offsets.
 * The target runs while it is read, so a single contradiction proves nothing: everything is read again a few times, and
 * only what stays contradictory is refused. */
#include "core/interp/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/interp/cond_list.h"
#include "core/interp/debug_offsets.h"
#include "core/interp/frames.h"
#include "core/interp/gil.h"
#include "core/interp/layout.h"
#include "core/interp/libc.h"
#include "core/interp/pydict.h"
#include "core/interp/pystr.h"
#include "core/interp/statics.h"
#include "core/interp/tasks.h"
#include "core/interp/threads.h"
#include "core/interp/world.h"

#define ATTEMPTS 20
#define ATTEMPT_PAUSE_NS 1000000
#define INTERVAL_US_MAX 1000000000ull
#define TSS_KEYS_MAX 1024 /* PTHREAD_KEYS_MAX */
#define USER_ADDRESS_END (1ull << 56)
/* Waiters sleep on __g_signals of pthread_cond_t: +40, +44 in glibc up to 2.40, +32, +36 since g_refs went (2.41).  Below it
 * lie the words on which a signaller waits for old waiters to leave (__condvar_quiesce_and_switch_g1, __g_refs at +16). */
#define COND_SIGNALS 32
#define COND_SIZE 48
#define MUTEX_SIZE 40
#define TCB_SELF 16 /* glibc x86-64, sysdeps/x86_64/nptl/tls.h: a pthread id points at itself there */

static void version_text(struct runtime *r, uint32_t hex)
{
	static const char *const kinds[16] = { [0xa] = "a", [0xb] = "b", [0xc] = "rc" };
	const char *kind = kinds[hex >> 4 & 15];

	if (hex >> 24 == LAYOUT_PYPY)
		snprintf(r->version, sizeof(r->version), "PyPy %u.%u.%u", hex >> 16 & 255, hex >> 8 & 255, hex & 255);
	else if (hex == 0)
		snprintf(r->version, sizeof(r->version), "CPython %s", r->layout->name);
	else if (kind)
		snprintf(r->version, sizeof(r->version), "CPython %u.%u.%u%s%u", hex >> 24, hex >> 16 & 255, hex >> 8 & 255,
			 kind, hex & 15);
	else
		snprintf(r->version, sizeof(r->version), "CPython %u.%u.%u", hex >> 24, hex >> 16 & 255, hex >> 8 & 255);
	if (r->free_threaded) {
		size_t n = strlen(r->version);

		snprintf(r->version + n, sizeof(r->version) - n, " free-threaded");
	}
}

static int refuse_version(struct fail *why, uint32_t hex, bool free_threaded)
{
	if (hex >> 24 == LAYOUT_PYPY)
		fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach: PyPy %u.%u is not supported", hex >> 16 & 255, hex >> 8 & 255);
	else if (hex)
		fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach: CPython %u.%u%s is not supported", hex >> 24,
			 hex >> 16 & 255, free_threaded ? " (free-threaded)" : "");
	else
		fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach: the version of its CPython is not known");
	fail_hint(why, "Supported: %s. Known but not supported yet: %s. With --no-python thread states and locks can be "
		  "recorded without knowledge of the GIL.", layout_supported_text(), layout_known_text());
	return -ENOTSUP;
}

/* The row, or what the build's debug information made of it. */
static void take_layout(struct runtime *r, const struct layout *row, const struct runtime_origin *from)
{
	r->layout = from->layout ? from->layout : row;
	if (from->layout)
		snprintf(r->how, sizeof(r->how), "offsets from its own debug information (%u unlike %s), checked", from->n_differ, row->source);
	else
		snprintf(r->how, sizeof(r->how), "offsets of %s, checked", row->source);
}

/* Before 3.7, and PyPy: the row, completed with where this process has its variables. */
static int lay_out_statics(struct runtime *r, const struct runtime_origin *from, struct fail *why)
{
	const struct layout *row = layout_find(from->version_hex);

	if (!row || !row->statics)
		return refuse_version(why, from->version_hex, false);
	r->own_layout = malloc(sizeof(*r->own_layout));
	if (!r->own_layout)
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not attach: out of memory");
	take_layout(r, row, from);
	*r->own_layout = *r->layout;
	r->layout = r->own_layout;
	if (static_vars_layout(from->statics, r->own_layout, &r->addr) == 0)
		return 0;
	return fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach: the variables of %s%s were not all found",
			row->by_ident ? "" : "CPython ", row->name);
}

/* Which row: the target's own table first, then the version that the files told. */
static int choose_layout(struct runtime *r, const struct mem *mem, const struct runtime_origin *from, uint32_t *version_hex, struct fail *why)
{
	struct layout *own = malloc(sizeof(*own));
	const struct layout *row;
	uint32_t own_version = 0;
	int err;

	if (!own)
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not attach: out of memory");
	err = debug_offsets_read(mem, r->addr, own, &own_version, &r->free_threaded);
	if (err == 0) {
		r->own_layout = own;
		r->layout = own;
		*version_hex = own_version;
		snprintf(r->how, sizeof(r->how), "the target's own debug offsets");
		return 0;
	}
	free(own);
	if (err == -ENOTSUP)
		return refuse_version(why, own_version, r->free_threaded);
	if (err == -EPROTO)
		return fail_set(why, -EPROTO, FAIL_ATTACH,
				"could not attach: the target's debug offsets contradict themselves");
	if (err != -ENODATA)
		return fail_set(why, err, FAIL_ATTACH, "could not read the target's memory: %s", strerror(-err));
	row = layout_find(*version_hex);
	if (!row || row->self_describing || row->statics)
		return refuse_version(why, *version_hex, false);
	take_layout(r, row, from);
	return 0;
}

static uint8_t byte_or(uint32_t offset, uint8_t absent)
{
	return offset < absent ? (uint8_t)offset : absent;
}

static uint16_t half_or(uint32_t offset, uint16_t absent)
{
	return offset < absent ? (uint16_t)offset : absent;
}

/* Where its waiters sleep, and whether the programs can read who holds it. */
static int walk_gil(const struct layout *l, struct walk_layout *w)
{
	w->gil_words = l->gil_words;
	w->gil_size = half_or(l->gil_size, WALK_NO_FIELD);
	w->gil_holder = l->gil_last_holder; /* see place_walk for another variable */
	if (l->gil_words == WALK_GIL_SEMAPHORE) {
		w->gil_wait_len = sizeof(uint32_t); /* sem_wait sleeps on its value, the first word */
		return 0;
	}
	if (l->gil_words == WALK_GIL_CURRENT && !l->static_current) /* a row, not yet completed for a process */
		return 0;
	if (l->gil_words == WALK_GIL_IDENT && l->gil_size == NO_FIELD) /* the same */
		return 0;
	w->gil_cond = half_or(l->gil_cond, WALK_NO_FIELD);
	w->gil_wait = half_or(l->gil_cond + COND_SIGNALS, WALK_NO_FIELD);
	w->gil_wait_len = COND_SIZE - COND_SIGNALS;
	if (l->gil_words == WALK_GIL_IDENT) {
		w->gil_locked = half_or(l->gil_locked, WALK_NO_FIELD);
		w->gil_forced = half_or(l->gil_switch_mutex, WALK_NO_FIELD);
		w->gil_forced_len = MUTEX_SIZE;
		w->tstate_thread_id = TCB_SELF; /* of the thread state that an ident is taken for */
		return 0;
	}
	w->gil_forced = half_or(l->gil_switch_cond, WALK_NO_FIELD);
	w->gil_forced_len = COND_SIZE;
	if (l->gil_words == WALK_GIL_CURRENT)
		return 0;
	w->gil_forced_len = half_or(l->gil_size - l->gil_switch_cond, WALK_NO_FIELD); /* with switch_mutex, that follows */
	return l->gil_locked == l->gil_last_holder + 8 && l->gil_switch_number == l->gil_last_holder + 16 ? 0 : -EPROTO;
}

int runtime_walk_layout(const struct layout *l, struct walk_layout *w)
{
	uint32_t span = l->frame_code + 8;

	*w = (struct walk_layout){
		.tstate_frame = half_or(l->tstate_frame, WALK_NO_FIELD),
		.cframe_frame = half_or(l->cframe_frame, WALK_NO_FIELD),
		.tstate_thread_id = half_or(l->tstate_thread_id, WALK_NO_FIELD),
		.tstate_interp = half_or(l->tstate_interp, WALK_NO_FIELD),
		.interp_gil = half_or(l->interp_gil_ptr, WALK_NO_FIELD),
		.code_firstlineno = half_or(l->code_firstlineno, WALK_NO_FIELD),
		.code_bytecode = half_or(l->code_bytecode, WALK_NO_FIELD),
		.frame_code = byte_or(l->frame_code, WALK_SPAN),
		.frame_prev = byte_or(l->frame_prev, WALK_SPAN),
		.frame_instr = byte_or(l->frame_instr, WALK_SPAN),
		.frame_owner = byte_or(l->frame_owner, WALK_NO_OWNER),
		.lasti_scale = (uint8_t)l->frame_lasti_scale,
		.owner_shim = (uint8_t)l->frame_owner_shim,
		.frame_entry = byte_or(l->frame_entry, WALK_NO_OWNER),
		.code_tag_mask = (uint8_t)l->frame_code_tag,
		.interp_tstate_head = half_or(l->interp_tstate_head, WALK_NO_FIELD),
		.tstate_next = half_or(l->tstate_next, WALK_NO_FIELD),
		.code_tlbc = half_or(l->code_tlbc, WALK_NO_FIELD),
		.frame_tlbc = byte_or(l->frame_tlbc, WALK_SPAN),
		.tstate_state = half_or(l->tstate_state, WALK_NO_FIELD),
		.tstate_critical = half_or(l->tstate_critical, WALK_NO_FIELD),
		.interp_world = half_or(l->interp_world, WALK_NO_FIELD),
		.object_mutex = byte_or(l->object_mutex, WALK_NO_OWNER),
		.object_type = byte_or(l->object_type, WALK_NO_OWNER),
	};
	if (l->frame_prev + 8 > span)
		span = l->frame_prev + 8;
	if (l->frame_instr + 8 > span)
		span = l->frame_instr + (l->frame_lasti_scale ? 4 : 8);
	if (l->frame_owner != NO_FIELD && l->frame_owner + 1 > span)
		span = l->frame_owner + 1;
	if (l->frame_entry != NO_FIELD && l->frame_entry + 1 > span)
		span = l->frame_entry + 1;
	if (l->frame_tlbc != NO_FIELD && l->frame_tlbc + 4 > span)
		span = l->frame_tlbc + 4;
	w->frame_span = byte_or(span, WALK_SPAN + 1);
	if (l->by_ident)
		return walk_gil(l, w);
	if (w->frame_span > WALK_SPAN || w->tstate_frame == WALK_NO_FIELD || w->tstate_thread_id == WALK_NO_FIELD ||
	    w->code_firstlineno == WALK_NO_FIELD || (l->frame_owner != NO_FIELD && l->frame_owner >= WALK_SPAN) ||
	    (l->interp_gil_ptr != NO_FIELD && w->interp_gil == WALK_NO_FIELD) || w->gil_size == WALK_NO_FIELD)
		return -EPROTO;
	return walk_gil(l, w);
}

/* What of it depends on the process. */
static void place_walk(struct runtime *r, const struct mem *mem)
{
	if (r->layout->static_current)
		r->walk.gil_holder = r->layout->static_current - r->interps[0].gil;
	if (r->layout->runtime_world != NO_FIELD)
		r->walk.world = world_find(mem, r->addr + r->layout->runtime_world);
	r->walk.interpreters = r->layout->gil_words == WALK_GIL_SEMAPHORE ? r->addr + r->layout->runtime_interpreters_head : 0;
}

static uint64_t gc_flag(const struct runtime *r, uint64_t interp)
{
	if (r->layout->interp_gc_collecting != NO_FIELD)
		return interp + r->layout->interp_gc_collecting;
	return r->layout->runtime_gc_collecting != NO_FIELD ? r->addr + r->layout->runtime_gc_collecting : 0;
}

/* PyPy has no interpreters but itself. */
static int read_only_place(struct runtime *r)
{
	r->interps[0] = (struct interp_place){ .interp = r->addr + r->layout->runtime_interpreters_head, .gil = r->addr + r->layout->runtime_gil };
	r->n_interps = 1;
	return 0;
}

static int read_places(struct runtime *r, const struct mem *mem, char *ret_why, size_t size)
{
	const struct layout *l = r->layout;
	uint64_t interp;
	int err;

	r->n_interps = 0;
	r->more_interps = false;
	if (l->by_ident)
		return read_only_place(r);
	err = mem_u64(mem, r->addr + l->runtime_interpreters_head, &interp);
	for (; err == 0 && interp != 0; err = mem_u64(mem, interp + l->interp_next, &interp)) {
		struct interp_place *place = &r->interps[r->n_interps];
		uint64_t id = r->n_interps;

		if (r->n_interps == RUNTIME_MAX_INTERPS) {
			r->more_interps = true;
			break;
		}
		for (unsigned i = 0; i < r->n_interps; i++)
			if (r->interps[i].interp == interp) {
				snprintf(ret_why, size, "its list of interpreters is a ring");
				return -EPROTO;
			}
		*place = (struct interp_place){ .interp = interp, .gc_collecting = gc_flag(r, interp) };
		if (l->interp_id != NO_FIELD)
			err = mem_u64(mem, interp + l->interp_id, &id);
		if (err == 0)
			err = gil_of_interp(l, mem, r->addr, interp, &place->gil);
		if (err != 0)
			break;
		place->id = (int64_t)id;
		r->n_interps++;
	}
	if (err != 0)
		snprintf(ret_why, size, "its list of interpreters leads to unreadable memory");
	else if (r->n_interps == 0)
		snprintf(ret_why, size, "it has no interpreter (it is starting or ending)");
	return err != 0 ? err : r->n_interps ? 0 : -EPROTO;
}

/* Walks all thread states of an interpreter; *ret_holder becomes true when `holder` is one of them. */
static int check_threads(const struct runtime *r, const struct mem *mem, const struct interp_place *place,
			 uint64_t holder, bool *ret_holder, unsigned *ret_n, char *ret_why, size_t size)
{
	struct thread_walk w;
	struct py_thread t;
	int err = thread_walk_begin(&w, r->layout, mem, place->interp);

	while (err == 0 && (err = thread_walk_next(&w, &t)) == 0) {
		if (t.ident >= USER_ADDRESS_END || t.native_tid > INT32_MAX) {
			snprintf(ret_why, size, "a thread state holds an implausible thread id (0x%" PRIx64 ")", t.ident);
			return -EPROTO;
		}
		*ret_holder |= t.tstate == holder;
		(*ret_n)++;
	}
	if (err == THREADS_END)
		return 0;
	if (err == THREADS_TORN)
		snprintf(ret_why, size, "the list of thread states of interpreter %" PRId64 " does not close", place->id);
	else
		snprintf(ret_why, size, "its thread states cannot be read");
	return err < 0 ? err : -EPROTO;
}

static bool has_interval(const struct layout *l)
{
	return !l->by_ident && (!l->static_current || l->static_interval);
}

/* The GIL that interps[first] follows, with all interpreters that share it. */
static int check_gil(struct runtime *r, const struct mem *mem, unsigned first, char *ret_why, size_t size)
{
	uint64_t gil = r->interps[first].gil;
	struct gil_view before, after;
	bool holder_known = false;
	unsigned n = 0;
	int err = gil_read(r->layout, mem, gil, &before);

	if (err != 0)
		snprintf(ret_why, size, "the GIL at 0x%" PRIx64 " cannot be read", gil);
	for (unsigned i = first; err == 0 && i < r->n_interps; i++)
		if (r->interps[i].gil == gil)
			err = check_threads(r, mem, &r->interps[i], before.last_holder, &holder_known, &n, ret_why, size);
	if (err == 0)
		err = gil_read(r->layout, mem, gil, &after);
	if (err != 0)
		return err;
	if (before.interval_us > INTERVAL_US_MAX || (before.interval_us == 0 && has_interval(r->layout)))
		snprintf(ret_why, size, "its switch interval reads %" PRIu64 " us", before.interval_us);
	else if (before.locked < -1 || before.locked > 1)
		snprintf(ret_why, size, "its GIL's lock word reads %d", before.locked);
	else if (before.locked == 1 && !holder_known && !r->more_interps)
		snprintf(ret_why, size, "the GIL's holder 0x%" PRIx64 " is none of its %u threads", before.last_holder, n);
	else
		return 0;
	return -EPROTO;
}

/* Not created yet (2.7), or switched off. */
static int check_no_gil(const struct runtime *r, const struct mem *mem, unsigned i, char *ret_why, size_t size)
{
	bool holder = false;
	unsigned n = 0;

	if (r->layout->runtime_gil_ptr || r->layout->free_threaded)
		return check_threads(r, mem, &r->interps[i], 0, &holder, &n, ret_why, size);
	snprintf(ret_why, size, "interpreter %" PRId64 " has no GIL", r->interps[i].id);
	return -EPROTO;
}

static int check_gils(struct runtime *r, const struct mem *mem, char *ret_why, size_t size)
{
	for (unsigned i = 0; i < r->n_interps; i++) {
		bool seen = false;
		int err;

		for (unsigned k = 0; k < i; k++)
			seen |= r->interps[k].gil == r->interps[i].gil;
		if (seen)
			continue;
		if (r->interps[i].gil)
			err = check_gil(r, mem, i, ret_why, size);
		else
			err = check_no_gil(r, mem, i, ret_why, size);
		if (err != 0)
			return err;
	}
	return 0;
}

static int read_checked(struct runtime *r, const struct mem *mem, char *ret_why, size_t size)
{
	const struct timespec pause = { .tv_nsec = ATTEMPT_PAUSE_NS };
	int err = -EPROTO;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		err = read_places(r, mem, ret_why, size);
		if (err == 0)
			err = check_gils(r, mem, ret_why, size);
		if (err == 0 || err == -ESRCH || err == -EPERM)
			break;
	}
	return err;
}

/* Py_tss_t { int is_initialized; pthread_key_t key; }; before 3.7 only the key, an int */
static void read_tss_key(struct runtime *r, const struct mem *mem)
{
	uint32_t tss[2] = { 1 };
	bool bare = r->layout->statics;

	r->tss_key = UINT32_MAX;
	if (r->layout->runtime_tss_key != NO_FIELD &&
	    mem_read(mem, r->addr + r->layout->runtime_tss_key, tss + bare, bare ? sizeof(tss[1]) : sizeof(tss)) == 0 && tss[0] != 0 &&
	    tss[1] < TSS_KEYS_MAX)
		r->tss_key = tss[1];
}

static bool read_hexversion(const struct runtime *r, const struct mem *mem, uint64_t *ret)
{
	uint64_t sysdict, object;

	if (r->layout->interp_sysdict == NO_FIELD)
		return false;
	for (unsigned i = 0; i < r->n_interps; i++)
		if (mem_u64(mem, r->interps[i].interp + r->layout->interp_sysdict, &sysdict) == 0 &&
		    dict_find(r->layout, mem, sysdict, "hexversion", &object) == 0 && pylong_read(r->layout, mem, object, ret) == 0)
			return true;
	return false;
}

/* sys.hexversion: proof of the row, and the patch level where the files do not tell it. */
static int check_version(struct runtime *r, const struct mem *mem, uint32_t *version_hex, struct fail *why)
{
	uint64_t hex;

	if (!read_hexversion(r, mem, &hex))
		return 0;
	if (hex >> 16 != r->layout->version)
		return fail_set(why, -EPROTO, FAIL_ATTACH, "could not attach: its files say CPython %s, its sys.hexversion 0x%" PRIx64,
				r->layout->name, hex);
	*version_hex = (uint32_t)hex;
	return 0;
}

/* What was read contradicts itself: is that because the row holds for later releases only? */
static int refuse_contradiction(struct runtime *r, const struct mem *mem, int err, const char *contradiction, struct fail *why)
{
	const struct layout *l = r->layout;
	uint64_t hex;

	if (l->since && read_hexversion(r, mem, &hex) && hex >> 16 == l->version && hex < l->since) {
		fail_set(why, -ENOTSUP, FAIL_ATTACH, "could not attach: CPython %s.%u is not supported", l->name, (unsigned)hex >> 8 & 255);
		fail_hint(why, "It is laid out otherwise than %s.%u and later. One with debug information in its file is supported.", l->name,
			  l->since >> 8 & 255);
		return -ENOTSUP;
	}
	fail_set(why, err, FAIL_ATTACH, "could not attach: %s", contradiction);
	fail_hint(why, "Its memory does not look like %s. A program that has just started or is ending looks so for "
		  "a moment: try again. A debug build without debug information in its file always looks so.",
		  l->source);
	return err;
}

/* The walk learns of tasks as soon as asyncio is imported. */
static void find_tasks(struct runtime *r, const struct mem *mem)
{
	uint64_t interp = r->interps[r->n_interps - 1].interp, modules;
	int err;

	modules = tasks_modules(r->layout, mem, interp);
	if (modules == r->modules && !(r->wants_task_table && r->task_table))
		return;
	r->modules = modules;
	r->loops_in_c = r->loops_in_c || tasks_loops_in_c(r->layout, mem, interp);
	if (r->walk.tasks.coro)
		return;
	err = tasks_find(r->layout, mem, interp, r->task_table, &r->walk.tasks);
	r->wants_task_table = err == TASKS_WANT_TABLE;
	if (err < 0) /* torn, perhaps: once more */
		r->modules = 0;
}

void runtime_set_libc(struct runtime *r, const struct libc *libc)
{
	if (!libc->cond_list || !r->walk.gil_cond || r->walk.gil_words == WALK_GIL_IDENT)
		return;
	r->walk.cond_list = libc->cond_list;
	r->walk.gil_wait_len = 0;
}

uint64_t runtime_gil_slept_on(const struct runtime *r, const struct mem *mem, uint64_t word, uint64_t sp)
{
	for (unsigned i = 0; i < r->n_interps; i++)
		if (r->interps[i].gil && word - r->interps[i].gil < r->walk.gil_size)
			return r->interps[i].gil;
	if (!r->walk.cond_list || !cond_may_list(word, sp))
		return 0;
	for (unsigned i = 0; i < r->n_interps; i++)
		if (r->interps[i].gil && frames_listed(&r->walk, mem, r->interps[i].gil, word))
			return r->interps[i].gil;
	return 0;
}

void runtime_set_task_table(struct runtime *r, uint64_t addr)
{
	r->task_table = addr;
	r->wants_task_table = addr != 0;
}

int runtime_read(struct runtime *ret, const struct mem *mem, const struct runtime_origin *from, struct fail *why)
{
	struct runtime r = { .addr = from->addr, .tss_key = UINT32_MAX };
	uint32_t version_hex = from->version_hex;
	char contradiction[160] = "";
	struct gil_view gil;
	int err = from->statics ? lay_out_statics(&r, from, why) : choose_layout(&r, mem, from, &version_hex, why);

	if (err == 0 && runtime_walk_layout(r.layout, &r.walk) != 0)
		err = fail_set(why, -EPROTO, FAIL_ATTACH, "could not attach: the target's debug offsets cannot be");
	if (err == 0 && (err = read_checked(&r, mem, contradiction, sizeof(contradiction))) != 0)
		err = refuse_contradiction(&r, mem, err, contradiction, why);
	if (err == 0)
		err = check_version(&r, mem, &version_hex, why);
	if (err != 0) {
		runtime_done(&r);
		return err;
	}
	if (gil_read(r.layout, mem, r.interps[r.n_interps - 1].gil, &gil) == 0 && gil.interval_us <= INTERVAL_US_MAX)
		r.switch_interval_ns = gil.interval_us * 1000;
	read_tss_key(&r, mem);
	place_walk(&r, mem);
	if (r.free_threaded)
		r.gil_choice = gil_choice_read(r.layout, mem, r.interps[r.n_interps - 1].interp);
	find_tasks(&r, mem);
	version_text(&r, version_hex);
	*ret = r;
	return 0;
}

int runtime_refresh(struct runtime *r, const struct mem *mem)
{
	struct runtime now = *r;
	char contradiction[160];
	struct gil_view gil;
	int err = read_checked(&now, mem, contradiction, sizeof(contradiction));

	if (err != 0)
		return err;
	read_tss_key(&now, mem);
	place_walk(&now, mem);
	find_tasks(&now, mem);
	if (gil_read(now.layout, mem, now.interps[now.n_interps - 1].gil, &gil) == 0 &&
	    gil.interval_us <= INTERVAL_US_MAX)
		now.switch_interval_ns = gil.interval_us * 1000;
	if (now.n_interps == r->n_interps && now.tss_key == r->tss_key && now.more_interps == r->more_interps &&
	    now.switch_interval_ns == r->switch_interval_ns && now.walk.tasks.coro == r->walk.tasks.coro &&
	    memcmp(now.interps, r->interps, now.n_interps * sizeof(now.interps[0])) == 0) {
		r->modules = now.modules;
		r->wants_task_table = now.wants_task_table;
		r->loops_in_c = now.loops_in_c;
		return 0;
	}
	*r = now;
	return RUNTIME_CHANGED;
}

unsigned runtime_gils(const struct runtime *r, const struct interp_place *ret[RUNTIME_MAX_INTERPS])
{
	unsigned n = 0;

	for (const struct interp_place *p = r->interps; p < r->interps + r->n_interps; p++) {
		unsigned k = 0;

		while (k < n && ret[k]->gil != p->gil)
			k++;
		if (k == n && p->gil)
			ret[n++] = p;
	}
	return n;
}

void runtime_done(struct runtime *r)
{
	free(r->own_layout);
	r->own_layout = NULL;
	r->layout = NULL;
}
