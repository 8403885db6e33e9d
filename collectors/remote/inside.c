/* See inside.h. */
#include "collectors/remote/inside.h"

#include "core/interp/mem.h"

enum {
	SLEPT_ENOUGH = 4, /* sleeps that a depth is learned from */
	SLEPT_MIN = 2,
	CHECK_EVERY = 8, /* sights: a return probe that is set, a tracer, changes words for good */
	ELSEWHERE_ENOUGH = 24, /* times it was compared elsewhere … */
	ELSEWHERE_MIN = 6,
	SPAN_MAX = 256, /* words that are read together */
	EQUAL_PART = 5, /* … of which no more than such a part may have been equal: the lock's mutex is also passed without waiting */
};

bool inside_read(const struct mem *m, uint64_t sp, struct inside_window *ret)
{
	return sp && sp % sizeof(uint64_t) == 0 && !mem_read(m, sp, ret->words, sizeof(ret->words));
}

static struct inside_place *place_at(struct inside *in, uint64_t sp)
{
	for (unsigned i = 0; i < INSIDE_PLACES; i++)
		if (in->places[i].sp == sp)
			return &in->places[i];
	return NULL;
}

static struct inside_place *oldest(struct inside *in)
{
	struct inside_place *found = &in->places[0];

	for (unsigned i = 1; i < INSIDE_PLACES; i++)
		if (in->places[i].used < found->used)
			found = &in->places[i];
	return found;
}

bool inside_wants_sleep(struct inside *in, uint64_t sp)
{
	struct inside_place *p = sp ? place_at(in, sp) : NULL;

	if (!p)
		return sp != 0;
	p->used = ++in->clock;
	return p->slept < SLEPT_ENOUGH || ++p->sights % CHECK_EVERY == 0;
}

static void keep_equal(struct inside_place *p, const uint64_t *words)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < p->n; i++)
		if (words[p->at[i]] == p->value[i]) {
			p->at[n] = p->at[i];
			p->value[n++] = p->value[i];
		}
	p->n = n;
}

void inside_learn(struct inside *in, uint64_t sp, const struct inside_window *w, inside_is_code is_code, const struct target *t)
{
	struct inside_place *p = place_at(in, sp);

	if (p && p->n) {
		keep_equal(p, w->words);
		p->slept += p->slept < SLEPT_ENOUGH;
		return;
	}
	if (!p)
		p = oldest(in);
	*p = (struct inside_place){ .sp = sp, .slept = 1, .used = ++in->clock };
	for (uint8_t i = 0; i < INSIDE_WINDOW && p->n < INSIDE_WORDS; i++)
		if (is_code(t, w->words[i])) {
			p->at[p->n] = i;
			p->value[p->n++] = w->words[i];
		}
}

static bool is_learned(const struct inside_place *p)
{
	return p->sp && p->n && p->slept >= SLEPT_MIN;
}

static bool is_believed(const struct inside_place *p)
{
	return is_learned(p) && p->elsewhere >= ELSEWHERE_MIN && p->equal * EQUAL_PART <= p->elsewhere;
}

/* Part of a stack. */
struct part {
	uint64_t start, end, words[SPAN_MAX];
};

static uint64_t lowest(const struct inside_place *p)
{
	return p->sp + sizeof(uint64_t) * p->at[0];
}

static uint64_t highest(const struct inside_place *p)
{
	return p->sp + sizeof(uint64_t) * (p->at[p->n - 1] + 1u);
}

static bool read_part(const struct mem *m, uint64_t start, uint64_t end, struct part *ret)
{
	bool good = end - start <= sizeof(ret->words) && !mem_read(m, start, ret->words, end - start);

	ret->start = start;
	ret->end = good ? end : start;
	return good;
}

static bool equals(const struct inside_place *p, const struct mem *m, struct part *part)
{
	if ((lowest(p) < part->start || highest(p) > part->end) && !read_part(m, lowest(p), highest(p), part))
		return false;
	for (uint8_t i = 0; i < p->n; i++)
		if (part->words[(p->sp - part->start) / sizeof(uint64_t) + p->at[i]] != p->value[i])
			return false;
	return true;
}

/* Those places lie close together: mostly one read is enough for all. */
static void read_all(const struct inside *in, bool (*which)(const struct inside_place *p), const struct mem *m, struct part *ret)
{
	uint64_t start = UINT64_MAX, end = 0;

	*ret = (struct part){ .start = 0 };
	for (unsigned i = 0; i < INSIDE_PLACES; i++) {
		const struct inside_place *p = &in->places[i];

		if (!which(p))
			continue;
		start = lowest(p) < start ? lowest(p) : start;
		end = highest(p) > end ? highest(p) : end;
	}
	if (start < end)
		read_part(m, start, end, ret);
}

bool inside_wants_contrast(const struct inside *in)
{
	for (unsigned i = 0; i < INSIDE_PLACES; i++)
		if (is_learned(&in->places[i]) && in->places[i].elsewhere < ELSEWHERE_ENOUGH)
			return true;
	return false;
}

void inside_compare(struct inside *in, const struct mem *m)
{
	struct part part;

	read_all(in, is_learned, m, &part);
	for (unsigned i = 0; i < INSIDE_PLACES; i++)
		in->places[i].same = is_learned(&in->places[i]) && equals(&in->places[i], m, &part);
}

void inside_contrast(struct inside *in)
{
	for (unsigned i = 0; i < INSIDE_PLACES; i++) {
		struct inside_place *p = &in->places[i];

		if (!is_learned(p) || p->elsewhere >= ELSEWHERE_ENOUGH)
			continue;
		p->elsewhere++;
		p->equal += p->same;
	}
}

enum inside_answer inside_look(struct inside *in, const struct mem *m)
{
	struct part part;
	enum inside_answer answer = INSIDE_UNKNOWN;

	read_all(in, is_believed, m, &part);
	for (unsigned i = 0; i < INSIDE_PLACES && answer != INSIDE_YES; i++)
		if (is_believed(&in->places[i]))
			answer = equals(&in->places[i], m, &part) ? INSIDE_YES : INSIDE_NO;
	return answer;
}

bool inside_knows(struct inside *in, uint64_t sp)
{
	const struct inside_place *p = sp ? place_at(in, sp) : NULL;

	return p && is_believed(p);
}
