/* Python stacks of this process, by the same walk that the programs in the kernel use.  Memory is read by process_vm_readv from
 * ourselves: a fault is an error then, not a crash.  One call costs more than the page it fetches, so whole pages are kept for the
 * length of one walk.  At a thread's end or the interpreter's, and of other threads which run on, anything may be unmapped. */
#include <errno.h>
#include <stdint.h>
#include <linux/types.h>

struct thread_rec;
extern __thread struct thread_rec *self_rec __attribute__((tls_model("initial-exec"), visibility("hidden")));
static int walk_read(struct thread_rec *t, void *ret, uint64_t len, uint64_t addr);
#define WALK_READ(dst, len, addr) walk_read(self_rec, dst, len, addr)
#define WALK_FN static

#include "collectors/signal/preload/preload.h"
#include "core/interp/parked.h"
#include "collectors/signal/preload/sys.h"

#include <sys/uio.h>

#define CREDIT_MAX_NS 300000 /* a thread may read stacks for so long at a time … */
#define CREDIT_SHARE 100 /* … and for this part of its time */
#define PERIOD_MIN_NS 50000
#define PERIOD_MAX_NS 100000000
#define WORD_FOR_NS 100000000
#define LIST_STEPS 256
#define LIST_AGAIN_NS 10000000 /* a thread that was on no list is looked for again */

bool self_read(void *ret, uint64_t addr, uint64_t len)
{
	struct iovec to = { ret, len }, from = { (void *)(uintptr_t)addr, len };

	return SYS(process_vm_readv, lib.pid, &to, 1, &from, 1, 0) == (long)len;
}

/* The page that holds addr, NULL if it cannot be read. */
static const uint8_t *block_of(struct blocks *b, uint64_t addr)
{
	uint64_t at = addr & ~(uint64_t)(BLOCK_BYTES - 1);
	uint32_t i;

	for (i = 0; i < b->n; i++)
		if (b->at[i] == at)
			return b->bytes[i];
	i = b->next;
	b->next = (i + 1) % BLOCKS;
	b->at[i] = 0;
	if (!self_read(b->bytes[i], at, BLOCK_BYTES))
		return NULL;
	b->at[i] = at;
	if (b->n < BLOCKS)
		b->n++;
	return b->bytes[i];
}

static int block_read(struct blocks *b, void *ret, uint64_t len, uint64_t addr)
{
	uint8_t *to = ret;

	while (len) {
		uint64_t off = addr & (BLOCK_BYTES - 1), n = BLOCK_BYTES - off < len ? BLOCK_BYTES - off : len;
		const uint8_t *from = block_of(b, addr);

		if (!from)
			return -EFAULT;
		memcpy(to, from + off, n);
		to += n;
		addr += n;
		len -= n;
	}
	return 0;
}

/* The one read of four bytes is a code object's first line: the same for as long as the code lives, and each in a page of its own.
 * Remembered for so short a time that an address used again for other code is soon told from the old one. */
static int word_read(struct thread_rec *t, uint32_t *ret, uint64_t addr)
{
	struct word_seen *w = &t->words[(addr >> 4) % WORDS];

	if (w->addr == addr && t->walk_ns - w->at_ns < WORD_FOR_NS) {
		*ret = w->word;
		return 0;
	}
	w->addr = 0;
	if (!self_read(&w->word, addr, sizeof(w->word)))
		return -EFAULT;
	w->addr = addr;
	w->at_ns = t->walk_ns;
	*ret = w->word;
	return 0;
}

static int walk_read(struct thread_rec *t, void *ret, uint64_t len, uint64_t addr)
{
	return len == sizeof(uint32_t) ? word_read(t, ret, addr) : block_read(&t->blocks, ret, len, addr);
}

/* The thread state that names the thread, on the list of each interpreter: 2.7 keeps thread-specific data in a list of its own. */
static uint64_t listed_tstate(struct thread_rec *t)
{
	const struct walk_layout *l = &lib.walk;
	uint64_t named = 0, interp = 0, tstate = 0, now;

	if (t->listed && self_read(&named, t->listed + l->tstate_thread_id, sizeof(named)) && named == t->ident)
		return t->listed;
	t->listed = 0;
	now = now_ns();
	if (now - t->listed_ns < LIST_AGAIN_NS || !self_read(&interp, l->interpreters, sizeof(interp)))
		return 0;
	t->listed_ns = now;
	for (int i = 0; i < LIST_STEPS && (tstate || interp); i++) {
		if (!tstate) {
			if (!self_read(&tstate, interp + l->interp_tstate_head, sizeof(tstate)) || !self_read(&interp, interp, sizeof(interp)))
				return 0; /* next comes first there */
			continue;
		}
		if (!self_read(&named, tstate + l->tstate_thread_id, sizeof(named)))
			return 0;
		if (named == t->ident)
			return t->listed = tstate;
		if (!self_read(&tstate, tstate + l->tstate_next, sizeof(tstate)))
			return 0;
	}
	return 0;
}

