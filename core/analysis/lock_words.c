/* See lock_words.h. */
#include "core/analysis/lock_words.h"

static const struct seen_use none = { .use = LOCK_WORDS_NEW };

static void saw(struct seen_use *s, uint32_t use, bool fleeting)
{
	s->use = s->use == LOCK_WORDS_NEW || s->use == use ? use : LOCK_WORDS_SEVERAL;
	s->fleeting |= fleeting;
}

void lock_words_saw(struct lock_words *w, const struct wait *row, uint32_t use, bool fleeting)
{
	const uint32_t key[] = { row->lock, row->thread };
	uint32_t number;
	bool is_new;

	if (row->flags & WAIT_F_STACK_CARRIED)
		return;
	while (w->of_lock.n <= row->lock)
		vec_push(&w->of_lock, none);
	saw(&w->of_lock.items[row->lock], use, fleeting);
	if (row->thread == MODEL_NONE)
		return;
	number = pool_number(&w->threads, key, sizeof(key), &is_new);
	if (is_new)
		vec_push(&w->of_thread, none);
	saw(&w->of_thread.items[number], use, fleeting);
}

uint32_t lock_words_use(const struct lock_words *w, uint32_t lock, uint32_t thread)
{
	const uint32_t key[] = { lock, thread };
	const struct seen_use *all = lock < w->of_lock.n ? &w->of_lock.items[lock] : &none;
	uint32_t number;

	if (all->use == LOCK_WORDS_NEW || (all->use != LOCK_WORDS_SEVERAL && !all->fleeting))
		return all->use;
	number = pool_find(&w->threads, key, sizeof(key));
	return number == POOL_NONE ? LOCK_WORDS_SEVERAL : w->of_thread.items[number].use;
}

uint64_t lock_words_stack(const struct lock_words *w, const struct wait *row)
{
	if ((row->flags & WAIT_F_STACK_CARRIED) && lock_words_use(w, row->lock, row->thread) == LOCK_WORDS_SEVERAL)
		return 0;
	return row->stack;
}

void lock_words_done(struct lock_words *w)
{
	pool_done(&w->threads);
	vec_done(&w->of_thread);
	vec_done(&w->of_lock);
}
