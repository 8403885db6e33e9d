/* See lock_uses.h. */
#include "viewer/lock_uses.h"

#include <inttypes.h>
#include <string.h>

#include "core/store/reader.h"
#include "core/timeline/lock_place.h"
#include "core/util/strbuf.h"

enum { NAME_MAX_BYTES = 400 };

static const struct lock_use no_use = { .proc = MODEL_NONE, .kind = LOCK_FUTEX, .name = "?", .where = "", .interp_id = -1 };

static int on_gil(void *ctx, const struct reader_gil *g)
{
	((struct lock_uses *)ctx)->several_gils |= g->interp_id > 0;
	return 0;
}

static int on_lock(void *ctx, const struct reader_lock *l)
{
	struct lock_uses *u = ctx;
	autostrbuf name = STRBUF_INIT;

	if (l->row.kind != LOCK_GIL && *l->name)
		strbuf_add(&name, l->name, strnlen(l->name, NAME_MAX_BYTES));
	else if (l->row.kind != LOCK_GIL)
		strbuf_addf(&name, "0x%" PRIx64, l->row.addr);
	else if (u->several_gils && l->interp_id >= 0)
		strbuf_addf(&name, "GIL %" PRId64, l->interp_id);
	else
		strbuf_adds(&name, "GIL");
	u->items.items[l->row.lock] = (struct lock_use){
		.known = true, .name = arena_strdup(&u->arena, name.s), .where = "", .addr = l->row.addr, .interp_id = l->interp_id,
		.proc = l->row.proc, .kind = l->row.kind,
	};
	u->locks.items[l->row.lock].kind = l->row.kind;
	return 0;
}

int lock_uses_load(struct lock_uses *ret, struct reader *r)
{
	int err;

	*ret = (struct lock_uses){ .reader = r };
	for (uint32_t i = 0; i < reader_info(r)->locks; i++) {
		vec_push(&ret->items, no_use);
		vec_push(&ret->locks, ((struct lock_own){ .kind = LOCK_FUTEX }));
	}
	err = reader_gils(r, on_gil, ret);
	err = err ? err : reader_locks(r, on_lock, ret);
	if (err)
		lock_uses_done(ret);
	return err;
}

void lock_uses_done(struct lock_uses *u)
{
	arena_done(&u->arena);
	vec_done(&u->items);
	vec_done(&u->locks);
	pool_done(&u->waits);
	pool_done(&u->keys);
	vec_done(&u->of_wait);
	vec_done(&u->of_key);
	lock_words_done(&u->words);
	*u = (struct lock_uses){ 0 };
}

static struct place_frame frame_at(const void *ctx, unsigned i)
{
	const struct reader_frame *f = &((const struct reader_frame *)ctx)[i];

	return (struct place_frame){ f->function, f->file };
}

static const char *line_text(struct lock_uses *u, const struct reader_frame *f)
{
	const char *base = strrchr(f->file, '/');
	autostrbuf text = STRBUF_INIT;

	strbuf_add(&text, f->function, strnlen(f->function, NAME_MAX_BYTES));
	if (*f->file) {
		base = base && base[1] ? base + 1 : f->file;
		strbuf_adds(&text, " (");
		strbuf_add(&text, base, strnlen(base, NAME_MAX_BYTES));
		strbuf_addf(&text, f->line ? ":%u)" : ")", f->line);
	}
	return arena_strdup(&u->arena, text.s);
}

/* The use of a kind of lock at a line, made when it is the first. */
static uint32_t use_of(struct lock_uses *u, uint32_t lock, enum lock_kind kind, const struct reader_frame *where)
{
	const bool fleeting = lock_kind_fleeting(kind);
	struct lock_use use = u->items.items[lock];
	autostrbuf key = STRBUF_INIT;
	bool is_new;
	uint32_t number;

	strbuf_addf(&key, "%d %d %u ", kind, fleeting, fleeting ? use.proc : lock);
	if (fleeting && where)
		strbuf_addf(&key, "%s\n%s\n%u", where->function, where->file, where->line);
	number = pool_number(&u->keys, key.s, key.n, &is_new);
	if (!is_new)
		return u->of_key.items[number];
	use.where = where ? line_text(u, where) : "";
	use.kind = kind;
	if (!fleeting && !u->locks.items[lock].taken) {
		u->locks.items[lock].taken = true;
		vec_push(&u->of_key, lock);
		u->items.items[lock] = use;
		return lock;
	}
	if (fleeting) {
		use.addr = 0;
		use.name = use.where;
	}
	vec_push(&u->of_key, (uint32_t)u->items.n);
	vec_push(&u->items, use);
	return (uint32_t)u->items.n - 1;
}

/* Of several locks at one address, which no stack tells apart: one for each process. */
static uint32_t unknown_use(struct lock_uses *u, uint32_t lock)
{
	const uint32_t proc = u->items.items[lock].proc;
	bool is_new;
	uint32_t number = pool_number(&u->keys, &proc, sizeof(proc), &is_new);

	if (is_new) {
		vec_push(&u->of_key, (uint32_t)u->items.n);
		vec_push(&u->items, ((struct lock_use){ .known = true, .proc = proc, .kind = LOCK_FUTEX, .interp_id = -1, .where = "",
							.name = LOCK_WORDS_SEVERAL_NAME }));
	}
	return u->of_key.items[number];
}

uint32_t lock_uses_wait(struct lock_uses *u, const struct wait *w)
{
	const uint64_t stack = lock_words_stack(&u->words, w);
	const uint32_t lock = w->lock;
	const struct { uint64_t stack, lock; } key = { stack, lock };
	const struct reader_frame *frames;
	struct lock_place place;
	unsigned flags, n;
	uint32_t number;
	bool is_new;

	if (lock >= u->locks.n || u->locks.items[lock].kind == LOCK_GIL)
		return lock;
	if (!stack) {
		number = lock_words_use(&u->words, lock, w->thread);
		return number == LOCK_WORDS_NEW ? lock : number == LOCK_WORDS_SEVERAL ? unknown_use(u, lock) : number;
	}
	number = pool_number(&u->waits, &key, sizeof(key), &is_new);
	if (is_new) {
		n = reader_stack(u->reader, stack, &frames, &flags);
		place = lock_place(n, frame_at, frames);
		vec_push(&u->of_wait, use_of(u, lock, lock_place_kind(place.kind, u->locks.items[lock].kind),
					      place.where < n ? &frames[place.where] : NULL));
	}
	number = u->of_wait.items[number];
	lock_words_saw(&u->words, w, number, lock_kind_fleeting(u->items.items[number].kind));
	return number;
}

uint32_t lock_uses_find(const struct lock_uses *u, uint32_t lock, uint32_t thread, uint64_t stack)
{
	const struct { uint64_t stack, lock; } key = { stack, lock };
	uint32_t number;

	if (lock >= u->locks.n || u->locks.items[lock].kind == LOCK_GIL)
		return lock;
	number = pool_find(&u->waits, &key, sizeof(key));
	if (number != POOL_NONE)
		return u->of_wait.items[number];
	number = lock_words_use(&u->words, lock, thread);
	if (number == LOCK_WORDS_SEVERAL) {
		number = pool_find(&u->keys, &u->items.items[lock].proc, sizeof(u->items.items[lock].proc));
		return number == POOL_NONE ? lock : u->of_key.items[number];
	}
	return number == LOCK_WORDS_NEW ? lock : number;
}

const struct lock_use *lock_use(const struct lock_uses *u, uint32_t use)
{
	return use < u->items.n ? &u->items.items[use] : &no_use;
}