uint64_t own_tstate(struct thread_rec *t)
{
	if (UNLIKELY(lib.walk.interpreters && lib.gil_size))
		return listed_tstate(t);
	if (UNLIKELY(lib.walk.tss_pointer))
		return *(const uint64_t *)(uintptr_t)(*(const uint64_t *)(uintptr_t)(t->ident + lib.walk.tss_pointer) + lib.tss_offset);
	return lib.tss_offset ? *(const uint64_t *)(uintptr_t)(t->ident + lib.tss_offset) : 0; /* in our own struct pthread */
}

static void send(struct thread_rec *t, uint64_t key)
{
	uint32_t slot = key % SENT_STACKS;
	struct ev_stack *s = &t->stack;

	if (t->sent[slot] == key)
		return;
	s->key = key;
	s->inner = 0;
	s->h.kind = EV_STACK;
	s->h.size = (__u16)(offsetof(struct ev_stack, frames) + s->n * sizeof(struct ev_frame));
	if (ring_put(&t->slot->ring, t->ring, SHARED_RING_BYTES, &s->h))
		t->sent[slot] = key;
	else
		t->slot->lost[EV_LOSS_RING_STACK]++;
}

static uint64_t walk(struct thread_rec *t, uint64_t tstate)
{
	_Static_assert(sizeof(struct walk_buf) <= sizeof(t->walk), "room for the walk");
	return walk_frames(&lib.walk, tstate, lib.pid, (struct walk_buf *)t->walk, &t->stack);
}

/* Of a thread that runs on, the innermost frame may change under the walk.  What was read is read afresh from here on. */
static bool moved(struct thread_rec *t, uint64_t tstate, uint64_t top)
{
	t->blocks.n = t->blocks.next = 0;
	return walk_top(&lib.walk, tstate) != top;
}

uint64_t stack_take(struct thread_rec *t, uint64_t tstate, bool moving)
{
	uint64_t key, top;

	if (!tstate || !lib.gil_size)
		return 0;
	t->walk_ns = now_ns();
	t->blocks.n = t->blocks.next = 0;
	top = moving ? walk_top(&lib.walk, tstate) : 0;
	key = walk(t, tstate);
	if (moving && moved(t, tstate, top)) {
		key = walk(t, tstate);
		t->stack.h.flags |= EV_F_TORN;
	}
	if (key)
		send(t, key);
	return key;
}

void parked_look(struct thread_rec *t, uint64_t tstate, struct ev_off *e)
{
	struct parked parked;

	t->walk_ns = now_ns();
	t->blocks.n = t->blocks.next = 0;
	parked_read(&lib.walk, tstate, t->ident, e->arg0, &parked);
	e->parked = parked.at;
	e->lock_owner = parked.owner;
	e->parked_as = parked.as;
}

uint64_t stack_context(const struct thread_rec *t)
{
	return ((const struct walk_buf *)t->walk)->context;
}

/* --- how often ------------------------------------------------------------------------------------------------- */

/* Stacks are read for every wait while that is cheap, else once in so much waiting: a long wait is likelier to have one. */
bool stack_due(struct thread_rec *t, uint64_t now)
{
	uint64_t earned = (now - t->credit_at_ns) / CREDIT_SHARE;

	if (t->since_stack_ns < t->stack_period_ns) {
		t->slot->stacks_left_out++;
		return false;
	}
	t->credit_at_ns = now;
	t->credit_ns += earned > CREDIT_MAX_NS ? CREDIT_MAX_NS : (int64_t)earned;
	if (t->credit_ns > CREDIT_MAX_NS)
		t->credit_ns = CREDIT_MAX_NS;
	t->since_stack_ns = 0;
	return true;
}

void stack_paid(struct thread_rec *t, uint64_t cost_ns)
{
	t->credit_ns -= cost_ns > CREDIT_MAX_NS ? CREDIT_MAX_NS : (int64_t)cost_ns;
	if (t->credit_ns < 0)
		t->stack_period_ns = t->stack_period_ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : t->stack_period_ns * 2;
	else if (t->credit_ns > CREDIT_MAX_NS / 2)
		t->stack_period_ns = t->stack_period_ns <= PERIOD_MIN_NS ? 0 : t->stack_period_ns / 2;
	if (t->stack_period_ns > PERIOD_MAX_NS)
		t->stack_period_ns = PERIOD_MAX_NS;
}
