/* The table of targets: only the capture thread adds, at its end; whoever reads it sees whole entries, because the count is
 * raised after them.  Found by pid through buckets, the newest process of that number first. */
#include <stdlib.h>

#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

struct session_target *session_target_new(struct session *s, pid_t pid)
{
	_Atomic(struct session_target *) *bucket = &s->by_pid[(uint32_t)pid % TARGET_BUCKETS];
	struct session_target *t;

	if (s->n_targets == TARGETS_MAX)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->shown_pid = pid;
	t->pid = (uint32_t)pid;
	t->same_bucket = atomic_load(bucket);
	s->targets[s->n_targets] = t;
	atomic_store(bucket, t);
	atomic_fetch_add(&s->n_targets, 1);
	return t;
}

struct session_target *session_target_by_pid(struct session *s, uint32_t pid)
{
	struct session_target *t = atomic_load(&s->by_pid[pid % TARGET_BUCKETS]);

	while (t && t->pid != pid)
		t = t->same_bucket;
	return t;
}

void session_target_ended(struct session_target *t)
{
	if (atomic_load(&t->ended))
		return;
	atomic_store(&t->ended_ns, clock_now_ns());
	atomic_store(&t->ended, true);
}

bool session_ended(struct session *s)
{
	for (unsigned i = 0; i < s->n_targets; i++)
		if (s->targets[i]->root && !atomic_load(&s->targets[i]->ended))
			return false;
	return true;
}

void session_target_close(struct session_target *t)
{
	symbols_free(t->symbols);
	target_free(t->target);
	t->symbols = NULL;
	t->target = NULL;
	t->silent_told = 0;
}

bool session_target_adopt(struct session *s, struct session_target *t)
{
	struct session_found *found;

	if (!atomic_load(&t->found))
		return false;
	found = atomic_exchange(&t->found, NULL);
	if (!found)
		return false;
	pthread_mutex_lock(&s->swap);
	session_target_close(t);
	t->target = found->target;
	t->symbols = found->symbols;
	pthread_mutex_unlock(&s->swap);
	free(found);
	return true;
}

void session_close_targets(struct session *s)
{
	for (unsigned i = 0; i < s->n_targets; i++) {
		session_target_adopt(s, s->targets[i]);
		session_target_close(s->targets[i]);
		free(s->targets[i]);
	}
	free(s->targets);
}
