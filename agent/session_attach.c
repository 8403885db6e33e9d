/* Targets of a recording from pid to attached: opened, told to the collector, and still the same program when that is done. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define AGAIN_FOR_NS (3 * NS_PER_S) /* a new program is given so long to start its Python */
#define AGAIN_PAUSE_US 50000

int session_open_one(struct session_target *t, bool threads_only, struct fail *why)
{
	struct target_options options = { .threads_only = threads_only };
	int err = target_open(&t->target, t->shown_pid, &options, why);

	if (err)
		return err;
	if (target_runtime(t->target))
		t->symbols = symbols_new(t->target);
	return 0;
}

static int open_one(struct session *s, struct session_target *t, struct fail *why)
{
	/* our own child runs our own program until it is released */
	return session_open_one(t, s->options->no_python || s->options->command, why);
}

int session_open_targets(struct session *s, struct fail *why)
{
	s->targets = xcalloc(TARGETS_MAX, sizeof(*s->targets)); /* pages of it are used as it fills */
	for (unsigned i = 0; i < s->options->n_pids; i++) {
		struct session_target *t = session_target_new(s, s->options->pids[i]);
		int err = open_one(s, t, why);

		if (err)
			return err;
		t->root = true;
	}
	return 0;
}

static int add(struct session *s, struct session_target *t, struct fail *why)
{
	int err = s->ops->add_target(s->collector, t->target, why);

	if (!err && !target_alive(t->target))
		err = fail_set(why, -ESRCH, FAIL_ATTACH, "could not attach to pid %d: it has ended", (int)t->shown_pid);
	return err;
}

/* Loading the programs takes 0.1 s, in which the target may have replaced its program: what was read of it is void then.
 * From add_target on the exec program notices by itself. */
static int attach_again(struct session *s, struct session_target *t, struct fail *why)
{
	uint64_t until = clock_now_ns() + AGAIN_FOR_NS;
	int err = 0;

	while (!err && !target_same_program(t->target)) {
		struct session_target fresh = { .shown_pid = t->shown_pid };

		do {
			err = open_one(s, &fresh, why);
			if (!err || !target_alive(t->target) || (s->options->stop && *s->options->stop))
				break;
			usleep(AGAIN_PAUSE_US);
		} while (clock_now_ns() < until);
		if (err)
			return err;
		session_target_close(t);
		t->target = fresh.target;
		t->symbols = fresh.symbols;
		err = add(s, t, why);
	}
	return err;
}

int session_attach_targets(struct session *s, struct fail *why)
{
	int err = 0;

	for (unsigned i = 0; !err && i < s->n_targets; i++) {
		err = add(s, s->targets[i], why);
		if (!err)
			err = attach_again(s, s->targets[i], why);
	}
	return err;
}
