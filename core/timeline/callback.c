/* See callback.h. */
#include "core/timeline/callback.h"

#include <string.h>

static void add_time(struct callback_time *to, const struct callback_time *more)
{
	to->wait_gil_ns += more->wait_gil_ns;
	to->asleep_ns += more->asleep_ns;
	to->runnable_ns += more->runnable_ns;
}

static void add_off(struct callback_time *to, const struct callback_look *look)
{
	uint64_t ns = look->t1_ns - look->t0_ns, ready = look->wake_ns > look->t0_ns && look->wake_ns <= look->t1_ns ? look->t1_ns - look->wake_ns : 0;

	if (look->off == STATE_WAIT_GIL) {
		to->wait_gil_ns += ns; /* its wake-up included, as in waits */
	} else if (look->off == STATE_RUNNABLE) {
		to->runnable_ns += ns;
	} else {
		to->asleep_ns += ns - ready;
		to->runnable_ns += ready;
	}
}

/* The time since the last look was spent about here. */
static void weigh(struct callback *c, uint64_t stack, uint64_t ns)
{
	unsigned least = 0;

	for (unsigned i = 0; i < CALLBACK_STACKS; i++) {
		if (c->at[i].stack == stack || !c->at[i].stack) {
			c->at[i].stack = stack;
			c->at[i].ns += ns;
			return;
		}
		if (c->at[i].ns < c->at[least].ns)
			least = i;
	}
	if (ns > c->at[least].ns) {
		c->at[least].stack = stack;
		c->at[least].ns = ns;
	}
}

bool callback_end(struct callback *c, struct stall *ret)
{
	bool is_long = c->number && c->t1_ns - c->t0_ns >= CALLBACK_LONG_NS;
	unsigned most = 0;

	for (unsigned i = 1; i < CALLBACK_STACKS; i++)
		if (c->at[i].ns > c->at[most].ns)
			most = i;
	if (is_long)
		*ret = (struct stall){ .t0_ns = c->t0_ns, .t1_ns = c->t1_ns, .wait_gil_ns = c->off.wait_gil_ns, .looks = c->looks,
				       .asleep_ns = c->off.asleep_ns, .runnable_ns = c->off.runnable_ns, .stack = c->at[most].stack };
	memset(c, 0, sizeof(*c));
	return is_long;
}

bool callback_look(struct callback *c, const struct callback_look *look, struct stall *ret)
{
	bool over;

	if (look->t1_ns < look->t0_ns || look->t0_ns < c->t1_ns)
		return false;
	if (!look->stack) {
		if (c->number && look->t1_ns > look->t0_ns)
			add_off(&c->since, look);
		return false;
	}
	over = c->number != look->number && callback_end(c, ret);
	if (!look->number) {
		memset(c, 0, sizeof(*c));
		return over;
	}
	if (c->number != look->number)
		*c = (struct callback){ .number = look->number, .t0_ns = look->t0_ns, .t1_ns = look->t0_ns };
	weigh(c, look->stack, look->t1_ns - c->t1_ns);
	add_time(&c->off, &c->since);
	c->since = (struct callback_time){0};
	if (look->t1_ns > look->t0_ns)
		add_off(&c->off, look);
	c->t1_ns = look->t1_ns;
	c->looks++;
	return over;
}
