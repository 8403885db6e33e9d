/* See mailbox.h. */
#include "agent/mailbox.h"

#include <stdlib.h>

#include "core/base/clock.h"

void mailbox_init(struct mailbox *m, size_t max_bytes)
{
	pthread_condattr_t attr;

	*m = (struct mailbox){ .max_bytes = max_bytes };
	m->last = &m->first;
	pthread_mutex_init(&m->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->arrived, &attr);
	pthread_condattr_destroy(&attr);
}

void mailbox_done(struct mailbox *m)
{
	struct letter *l = m->first;

	while (l) {
		struct letter *next = l->next;

		free(l);
		l = next;
	}
	pthread_cond_destroy(&m->arrived);
	pthread_mutex_destroy(&m->mutex);
}

bool mailbox_post(struct mailbox *m, struct letter *l)
{
	bool fits;

	l->next = NULL;
	pthread_mutex_lock(&m->mutex);
	fits = !m->closed && m->bytes + l->bytes <= m->max_bytes;
	if (fits) {
		*m->last = l;
		m->last = &l->next;
		m->bytes += l->bytes;
		pthread_cond_signal(&m->arrived);
	}
	pthread_mutex_unlock(&m->mutex);
	return fits;
}

struct letter *mailbox_take(struct mailbox *m, uint64_t timeout_ns)
{
	uint64_t until = clock_now_ns() + timeout_ns;
	struct timespec ts = { (time_t)(until / NS_PER_S), (long)(until % NS_PER_S) };
	struct letter *l;

	pthread_mutex_lock(&m->mutex);
	while (!m->first && !m->closed)
		if (pthread_cond_timedwait(&m->arrived, &m->mutex, &ts))
			break;
	l = m->first;
	m->first = NULL;
	m->last = &m->first;
	m->bytes = 0;
	pthread_mutex_unlock(&m->mutex);
	return l;
}

void mailbox_close(struct mailbox *m)
{
	pthread_mutex_lock(&m->mutex);
	m->closed = true;
	pthread_cond_broadcast(&m->arrived);
	pthread_mutex_unlock(&m->mutex);
}

bool mailbox_closed(struct mailbox *m)
{
	bool closed;

	pthread_mutex_lock(&m->mutex);
	closed = m->closed;
	pthread_mutex_unlock(&m->mutex);
	return closed;
}
